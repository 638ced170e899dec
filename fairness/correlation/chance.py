"""How large the largest of many correlations is by chance alone (G7)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike, NDArray
from scipy import special

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, styled

__all__ = ["as_large_by_chance", "chance", "largest_by_chance"]

Array = NDArray[np.float64]
_POINTS = 4000
_CELLS = 4_000_000  # numbers drawn at once in a simulation


def largest_by_chance(features: int, rows: int, probability: ArrayLike | None = None) -> Array:
    r"""The largest absolute correlation of a target with features that know nothing of it.

    In n independent rows r² ~ Beta(1/2, (n − 2)/2), whatever the target is, if the m features are
    normal and independent. With Q the quantile function of the absolute correlation,

    .. math:: E\max_j |r_j| = \int_0^1 Q\bigl(v^{1/m}\bigr)\, dv

    Args:
        features: m, 1 or more.
        rows: n, 3 or more.
        probability: of quantiles of the largest; its mean by default.

    Returns:
        The mean, or the quantiles in the shape of `probability`.

    Raises:
        DataError: for no features or fewer than 3 rows.
    """
    if features < 1 or rows < 3:
        raise DataError(f"Give a feature and 3 rows or more, but got {features} and {rows}.")
    v = (np.arange(_POINTS) + 0.5) / _POINTS if probability is None else np.asarray(probability)
    beyond = -np.expm1(np.log(v) / features)
    largest = np.sqrt(special.betainccinv(0.5, rows / 2 - 1, beyond))
    return np.asarray(largest.mean() if probability is None else largest)


def as_large_by_chance(r: float, rows: int) -> float:
    """Probability that two independent normal columns correlate at least as strongly as r.

    Args:
        r: the correlation; its sign does not matter.
        rows: 3 or more, independent.
    """
    return float(special.betaincc(0.5, rows / 2 - 1, r**2))


@analysis("chance-correlation", answers="causes")
def chance(
    features: Sequence[int] = (1, 10, 100, 1000),
    rows: Sequence[int] = (10, 30, 100, 300),
    *,
    repeats: int = 200,
    pairs: int = 50,
    seed: int = 0,
) -> Analysis:
    """The largest chance correlation in wide and tall data: closed form next to simulation.

    In each simulation the feature that correlates most in one half of the rows is tested on the
    other half. That all correlations vanish is known here, so whatever is found is spurious.

    Args:
        features: numbers of features.
        rows: numbers of rows in each half.
        repeats: simulations of each combination.
        pairs: number of features of which all pairs are looked at, by simulation.
        seed: of the simulations.

    Returns:
        The analysis; all numbers are of data without any true correlation.

    Raises:
        DataError: for no features, or fewer than 3 rows.
    """
    table, estimates = [], []
    for i, m in enumerate(features):
        for j, n in enumerate(rows):
            exact = float(largest_by_chance(m, n))
            largest, withheld = _selected(m, n, repeats, [seed, i, j])
            at = {"group": _features(m), "stratum": f"{n:,} rows"}
            drawn = _mean("largest", largest, words="largest correlation, simulated", **at)
            after = _mean("withheld", withheld, words="the same feature in other rows", **at)
            estimates += [drawn, after]
            table.append((m, n, exact, drawn, after))
    every = [(n, *_all_pairs(pairs, n, repeats, [seed, len(features), n])) for n in rows]
    wide = max(table, key=lambda row: row[2])
    of_pairs = {"all": pairs * (pairs - 1) // 2, "features": pairs}
    tall = min((row for row in table if row[0] == wide[0]), key=lambda row: row[2])
    headers = ["features", "rows", "closed form", "simulated", "withheld"]
    numbers = [(*row[:3], row[3].value, row[4].value) for row in table]
    return Analysis(
        **framed("chance"),
        findings=[
            _finding(*wide),
            *([_finding(*tall)] if tall is not wide else []),
            worded("chance.all_pairs", every[0][1], few=every[0], many=every[-1], **of_pairs),
        ],
        estimates=[*estimates, *(e for _, e, _ in every)],
        assumptions=assumed("chance", repeats=repeats),
        tables=[Table(phrase("chance.table"), pd.DataFrame(numbers, columns=headers))],
        draw=partial(_pictures, tuple(features), tuple(rows), table),
        details={"repeats": repeats, "pairs": pairs},
    )


def _features(count: int) -> str:
    return "1 feature" if count == 1 else f"{count:,} features"


def _selected(m: int, n: int, repeats: int, seed: Sequence[int]) -> tuple[Array, Array]:
    """The largest absolute correlation, and that feature's correlation in other rows."""
    random = np.random.default_rng(seed)
    largest, withheld = np.empty(repeats), np.empty(repeats)
    for k in range(repeats):
        y = _unit(random.normal(size=(n, 1)))[:, 0]
        best = np.zeros(1)
        # Features come in blocks, so that memory does not grow with their number.
        for start in range(0, m, max(_CELLS // n, 1)):
            r = y @ _unit(random.normal(size=(n, min(m - start, max(_CELLS // n, 1)))))
            best = np.append(best, r[np.abs(r).argmax()])
        top = best[np.abs(best).argmax()]
        largest[k] = abs(top)
        other = _unit(random.normal(size=(n, 2)))
        withheld[k] = np.sign(top) * (other[:, 0] @ other[:, 1])
    return largest, withheld


def _all_pairs(p: int, n: int, repeats: int, seed: Sequence[int]) -> tuple[Estimate, float]:
    random = np.random.default_rng(seed)
    largest = np.empty(repeats)
    for k in range(repeats):
        X = _unit(random.normal(size=(n, p)))
        R = X.T @ X
        np.fill_diagonal(R, 0)
        largest[k] = np.abs(R).max()
    words = "largest of all pairs, simulated"
    at = {"group": _features(p), "stratum": f"{n:,} rows", "words": words}
    return _mean("largest_of_pairs", largest, **at), float(largest_by_chance(p * (p - 1) // 2, n))


def _unit(X: Array) -> Array:
    """Columns without their means, of length 1."""
    X = X - X.mean(0)
    return np.asarray(X / np.linalg.norm(X, axis=0))


def _mean(quantity: str, values: Array, **address: Any) -> Estimate:
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(
        quantity,
        mean,
        mean - 1.96 * error,
        mean + 1.96 * error,
        "correlation",
        above=float(special.ndtr(mean / error)),
        **address,
    )


def _finding(m: int, n: int, exact: float, drawn: Estimate, after: Estimate) -> Finding:
    which = "the one feature" if m == 1 else f"the best of {m:,} features"
    values = {"n": n, "which": which, "exact": exact, "after": after}
    case = "nothing" if not after.direction else "less" if after.low < drawn.low else "same"
    return worded("chance.withheld", drawn, case, **values)


def _pictures(
    features: Sequence[int],
    rows: Sequence[int],
    table: Sequence[tuple[int, int, float, Estimate, Estimate]],
) -> list[Picture]:
    numbers = "; ".join(f"{_features(m)}, {n:,} rows: {exact:.2f}" for m, n, exact, _, _ in table)
    return [
        Picture(
            "chance-correlation",
            _figure(features, rows, table),
            "The largest correlation with a target that no feature has to do with. Left: wide data "
            "make it larger. Right: tall data make it smaller. Lines are the closed form, dots "
            "simulations.",
            f"Two panels of rising and falling curves. Expected largest correlation: {numbers}.",
        )
    ]


@styled
def _figure(
    features: Sequence[int],
    rows: Sequence[int],
    table: Sequence[tuple[int, int, float, Estimate, Estimate]],
) -> Figure:
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    across_m = np.unique(np.geomspace(1, max(max(features), 10), 60).round().astype(int))
    across_n = np.unique(np.geomspace(3, max(max(rows), 10), 60).round().astype(int))
    for n, colour in zip(rows, CLASS_COLOURS, strict=False):
        curve = [float(largest_by_chance(int(m), n)) for m in across_m]
        left.plot(across_m, curve, color=colour, label=f"{n:,} rows")
        dots = [(m, e.value) for m, rows_, _, e, _ in table if rows_ == n]
        left.plot(*zip(*dots, strict=True), "o", color=colour, markersize=4)
    for m, colour in zip(features, CLASS_COLOURS, strict=False):
        curve = [float(largest_by_chance(m, int(n))) for n in across_n]
        right.plot(across_n, curve, color=colour, label=_features(m))
        dots = [(n, e.value) for features_, n, _, e, _ in table if features_ == m]
        right.plot(*zip(*dots, strict=True), "o", color=colour, markersize=4)
    for axes, label in ((left, "features"), (right, "rows")):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.set_ylim(0, 1)
        axes.set_xlabel(label)
    left.set_ylabel("largest correlation by chance")
    left.legend(fontsize=8.5, loc="upper left")
    right.legend(fontsize=8.5, loc="upper right")
    return figure
