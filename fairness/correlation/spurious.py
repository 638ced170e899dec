"""Find the best feature in one half of the rows and test it on the other (G7)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.correlation.chance import largest_by_chance
from plausible.fairness.correlation.correlation_posterior import (
    CORRELATION_PRIORS,
    CorrelationPosterior,
    pearson,
    prior_in_words,
)
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.framing import assumed, framed, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import listed, under_each
from plausible.inference.errors import DataError, UnknownName

__all__ = ["spurious", "wide"]

Array = NDArray[np.float64]


def wide(rows: int = 60, features: int = 500, seed: int = 0) -> pd.DataFrame:
    """A table of independent normal columns: a target, and features that know nothing of it.

    Args:
        rows: of the table.
        features: columns besides "target".
        seed: of the draws.
    """
    values = np.random.default_rng(seed).normal(size=(rows, features + 1))
    return pd.DataFrame(values, columns=["target", *(f"feature {i + 1}" for i in range(features))])


@analysis("spurious", answers="causes", needs=("numbers",))
def spurious(
    frame: pd.DataFrame,
    target: str,
    *,
    prior: float = CORRELATION_PRIORS["uniform"],
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    """Whether the feature that correlates most with a target does so in rows not used to find it.

    The rows are divided at random into two halves. A correlation that chance made in the first has
    no reason to be there in the second.

    Args:
        frame: the table; columns that are not numbers or do not vary are left out and named.
        target: the column that others are correlated with.
        prior: a of the prior of each correlation, see `CorrelationPosterior`.
        sources: of the table.
        seed: of the division.

    Returns:
        The analysis; its posterior has "withheld", the correlation in the withheld rows.

    Raises:
        UnknownName: if there is no such column.
        DataError: if the target is not a column of numbers that vary, there are fewer than 8 rows
            with it, or no other column can be used.
    """
    if target not in frame:
        raise UnknownName("column", target, [str(c) for c in frame.columns])
    y_all = _numbers(frame[target])
    kept = np.flatnonzero(np.isfinite(y_all)) if y_all is not None else np.array([], dtype=int)
    if y_all is None or len(kept) < 8:
        raise DataError(f"{target!r} needs numbers in 8 rows or more to be divided into halves.")
    order = np.random.default_rng(seed).permutation(kept)
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    found, skipped = _correlations(frame, target, y_all, first, second)
    if not found:
        raise DataError(
            f"No column besides {target!r} has numbers that vary in enough rows to be correlated."
        )
    name, r, x = max(found, key=lambda row: abs(row[1]))
    one, other = _both(x, y_all, first), _both(x, y_all, second)
    seen = CorrelationPosterior(r, len(one), prior).estimate(
        "in_choosing_rows", "in the rows that chose it", name
    )
    again = CorrelationPosterior(pearson(x[other], y_all[other]), len(other), prior)
    withheld = again.estimate("in_withheld_rows", "in withheld rows", name)
    expected = float(largest_by_chance(len(found), len(one)))
    most = float(largest_by_chance(len(found), len(one), 0.975))
    which = _picked(len(found), name)
    drawn = {"r": f"{r:+.2f}".replace("-", "−"), "expected": expected, "most": most}
    return Analysis(
        **framed("spurious", sources=sources, target=target),
        findings=[
            worded("spurious.picked", seen, picked=which, target=target, rows=len(one), **drawn),
            _replicated(name, target, r, len(other), withheld),
            *([worded("spurious.skipped", names=listed(skipped))] if skipped else []),
        ],
        estimates=[seen, withheld],
        assumptions=[
            *assumed("spurious", prior=prior_in_words(prior)),
            under_each(f"the correlation {withheld.label}", again.under_priors()),
        ],
        posterior=inference_data({"withheld": again.draws(seed)}),
        tables=[_table(found)],
        details={"chosen": name, "columns": len(found), "expected_by_chance": expected},
    )


def _picked(columns: int, name: str) -> str:
    return f"Of {columns:,} columns, {name}" if columns > 1 else f"The only column, {name},"


def _numbers(column: pd.Series) -> Array | None:
    """The column as numbers, nan where missing; None if it holds anything else."""
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        return None
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _both(x: Array, y: Array, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.isfinite(x[rows]) & np.isfinite(y[rows])]


def _correlations(
    frame: pd.DataFrame, target: str, y: Array, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[list[tuple[str, float, Array]], list[str]]:
    """Name, correlation in the first half and values of each column; names of those left out."""
    found, skipped = [], []
    for name in frame.columns:
        if name == target:
            continue
        x = _numbers(frame[name])
        usable = x is not None
        if x is not None:
            parts = [_both(x, y, rows) for rows in (first, second)]
            usable = all(
                len(rows) >= 3 and abs(pearson(x[rows], y[rows])) < 1 - 1e-9 for rows in parts
            )
        if x is None or not usable:
            skipped.append(str(name))
            continue
        found.append((str(name), pearson(x[parts[0]], y[parts[0]]), x))
    return found, skipped


def _replicated(name: str, target: str, r: float, rows: int, withheld: Estimate) -> Finding:
    case = {np.sign(r): "confirmed", 0: "unclear"}.get(withheld.direction, "refuted")
    return worded("spurious.replicated", withheld, case, name=name, target=target, rows=rows)


def _table(found: Sequence[tuple[str, float, Array]]) -> Table:
    top = sorted(found, key=lambda row: -abs(row[1]))[:SHOWN]
    few = "" if len(found) <= SHOWN else f"; the {SHOWN} largest of {len(found):,}"
    return Table(
        f"Correlation with the target in the rows that choose{few}",
        pd.DataFrame({"column": [n for n, *_ in top], "r": [r for _, r, _ in top]}),
    )
