"""Proxies: what the other columns tell about the group, and what dropping it changes (G12)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.logistic import halves, held_out
from plausible.fairness.estimation.predictability import accuracy_gain, area, information
from plausible.fairness.proxies.proxy_scores import Dropped, dropped
from plausible.fairness.proxies.proxy_table import Prepared, prepare
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import under_each
from plausible.inference.pages.page import Picture

__all__ = ["proxies"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@analysis("proxies", answers="amplification", needs=("rows",))
def proxies(
    source: Any,
    group: str,
    *,
    outcome: str | None = None,
    columns: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    rows: int = 20_000,
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    """How well the other columns predict the group, and whether dropping it evens out errors.

    A logistic regression predicts the group of rows that it did not see. With an outcome, a score
    of it is trained with the group as a column and without.

    Args:
        source: a table, as `open_table` takes it.
        group: the column of the group.
        outcome: a column of yes and no that a score predicts; None without.
        columns: what predicts; by default all others but those that determine the group or the
            outcome, one to one or nearly, which are named.
        ignore: columns that do not predict.
        rows: the most that are used; of more, this number is drawn at random.
        sources: of the table.
        seed: of the sample, the split and the draws.

    Returns:
        The analysis.

    Raises:
        UnknownName: for a column that is not there.
        DataError: for a column that is both named and ignored or predicted, fewer than two groups
            with 20 rows, no column to predict from, an outcome that is not yes or no, or one that
            nobody or everybody has.
    """
    used = prepare(source, group, outcome, columns, ignore, rows, seed)
    X, g, names = used.features.values, used.g, used.names
    train = halves(g, seed)
    base = np.bincount(g[train], minlength=len(names)) / train.sum()
    p, held = held_out(X, g, len(names), train), g[~train]
    gain = information("", p, held, base, seed)
    right, plain, better = accuracy_gain(p.argmax(1), held, int(base.argmax()), seed)
    areas = _areas(p, held, names, seed)
    alone = _alone(used, train, base, seed)
    score = None
    if used.outcome is not None:
        score = dropped(X, g, used.outcome, names, seed=seed)
    how = ", drawn at random" if used.sampled else ""
    return Analysis(
        **framed("proxies", sources=sources, group=group),
        findings=[
            _information(group, names, gain, areas, -float(base @ np.log(base))),
            worded("proxies.accuracy", better, group=group, right=right, plain=plain),
            *_strongest(group, alone),
            *(score.findings if score else []),
        ],
        estimates=[gain, *areas, right, plain, better, *(score.estimates if score else [])],
        assumptions=[
            phrase("proxies.rows", used=len(g), total=used.total, how=how),
            *used.left_out,
            *assumed("proxies", group=group),
            *([phrase("proxies.score", outcome=outcome)] if score else []),
            _sensitivity(X, g, train, group, base, seed),
        ],
        tables=[_table(group, alone)],
        draw=partial(_pictures, group, alone, score),
        details={"rows": len(g), "rows_in_table": used.total, "groups": list(names)},
    )


def _areas(p: Array, g: Whole, names: Sequence[str], seed: int) -> list[Estimate]:
    """How well each group is told from the others; of two groups one says it for both."""
    shown = names[:1] if len(names) == 2 else names
    return [area(name, p[:, i], g == i, seed + i) for i, name in enumerate(shown)]


def _alone(used: Prepared, train: NDArray[np.bool_], base: Array, seed: int) -> list[Estimate]:
    """What each column tells by itself, most first."""
    alone = []
    for name in dict.fromkeys(used.features.columns):
        p = held_out(used.features.of(name), used.g, len(base), train)
        alone.append(information(name, p, used.g[~train], base, seed))
    return sorted(alone, key=lambda e: -e.value)


def _information(
    group: str, names: Sequence[str], gain: Estimate, areas: Sequence[Estimate], most: float
) -> Finding:
    best = max(areas, key=lambda e: e.value)
    other = names[1] if len(names) == 2 else "the others"
    case = "clear" if gain.low > 0 else "unclear"
    values = {"group": group, "most": most, "best": best, "other": other}
    return worded("proxies.information", gain, case, **values)


def _strongest(group: str, alone: Sequence[Estimate]) -> list[Finding]:
    if len(alone) < 2:
        return []
    case = "clear" if alone[0].low > 0 else "unclear"
    return [worded("proxies.strongest", alone[0], case, group=group, columns=len(alone))]


def _sensitivity(
    X: Array, g: Whole, train: NDArray[np.bool_], group: str, base: Array, seed: int
) -> str:
    each = {}
    for scale in (0.5, 2.0, 10.0):
        p = held_out(X, g, len(base), train, scale=scale)
        each[f"N(0, {scale:g}²)"] = information("", p, g[~train], base, seed)
    return under_each(f"the information about {group}, by the prior of the weights", each)


def _table(group: str, alone: Sequence[Estimate]) -> Table:
    few = "" if len(alone) <= SHOWN else f"; the {SHOWN} largest of {len(alone):,}"
    return Table(
        f"What each column tells about {group} by itself, in nats a row{few}",
        pd.DataFrame(
            [
                {"column": e.group, "information": e.value, "low": e.low, "high": e.high}
                for e in alone[:SHOWN]
            ]
        ),
    )


def _pictures(group: str, alone: Sequence[Estimate], score: Dropped | None) -> list[Picture]:
    caption = (
        f"What each column tells about {group} by itself in rows that were held out, in nats; 0 is "
        "nothing."
    )
    pictures = [intervals("proxies", alone[:SHOWN], caption)]
    if score:
        rates = [e for e in score.estimates if e.measure == "share"]
        caption = "Error rates by group of a score that sees the group and of one that does not."
        pictures.append(intervals("proxies-dropped", rates, caption))
    return pictures
