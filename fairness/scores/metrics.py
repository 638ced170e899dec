"""The metrics of a decision that are in daily use, by group, against a reference and all (G13)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.comparison import Comparison, compare, needs
from plausible.fairness.estimation.posteriors import PRIORS, Prior
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, comparisons, left_out, sensitivity
from plausible.fairness.scores.overall import against_all
from plausible.fairness.scores.spread import Spread
from plausible.inference.pages.page import Picture

__all__ = ["METRICS", "metrics"]

_GROUPS = 50  # whose smallest and largest rate are drawn
Whole = NDArray[np.int64]


class _Metric(NamedTuple):
    """The cells that count, and all cells that they are divided by."""

    words: str
    part: tuple[str, ...]
    whole: tuple[str, ...]

    def of(self, cells: Mapping[str, Whole]) -> tuple[Whole, Whole]:
        k, n = (np.sum([cells[c] for c in names], axis=0) for names in (self.part, self.whole))
        return k, n


_TN, _FP, _FN, _TP = CONFUSION
METRICS: Mapping[str, _Metric] = {
    "accuracy": _Metric("accuracy", (_TN, _TP), CONFUSION),
    "true_positive_rate": _Metric("true-positive rate", (_TP,), (_FN, _TP)),
    "true_negative_rate": _Metric("true-negative rate", (_TN,), (_TN, _FP)),
    "false_discovery_rate": _Metric("false-discovery rate", (_FP,), (_FP, _TP)),
    "false_omission_rate": _Metric("false-omission rate", (_FN,), (_TN, _FN)),
}
# The others that the table lists; `scores` has their posteriors.
_FURTHER: Mapping[str, _Metric] = {
    "false_positive_rate": _Metric("false-positive rate", (_FP,), (_TN, _FP)),
    "false_negative_rate": _Metric("false-negative rate", (_FN,), (_FN, _TP)),
    "positive_predictive_value": _Metric("positive predictive value", (_TP,), (_FP, _TP)),
    "negative_predictive_value": _Metric("negative predictive value", (_TN,), (_TN, _FN)),
    "selection_rate": _Metric("selection rate", (_FP, _TP), CONFUSION),
    "base_rate": _Metric("base rate", (_FN, _TP), CONFUSION),
}


@analysis("metrics", answers="bayes", needs=("decisions",), most=_GROUPS, label="usual metrics")
def metrics(
    counts: Counts, *, reference: str | None = None, prior: Prior = PRIORS["uniform"], seed: int = 0
) -> Analysis:
    r"""Accuracy, true rates and false shares of a decision: each group, a reference, and all.

    .. math:: \theta_g \mid k_g, n_g \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g), \quad
              \theta_\text{all} = \frac{n_g}{N} \theta_g + \frac{N - n_g}{N} \theta_\text{rest}

    Every rate stands next to that of the reference and to that of all, as a difference and as a
    ratio. The smallest and the largest rate of all groups, their distance, and the equalised-odds
    difference are given with what chance makes of them in groups that do not differ; see `Spread`.

    Args:
        counts: with the four cells, where positive means flagged or having the outcome.
        reference: the group that others are compared with; the largest by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "accuracy", by group.

    Raises:
        UnknownName: for a cell or reference that is not there.
        DataError: if there is nobody, or nobody of the reference.

    Source: Hardt, Price and Srebro, Equality of opportunity in supervised learning (2016).
    """
    needs(counts, *CONFUSION)
    cells = {name: counts[name] for name in CONFUSION}
    k, n = METRICS["accuracy"].of(cells)
    main = compare(
        counts, k, n, quantity="accuracy", words="accuracy", cases="people",
        reference=reference, prior=prior, seed=seed,
    )  # fmt: skip
    each = {"accuracy": main} | {
        name: main.another(name, metric.words, *metric.of(cells), prior)
        for name, metric in METRICS.items()
        if name != "accuracy"
    }
    spreads = [Spread.of(name, c, seed) for name, c in each.items()]
    odds = Spread.equalised_odds(each["true_positive_rate"], each["true_negative_rate"], seed)
    known = [s for s in (*spreads, odds) if s is not None]
    return Analysis(
        **framed("metrics", counts),
        findings=[
            *_accuracy(main),
            *([odds.finding()] if odds is not None else []),
        ],
        estimates=[
            *(e for c in each.values() for e in (*c.estimates, *against_all(c))),
            *(e for s in known for e in s.estimates),
        ],
        assumptions=[
            *basis(counts, prior),
            *left_out(main),
            *assumed("metrics"),
            *sensitivity(main.sensitivity()),
        ],
        counts=counts,
        posterior=main.posterior("accuracy"),
        tables=[_counted(counts, cells, main)],
        draw=lambda: _pictures(main),
        details=main.details,
    )


def _accuracy(c: Comparison) -> list[Finding]:
    what = phrase("metrics.accuracy")
    if c.gaps:
        return comparisons(what, c)
    own = c.each[c.ref]
    return [Finding(f"{what} is {own} for {own.group}.", estimate=own)]


def _counted(counts: Counts, cells: Mapping[str, Whole], c: Comparison) -> Table:
    """Every metric as it was counted, of the groups that are shown and of all."""
    everything = {**METRICS, **_FURTHER}
    shares = {}
    for name, metric in everything.items():
        k, n = metric.of(cells)
        with np.errstate(invalid="ignore"):
            each = (k / n)[list(c.shown)].tolist()
            shares[name.replace("_", " ")] = [*each, float(k.sum() / n.sum())]
    rows = [*(counts.groups[i] for i in c.shown), phrase("metrics.all")]
    return Table(phrase("metrics.table"), pd.DataFrame({counts.group: rows, **shares}))


def _pictures(c: Comparison) -> list[Picture]:
    return [intervals("accuracy", list(c.each.values()), phrase("metrics.picture"))]
