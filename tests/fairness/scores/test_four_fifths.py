"""The four-fifths rule as a probability, next to quadrature and simulation."""

import pandas as pd
import pytest
from scipy import integrate, stats

from plausible.fairness import Audit, Columns, Counts, Prior, four_fifths
from plausible.inference.errors import DataError, UnknownName


def hired(**groups: tuple[int, int]) -> Counts:
    return Counts.of(
        {g: {"trials": n, "events": k} for g, (k, n) in groups.items()},
        group="sex",
        names={"trials": "applicants", "events": "hired"},
    )


@pytest.mark.parametrize(
    ("men", "women", "prior"),
    [
        ((48, 80), (12, 40), Prior(1, 1)),  # the example of the guidelines: 60 and 30 %
        ((50, 100), (41, 100), Prior(1, 1)),
        ((5, 10), (4, 10), Prior(0.5, 0.5)),
        ((900, 1000), (0, 30), Prior(2, 2)),
    ],
)
def test_the_probability_is_that_of_quadrature(
    men: tuple[int, int], women: tuple[int, int], prior: Prior
) -> None:
    # Seen failing with the ratio turned round.
    made = four_fifths(hired(men=men, women=women), reference="men", prior=prior)
    one, other = (
        stats.beta(prior.events + k, prior.others + n - k) for k, n in (women, men)
    )  # fmt: skip
    exact = integrate.quad(
        lambda y: other.pdf(y) * one.cdf(0.8 * y), 0, 1, points=[other.mean()], limit=200
    )[0]
    assert made.details["below"]["women"] == pytest.approx(exact, abs=2e-4)
    (row,) = (r for r in made.tables[0].frame.to_dict("records") if r["sex"] == "women")
    assert row["P(ratio < 0.8)"] == made.details["below"]["women"]
    ratio = made.find("selection_rate", "women", "men", "ratio")
    assert (row["ratio"], row["low"], row["high"]) == (ratio.value, ratio.low, ratio.high)


@pytest.mark.parametrize(
    ("women", "ending"),
    [
        ((300, 1000), "below four fifths is more than 99.9 %."),
        ((590, 1000), "below four fifths is less than 0.1 %: it is not."),
        ((24, 50), ": these data do not tell."),
    ],
)
def test_the_sentence_follows_the_probability(women: tuple[int, int], ending: str) -> None:
    made = four_fifths(hired(men=(600, 1000), women=women))
    assert made.findings[0].text.endswith(ending)


def test_a_tiny_group_is_not_the_highest_and_many_groups_need_more() -> None:
    made = four_fifths(hired(tiny=(3, 3), men=(600, 1000), women=(300, 1000)))
    assert made.details["reference"] == "men"
    pair = {"a": (60, 100), "b": (35, 100)}
    clear = four_fifths(hired(**pair)).findings[0].text
    many = four_fifths(hired(**pair, **{f"c{i}": (60, 100) for i in range(9)}))
    text = next(f.text for f in many.findings if " for b " in f.text)
    assert clear.endswith("%.") and text.endswith("do not tell.")


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="no other sex to compare men with"):
        four_fifths(hired(men=(6, 10)))
    with pytest.raises(UnknownName, match="man"):
        four_fifths(hired(men=(6, 10), women=(5, 10)), reference="man")


def test_an_audit_has_it_where_a_yes_is_good_and_only_there() -> None:
    rows = pd.DataFrame(
        {
            "sex": ["men"] * 200 + ["women"] * 200,
            "hired": [True, False] * 100 + ([True] + [False] * 3) * 50,
        }
    )
    for columns, there in (
        (Columns("sex", events="hired"), True),
        (Columns("sex", events="hired", good=False), False),
    ):
        audit = Audit(rows, columns)
        made = {a.name: a for a in audit.run()}
        assert ("four-fifths" in made) == there
        assert any("--good" in why for _, why in audit.skipped) != there
    decided = rows.rename(columns={"hired": "approved"}).assign(repaid=[True] * 400)
    audit = Audit(decided, Columns("sex", decision="approved", outcome="repaid"))
    made = {a.name: a for a in audit.run()}
    ratio = made["four-fifths"].find("selection_rate", "women", "men", "ratio")
    assert ratio.counts == ((50, 200), (100, 200))
    assert "more than 99.9 %" in made["four-fifths"].findings[0].text
