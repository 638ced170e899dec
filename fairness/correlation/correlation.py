"""Correlation: how sure it is, what chance and common trends make of it (G7)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from plausible.fairness.correlation.chance import as_large_by_chance, largest_by_chance
from plausible.fairness.correlation.correlation_posterior import (
    CORRELATION_PRIORS,
    CorrelationPosterior,
    pearson,
    prior_in_words,
)
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import Rates, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import plain
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import under_each
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, styled

__all__ = ["correlation"]

Array = NDArray[np.float64]
_WALKS = 100_000
_LONG = 2_000  # rows above which random walks are not simulated


@analysis("correlation", answers="causes", needs=("numbers",))
def correlation(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: tuple[str, str] = ("x", "y"),
    times: ArrayLike | None = None,
    searched: int | None = None,
    prior: float = CORRELATION_PRIORS["uniform"],
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    r"""The correlation of two columns, with what speaks against taking it at face value.

    With times, the rows are put in their order, and the correlations of neighbouring rows and of
    the changes from row to row are estimated too. Two random walks that have nothing to do with
    each other show how large a correlation drifting makes by itself.

    Args:
        x: shape (rows,).
        y: shape (rows,); rows where either, or the time, is missing are left out and counted.
        names: what the columns are.
        times: when each row was taken, where rows follow each other in time; None otherwise.
        searched: how many pairs were looked at to find this one, where that is known.
        prior: a of the prior of each correlation, see `CorrelationPosterior`.
        sources: of the columns.
        seed: of the simulation.

    Returns:
        The analysis; its posterior has "correlation", and "of_changes" with times.

    Raises:
        DataError: for columns of other lengths, fewer than 3 rows (5 with times), or a column that
            does not vary or follows exactly from the other.
    """
    a, b, t, left = _rows(x, y, times)
    for name, column in zip(names, (a, b), strict=True):
        if np.ptp(column) == 0:
            raise DataError(
                f"{name} is {column[0]:g} in every row, and a column that does not vary correlates "
                "with nothing. Give one that does."
            )
    main = CorrelationPosterior(pearson(a, b), len(a), prior)
    words = f"correlation of {names[0]} and {names[1]}"
    whole = main.estimate("correlation", words)
    findings = [_direction(names, whole, main.r, len(a)), _by_chance(main, searched)]
    estimates, draws = [whole], {"correlation": main.draws(seed)}
    if t is not None:
        for z, name in zip((a, b), names, strict=True):
            if np.ptp(np.diff(z)) <= 1e-12 * np.ptp(z):
                raise DataError(
                    f"{name} changes by the same amount from every row to the next, so its changes "
                    "have no correlation. Without times= the columns themselves are compared."
                )
        changes = CorrelationPosterior(pearson(np.diff(a), np.diff(b)), len(a) - 1, prior)
        more = changes.estimate("of_changes", "correlation of the changes from row to row")
        neighbours = [
            CorrelationPosterior(pearson(z[1:], z[:-1]), len(z) - 1, prior).estimate(
                "of_neighbours", "correlation of neighbouring rows", name
            )
            for z, name in zip((a, b), names, strict=True)
        ]
        findings += [_neighbours(neighbours), worded("correlation.changes", more)]
        estimates += [*neighbours, more]
        draws["of_changes"] = changes.draws(seed + 1)
        if len(a) <= _LONG:
            walked = _walks(main.r, len(a), seed)
            findings.append(_drift(walked, main.r, len(a)))
            estimates.append(walked)
    return Analysis(
        **framed("correlation", sources=sources, names=names),
        findings=findings,
        estimates=estimates,
        assumptions=[
            *([phrase("correlation.left_out", left=left)] if left else []),
            *assumed("correlation", prior=prior_in_words(prior)),
            *([phrase("correlation.walks")] if t is not None and len(a) <= _LONG else []),
            under_each(f"the {words}", main.under_priors()),
        ],
        posterior=inference_data(draws),
        draw=partial(_pictures, a, b, t, names, whole),
        details={"r": main.r, "rows": len(a), "rows_left_out": left},
    )


def _rows(
    x: ArrayLike, y: ArrayLike, times: ArrayLike | None
) -> tuple[Array, Array, Array | None, int]:
    """Both columns without missing rows, in the order of time, and how many rows were missing."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    t = None if times is None else np.asarray(times)
    if a.ndim != 1 or a.shape != b.shape or (t is not None and t.shape != a.shape):
        raise DataError("The columns, and their times, need one value for each row.")
    kept = np.isfinite(a) & np.isfinite(b)
    if t is not None:
        kept &= ~np.asarray(pd.isna(t))
    least = 3 if t is None else 5
    if kept.sum() < least:
        raise DataError(f"There are {int(kept.sum())} whole rows; {least} or more are needed.")
    a, b = a[kept], b[kept]
    if t is not None:
        t = t[kept]
        order = np.argsort(t, kind="stable")
        a, b, t = a[order], b[order], t[order]
    return a, b, t, int((~kept).sum())


def _direction(names: tuple[str, str], e: Estimate, r: float, rows: int) -> Finding:
    counted = f"r = {r:+.3g} in {rows:,} rows".replace("-", "−")
    return worded("correlation.direction", e, names=names, counted=counted)


def _by_chance(main: CorrelationPosterior, searched: int | None) -> Finding:
    often = _often(as_large_by_chance(main.r, main.rows))
    values = {"rows": main.rows, "often": often, "r": abs(main.r), "searched": searched}
    if searched is None:
        return worded("correlation.by_chance", None, "one", **values)
    largest = float(largest_by_chance(searched, main.rows))
    return worded("correlation.by_chance", None, "searched", largest=largest, **values)


def _often(p: float) -> str:
    """A probability as "1 in N", N with two digits."""
    if p < 1e-15:
        return "fewer than 1 in 1,000,000,000,000,000"
    if p > 0.1:
        return f"1 in {1 / p:.2g}"
    digits = int(np.floor(np.log10(1 / p))) - 1
    return f"1 in {round(1 / p / 10**digits) * 10**digits:,}"


def _neighbours(each: Sequence[Estimate]) -> Finding:
    numbers = " and ".join(f"{e} for {e.group}" for e in each)
    sides = {e.direction for e in each}
    case = "alike" if 1 in sides else "alternating" if -1 in sides else "unclear"
    return worded("correlation.neighbours", each[0], case, numbers=numbers)


def _walks(r: float, rows: int, seed: int) -> Estimate:
    """How often two independent random walks correlate as strongly."""
    random = np.random.default_rng(seed)
    count = min(_WALKS, max(20_000_000 // rows, 1000))
    large, done = 0, 0
    while done < count:
        block = min(count - done, max(2_000_000 // rows, 1))
        a, b = random.normal(size=(2, block, rows)).cumsum(2)
        a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
        r_walks = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
        large += int((np.abs(r_walks) >= abs(r)).sum())
        done += block
    return Rates([large], [count]).estimate(
        "random_walks", 0, "random walks that correlate as strongly"
    )


def _drift(walked: Estimate, r: float, rows: int) -> Finding:
    independent = _often(as_large_by_chance(r, rows))
    return worded("correlation.drift", walked, rows=rows, r=abs(r), independent=independent)


def _pictures(
    a: Array, b: Array, t: Array | None, names: tuple[str, str], e: Estimate
) -> list[Picture]:
    over = " Right: both over time, each in its own standard deviations." if t is not None else ""
    return [
        Picture(
            "correlation",
            _figure(a, b, t, names),
            f"Each dot is a row. Correlation {e}.{over}",
            f"Scatter of {len(a):,} rows of {names[0]} and {names[1]}; their correlation is {e}."
            + (" Next to it both columns over time." if t is not None else ""),
        )
    ]


@styled
def _figure(a: Array, b: Array, t: Array | None, names: tuple[str, str]) -> Figure:
    one, other = (plain(name) for name in names)
    figure = Figure(figsize=(7.6 if t is not None else 4.5, 3.6), layout="constrained")
    axes = figure.subplots(1, 1 if t is None else 2, squeeze=False)[0]
    some = np.random.default_rng(0).permutation(len(a))[:5000]
    axes[0].plot(a[some], b[some], "o", markersize=4, alpha=0.7 if len(a) < 300 else 0.3)
    axes[0].set_xlabel(one)
    axes[0].set_ylabel(other)
    if t is not None:
        for z, name, colour in zip((a, b), (one, other), CLASS_COLOURS, strict=False):
            axes[1].plot(t, (z - z.mean()) / z.std(), "o-", markersize=3, color=colour, label=name)
        axes[1].set_xlabel("time")
        axes[1].set_ylabel("standard deviations from the mean")
        axes[1].legend(fontsize=8.5)
    return figure
