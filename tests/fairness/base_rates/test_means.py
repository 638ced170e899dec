"""A mean outcome by group, next to closed forms, SciPy and simulation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plausible.fairness import Audit, Columns, Counts, Moments, count_moments, means
from plausible.inference.errors import DataError, UnknownName


def rows(n: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    race = np.where(random.random(n) < 0.3, "Black", "White")
    days = random.gamma(2.0, 30.0, n) + np.where(race == "Black", 25.0, 0.0)
    return pd.DataFrame({"race": race, "days": days.round(2)})


def of(frame: pd.DataFrame) -> Moments:
    return count_moments(frame, Columns("race", mean="days"))


def test_sums_are_those_of_numpy() -> None:
    frame = rows()
    made = of(frame)
    assert made.counts.groups == ("Black", "White")
    for i, (_, part) in enumerate(frame.groupby("race")):
        assert made.n[i] == len(part)
        assert made.mean[i] == pytest.approx(part["days"].mean(), rel=1e-12)
        assert made.squares[i] == pytest.approx(part["days"].var(ddof=0) * len(part), rel=1e-9)
    assert made.overall == pytest.approx(frame["days"].mean(), rel=1e-12)
    assert made.variance == pytest.approx(frame["days"].var(ddof=0), rel=1e-9)


def test_large_amounts_keep_the_digits_of_their_deviations() -> None:
    # Seen failing with plain sums of squares: 1e18 swallows a variance of 1.
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"race": ["a", "b"] * 500, "days": 1e9 + random.normal(size=1000)})
    made = of(frame)
    for i, (_, part) in enumerate(frame.groupby("race")):
        assert made.squares[i] / made.n[i] == pytest.approx(part["days"].var(ddof=0), rel=1e-4)


def test_the_posterior_is_student_s_t_of_the_normal_model() -> None:
    # The update one value at a time, from the prior of one case at the mean of all rows.
    frame = rows(60, seed=3)
    made, moments = means(of(frame), reference="White"), of(frame)
    for group, part in frame.groupby("race"):
        kappa, nu, m, s = 1.0, 1.0, moments.overall, moments.variance
        for x in part["days"]:
            s += kappa / (kappa + 1) * (x - m) ** 2
            m = (kappa * m + x) / (kappa + 1)
            kappa, nu = kappa + 1, nu + 1
        exact = stats.t(nu, m, np.sqrt(s / nu / kappa))
        e = made["mean", group]
        assert (e.value, e.low, e.high) == pytest.approx((m, *exact.ppf([0.025, 0.975])), rel=1e-9)
        assert (e.measure, e.level) == ("mean", 0.95)


def test_of_many_rows_the_difference_is_that_of_welch() -> None:
    frame = rows(4000, seed=1)
    made = means(of(frame), reference="White")
    black, white = (frame.loc[frame["race"] == g, "days"] for g in ("Black", "White"))
    error = np.sqrt(black.var() / len(black) + white.var() / len(white))
    e = made["mean", "Black", "White"]
    assert e.measure == "mean difference"
    assert e.value == made["mean", "Black"].value - made["mean", "White"].value
    assert e.value == pytest.approx(black.mean() - white.mean(), abs=0.05 * error)
    assert (e.low, e.high) == pytest.approx(
        (e.value - 1.96 * error, e.value + 1.96 * error), rel=0.03
    )
    ratio = made.find("mean", "Black", "White", "ratio")
    assert ratio.value == pytest.approx(black.mean() / white.mean(), rel=2e-3)
    text = made.findings[0].text
    assert text.startswith("The mean of days is higher for Black, ")
    assert f"a difference of +{e.value:.1f} (+" in text


def test_intervals_hold_the_true_difference_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    inside, repeats = 0, 300
    for _ in range(repeats):
        x, y = random.normal(3, 2, 12), random.normal(1, 1, 20)
        counts = Counts.of({"a": {"trials": 12}, "b": {"trials": 20}})
        sums = [np.array(s) for s in ([x.mean(), y.mean()], [x.var() * 12, y.var() * 20])]
        e = means(Moments(counts, *sums))["mean", "a", "b"]
        inside += e.low <= 2 <= e.high
    assert inside / repeats == pytest.approx(0.95, abs=0.04)  # 3 standard errors


def test_a_group_of_one_has_an_interval_and_the_prior_weighs_as_it_is_told() -> None:
    frame = pd.concat([rows(50), pd.DataFrame({"race": ["Asian"], "days": [400.0]})])
    moments = of(frame)
    e = means(moments)["mean", "Asian"]
    assert e.value == pytest.approx((400 + moments.overall) / 2)
    assert e.low < moments.overall < 400 < e.high
    heavy = means(moments, cases=100.0)["mean", "Asian"]
    assert heavy.value == pytest.approx((400 + 100 * moments.overall) / 101)


def test_few_rows_are_undecided_and_equal_amounts_are_refused() -> None:
    few = means(of(pd.DataFrame({"race": list("aaabbb"), "days": [1, 2, 3, 1, 2, 4.5]})))
    assert "these data do not tell" in few.findings[0].text
    same = rows(20).assign(days=3.0)
    with pytest.raises(DataError, match="All values of days are the same"):
        means(of(same))
    with pytest.raises(DataError, match="not 0"):
        means(of(rows()), cases=0)
    with pytest.raises(UnknownName, match="Blakc"):
        means(of(rows()), reference="Blakc")


def test_a_file_with_gaps_weights_and_frequencies(tmp_path: Path) -> None:
    frame = rows(100).assign(w=np.arange(100) % 3 + 1.0, n=np.arange(100) % 4 + 1)
    frame.loc[:4, "days"] = np.nan
    frame.loc[5:7, "race"] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    known = frame.dropna()
    plain = count_moments(tmp_path / "rows.csv", Columns("race", mean="days"))
    assert plain.counts.missing["rows"] == 3
    weighted = count_moments(tmp_path / "rows.csv", Columns("race", mean="days", weight="w"))
    often = count_moments(tmp_path / "rows.csv", Columns("race", mean="days", count="n"))
    for i, (_, part) in enumerate(known.groupby("race")):
        w = part["w"]
        mean = np.average(part["days"], weights=w)
        variance = np.average((part["days"] - mean) ** 2, weights=w)
        assert weighted.mean[i] == pytest.approx(mean, rel=1e-12)
        assert weighted.n[i] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-9)
        assert weighted.squares[i] / weighted.n[i] == pytest.approx(variance, rel=1e-9)
        repeated = np.repeat(part["days"], part["n"])
        assert often.n[i] == len(repeated) and plain.n[i] == len(part)
        assert often.mean[i] == pytest.approx(repeated.mean(), rel=1e-12)
        assert often.squares[i] == pytest.approx(repeated.var(ddof=0) * len(repeated), rel=1e-9)


def test_an_audit_takes_a_mean_alone_or_with_events() -> None:
    frame = rows().assign(appealed=lambda f: f["days"] > 90)
    alone = Audit(frame[["race", "days"]], Columns("race", mean="days"))
    assert [a.name for a in alone.run()] == ["means"]
    both = {a.name: a for a in Audit(frame, Columns("race", events="appealed", mean="days")).run()}
    assert both["means"]["mean", "Black"] == alone.run()[0]["mean", "Black"]
    gaps = frame.assign(days=frame["days"].where(frame["days"] > 20))
    kept = {a.name: a for a in Audit(gaps, Columns("race", events="appealed", mean="days")).run()}
    assert kept["base-rates"]["rate", "Black"] == both["base-rates"]["rate", "Black"]
    with pytest.raises(UnknownName, match="Did you mean 'days'"):
        Audit(frame, Columns("race", mean="day"))


@pytest.mark.parametrize(
    ("text", "options", "answer"),
    [
        ("a,15.000\na,11.000\nb,12.000\n", {}, "Is '.' between thousands or a decimal sign?"),
        ("a,15.000\na,11.000\nb,12.000\n", {"decimal": "."}, (13, 12)),
        ("a,15.000\na,11.000\nb,12.000\n", {"thousands": "."}, (13_000, 12_000)),
        ("a,15.25\na,-1.5e3\nb,12\nb,\n", {}, (-742.375, 12)),
        ("a,15.25\na,many\nb,12\n", {}, "'many' in column 'days' is not a number"),
        ("a,7\na,-9\nb,12\n", {"missing": "-9"}, (7, 12)),
    ],
)
def test_amounts_are_read_as_they_are_written_or_asked_about(
    text: str, options: dict[str, str], answer: str | tuple[float, float], tmp_path: Path
) -> None:
    # Seen failing with 15.000 next to 11.000 taken for fifteen.
    (tmp_path / "rows.csv").write_text("race,days\n" + text, encoding="utf-8")
    columns = Columns("race", mean="days", **options)  # type: ignore[arg-type]
    if isinstance(answer, str):
        with pytest.raises(DataError) as told:
            count_moments(tmp_path / "rows.csv", columns)
        assert answer in str(told.value)
    else:
        made = count_moments(tmp_path / "rows.csv", columns)
        assert made.mean.tolist() == pytest.approx(answer)
