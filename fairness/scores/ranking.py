"""How well a score ranks: the area under the ROC curve, by group (G13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from plausible.fairness.estimation.comparison import Contrasts, reference_of, with_cases
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.posteriors import Draws, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import comparisons, listed, records
from plausible.fairness.scores.areas import Area, area
from plausible.fairness.scores.score_values import Values
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["ranking"]


@dataclass(frozen=True, eq=False)
class _Contrasts(Contrasts):
    """Areas of several groups, each of which is known without draws."""

    areas: Sequence[Area]

    @cached_property
    def each(self) -> dict[int, Estimate]:
        of = zip(self.areas, self.of.names, strict=True)
        return {
            i: a.estimate(self.quantity, group=name, words=self.words)
            for i, (a, name) in enumerate(of)
        }


@analysis("ranking", answers="bayes", needs=("score",), label="ranking by the score")
def ranking(values: Values, *, reference: str | None = None, seed: int = 0) -> Analysis:
    r"""The probability that someone with the outcome scores above someone without it, by group.

    It is the area under the ROC curve (AUC), from counts by value; see `areas.area`.

    Args:
        values: rows by value of the score, group and outcome, as `count_values` gives them.
        reference: the group that others are compared with; the largest by default.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "auc", by group.

    Raises:
        UnknownName: for a reference that is not there.
        DataError: if no group, or not the reference, has rows with and without the outcome.
    """
    counts, names = values.counts, values.counts.groups
    sizes = counts["trials"]
    with_cases(counts, sizes, counts.label_of("trials"))
    every = {i: area(values.scores[:, 0], *values.of(i)) for i in range(len(names))}
    areas = {i: a for i, a in every.items() if a is not None}
    if not areas:
        raise DataError(phrase("ranking.nobody", events=counts.label_of("events")))
    able = np.array([sizes[i] if i in areas else 0 for i in range(len(names))])
    ref = reference_of(counts, able, reference)
    largest = sorted(areas, key=lambda i: -sizes[i])[:SHOWN]
    shown = sorted({ref, *largest[: SHOWN - (ref not in largest)]})
    draws = [areas[i].draws(np.random.default_rng([seed, i])) for i in shown]
    of = Draws(dict(enumerate(draws)), [names[i] for i in shown])
    at = (range(len(shown)), shown.index(ref))
    c = _Contrasts("auc", phrase("ranking.words"), of, *at, [areas[i] for i in shown])
    everyone = area(values.scores[:, 0], *values.of())
    assert everyone is not None
    overall = everyone.estimate("auc", words=phrase("ranking.of_all"))
    return Analysis(
        **framed("ranking", counts),
        findings=_findings(c, overall),
        estimates=[*c.each.values(), *c.gaps.values(), overall],
        assumptions=[
            *records(counts),
            *_left_out(values, areas, shown),
            *assumed("ranking"),
            *_steps(values),
        ],
        counts=counts.total(),
        posterior=inference_data({"auc": np.stack(draws, axis=1)}, group=list(of.names)),
        tables=[_table(counts.group, {names[i]: areas[i] for i in shown})],
        draw=lambda: [_picture(list(c.each.values()))],
        details={"reference": names[ref], "values": len(values.scores), "shown": len(shown)},
    )


def _findings(c: Contrasts, overall: Estimate) -> list[Finding]:
    if c.gaps:
        return comparisons(phrase("ranking.sentence"), c, ratios=False)
    return [worded("ranking.alone", overall)]


def _left_out(values: Values, areas: dict[int, Area], shown: list[int]) -> list[str]:
    counts = values.counts
    without = [name for i, name in enumerate(counts.groups) if i not in areas]
    texts = []
    if without:
        events = counts.label_of("events")
        texts.append(phrase("ranking.without", names=listed(without), events=events))
    if len(shown) < len(areas):
        texts.append(phrase("ranking.largest", groups=len(areas), shown=len(shown)))
    return texts


def _steps(values: Values) -> list[str]:
    return [] if values.steps is None else [phrase("ranking.steps", steps=values.steps)]


def _table(kind: str, areas: dict[str, Area]) -> Table:
    rows = [
        {
            kind: name,
            "with the outcome": a.rows.events,
            "without": a.rows.trials - a.rows.events,
            "AUC as counted": a.counted,
        }
        for name, a in areas.items()
    ]
    return Table(phrase("ranking.table"), pd.DataFrame(rows))


def _picture(each: list[Estimate]) -> Picture:
    return intervals("auc", each, phrase("ranking.picture"))
