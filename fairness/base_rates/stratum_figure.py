"""Rates of groups in every stratum as dots, below those over all strata."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from plausible.fairness.base_rates.standardised import Strata
from plausible.fairness.reporting.figures import plain
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, styled

__all__ = ["rates_by_stratum"]

_ROWS, _GROUPS = 24, 6
_AREA = 320.0  # of the largest dot, in points squared


def rates_by_stratum(
    name: str, of: Strata, groups: Sequence[int], strata: tuple[str, Sequence[str]], cases: str
) -> Picture:
    """The counted rate of every group in every stratum, a dot whose area is its cases.

    Args:
        name: of the file.
        of: events among trials.
        groups: indices, the reference first; six are drawn.
        strata: what they are, and their names; the largest 24 are drawn.
        cases: what the trials are.
    """
    by, names = strata
    largest = np.argsort(-of.trials.sum(axis=1), kind="stable")[:_ROWS]
    rows, drawn = sorted(largest.tolist()), list(groups)[:_GROUPS]
    caption = (
        f"The {of.words} as it was counted: all {cases} together on top, below them every {by}. "
        f"The area of a dot grows with its {cases}."
    )
    if len(rows) < len(names):
        caption += f" Drawn are the {_ROWS} largest of {len(names):,}."
    if len(drawn) < len(groups):
        caption += f" Drawn are {_GROUPS} of {len(groups)} groups."
    texts = []
    for label, k, n in _lines(of, rows, names):
        rates = [f"{of.names[g]} {100 * k[g] / n[g]:.1f} % of {n[g]:,}" for g in drawn if n[g]]
        texts.append(f"{label}: {', '.join(rates)}")
    return Picture(name, _figure(of, drawn, rows, names, by), caption, f"{'; '.join(texts)}.")


def _lines(
    of: Strata, rows: Sequence[int], names: Sequence[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Names, events and trials of all strata together and of each."""
    whole = ("all together", of.events.sum(axis=0), of.trials.sum(axis=0))
    return [whole, *((names[s], of.events[s], of.trials[s]) for s in rows)]


@styled
def _figure(
    of: Strata, drawn: Sequence[int], rows: Sequence[int], names: Sequence[str], by: str
) -> Figure:
    figure = Figure(figsize=(7, 1.9 + 0.36 * len(rows)), layout="constrained")
    top, below = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [1.2, len(rows) + 0.2]}
    )
    whole, *single = _lines(of, rows, names)
    largest = max(int(n[list(drawn)].max()) for _, _, n in single)
    _dots(top, of, drawn, [whole], int(whole[2][list(drawn)].max()))
    _dots(below, of, drawn, single, largest)
    below.set_ylabel(plain(by))
    below.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g} %"))
    handles, labels = top.get_legend_handles_labels()
    for handle in handles:
        handle.set_sizes([40.0])
    figure.legend(handles, [plain(x) for x in labels], loc="outside upper right", ncols=3)
    return figure


def _dots(
    axes: Axes,
    of: Strata,
    drawn: Sequence[int],
    lines: Sequence[tuple[str, np.ndarray, np.ndarray]],
    largest: int,
) -> None:
    for colour, g in zip(CLASS_COLOURS, drawn, strict=False):
        points = [(100 * k[g] / n[g], y, n[g]) for y, (_, k, n) in enumerate(lines) if n[g]]
        x, y, sizes = np.array(points or [(np.nan, 0, 0)], dtype=float).T
        area = np.maximum(_AREA * sizes / max(largest, 1), 6)
        axes.scatter(x, y, s=area, color=colour, alpha=0.75, linewidths=0, label=of.names[g])
    axes.set_yticks(range(len(lines)), [plain(label) for label, _, _ in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3, linewidth=0.6)
