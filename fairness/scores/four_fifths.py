"""The four-fifths rule: the probability that a rate of selection is below .8 of another's."""

import pandas as pd

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import Comparison, compare, index_of
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, left_out, sensitivity
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["four_fifths"]

_BELOW = 0.8
_DOUBT = 0.05  # that any group of a page is called below, or not below, and is not


@analysis(
    "four-fifths",
    answers="representative",
    needs=("trials", "events", "good"),
    groups=2,
    label="four-fifths rule",
    rates=0,  # what does not differ is hardly ever told to lie below four fifths
)
def four_fifths(
    counts: Counts, *, reference: str | None = None, prior: Prior = PRIORS["uniform"], seed: int = 0
) -> Analysis:
    r"""How likely each group's rate of selection is below four fifths of the highest group's.

    .. math:: P\!\left(\frac{\theta_g}{\theta_r} < 0.8\right) =
              \int F_g(0.8\, y)\, f_r(y)\, dy, \quad
              \theta_g \mid k_g, n_g \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g)

    The rule of thumb looks at the ratio of two counted rates and says nothing about chance. With
    few cases a ratio below .8 is common where both rates are the same, and with many one above .8
    can be as clear as any.

    Args:
        counts: with trials (those who could be selected) and events (those who were).
        reference: r; by default the group whose interval begins highest, so that a tiny group with
            a high rate is not taken for the highest.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "selection_rate", by group, and its table the probability
        of each group.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: if there are no trials, or no second group that has any.

    Source: Uniform guidelines on employee selection procedures, 29 CFR 1607.4 D (1978).
    """
    first = compare(counts, "events", "trials", prior=prior)
    ref = _highest(first) if reference is None else reference
    index_of(counts.group, ref, counts.groups)
    c = compare(
        counts, "events", "trials", quantity="selection_rate", reference=ref, prior=prior, seed=seed
    )
    if not c.ratios:
        raise DataError(f"There is no other {counts.group} to compare {ref} with.")
    below = {i: c.of.ratio_below(i, c.ref, _BELOW) for i in c.ratios}
    order = sorted(below, key=lambda i: -below[i])
    far = order[0]

    def ratio(p: Prior) -> Estimate:
        rates: Rates = c.under(p)
        return rates.ratio(c.quantity, far, c.ref, c.words)

    return Analysis(
        **framed("four_fifths", counts),
        findings=[_finding(c, i, below[i]) for i in order],
        estimates=[*c.each.values(), *c.ratios.values()],
        assumptions=[
            *basis(counts, prior),
            *left_out(c),
            *assumed("four_fifths", reference=ref),
            *sensitivity({f"{name} {p}": ratio(p) for name, p in PRIORS.items()}),
        ],
        counts=counts,
        posterior=c.posterior("selection_rate"),
        tables=[_table(c, below)],
        draw=lambda: _pictures(c),
        details=c.details | {"below": {counts.groups[i]: p for i, p in below.items()}},
    )


def _highest(c: Comparison) -> str:
    """The name of the group whose interval begins highest."""
    return c.counts.groups[max(c.shown, key=lambda i: c.each[i].low)]


def _finding(c: Comparison, i: int, below: float) -> Finding:
    """On which side of .8 the ratio lies, where that is clear for all groups together."""
    doubt = _DOUBT / 2 / c.ratios[i].comparisons
    case = "below" if below > 1 - doubt else "above" if below < doubt else "unclear"
    values = {"words": c.words, "below": _per_cent(below), "one": c.each[i], "other": c.each[c.ref]}
    return worded("four_fifths.ratio", c.ratios[i], case, **values)


def _per_cent(p: float) -> str:
    """A probability that no rounding makes certain."""
    if 0.001 <= p <= 0.999:
        return f"{100 * p:.1f} %"
    return "less than 0.1 %" if p < 0.001 else "more than 99.9 %"


def _table(c: Comparison, below: dict[int, float]) -> Table:
    rows = []
    for i in c.shown:
        row = {
            c.counts.group: c.counts.groups[i],
            "selected": c.part[i].item(),
            "of": c.whole[i].item(),
        }
        if i in below:
            e = c.ratios[i]
            row |= {"ratio": e.value, "low": e.low, "high": e.high, "P(ratio < 0.8)": below[i]}
        rows.append(row)
    return Table(phrase("four_fifths.table", reference=c.reference), pd.DataFrame(rows))


def _pictures(c: Comparison) -> list[Picture]:
    caption = phrase("four_fifths.picture", reference=c.reference)
    return [intervals("four-fifths", list(c.ratios.values()), caption)]
