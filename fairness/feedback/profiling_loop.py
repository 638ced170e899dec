"""Profiling, arrests and poverty over time under several policies: an analysis (G10)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, worded
from plausible.fairness.reporting.registry import analysis
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, styled

__all__ = ["profiling_loop"]

Array = NDArray[np.float64]
_ROWS = {"poverty": ("poor people", 100, " %"), "arrests": ("arrests per\n1,000 people", 1000, "")}
_MARKERS = ("o", "s")
_OTHER = "arrests per stop"


@analysis("profiling-loop", answers="amplification")
def profiling_loop(
    society: Any = None,
    *,
    groups: tuple[str, str] = ("group A", "group B"),
    steps: int = 40,
    runs: int = 500,
    seed: int = 0,
) -> Analysis:
    """What policies of stopping do to poverty and arrests in two groups, step after step.

    Args:
        society: a `Society`, with everything that is assumed; the one of the lecture by default.
        groups: what the two are called, the poorer one first.
        steps: of time, such as years.
        runs: simulations of each policy.
        seed: of the simulations.

    Returns:
        The analysis; its estimates are the gaps in poverty and in arrests at the end, over runs:
        what is uncertain about the assumed numbers, and chance.

    Raises:
        DataError: for fewer than two steps or ten runs.
    """
    from plausible.fairness.feedback.poverty import POLICIES, Society, simulated

    if steps < 2 or runs < 10:
        raise DataError(f"Give two steps and ten runs or more; got {steps} and {runs}.")
    assumed_of = Society() if society is None else society
    paths: dict[str, Mapping[str, Array]] = {}
    for policy in (*POLICIES, _OTHER):
        how: dict[str, Any] = {"own_arrests": policy != _OTHER, "runs": runs, "seed": seed}
        name: Any = "in proportion" if policy == _OTHER else policy
        drawn = simulated(assumed_of, name, steps, **how)
        paths[policy] = {key: values.numpy() for key, values in drawn.items()}
    first = [100 * share for share in assumed_of.poverty]
    estimates, findings = [], []
    for policy, path in paths.items():
        gap = _gap(policy, path["poverty"][-1], groups)
        arrested = [_arrested(policy, path, i, group) for i, group in enumerate(groups)]
        estimates += [gap, *arrested]
        values = {"groups": groups, "steps": steps, "arrested": arrested}
        values |= {"first": first[0] - first[1], "audit": 100 * assumed_of.audit}
        findings.append(worded("profiling_loop.gap", gap, policy, **values))
    return Analysis(
        **framed("profiling_loop", groups=groups),
        findings=findings,
        estimates=estimates,
        assumptions=assumed("profiling_loop", groups=groups, runs=runs, **_words(assumed_of)),
        draw=partial(_pictures, groups, paths),
        details={"steps": steps, "runs": runs, "society": vars(assumed_of)},
    )


def _gap(policy: str, poverty: Array, groups: tuple[str, str]) -> Estimate:
    at = {"group": groups[0], "reference": groups[1], "stratum": policy}
    return estimate(
        "poverty", poverty[:, 0] - poverty[:, 1], "difference", words="share of poor people", **at
    )


def _arrested(policy: str, path: Mapping[str, Array], i: int, group: str) -> Estimate:
    """Of those who use in the last step, how many are arrested."""
    share = path["arrests"][-1, :, i] / np.maximum(path["use"][-1, :, i], 1e-12)
    words = "users who are arrested"
    return estimate("arrested", share.clip(0, 1), group=group, stratum=policy, words=words)


def _words(society: Any) -> dict[str, Any]:
    """What is assumed, as texts: "7" or "7 to 9", in per cent."""
    words = {}
    for name in ("use", "use_of_poverty", "stays", "becomes", "arrest"):
        low, high = (100 * x for x in getattr(society, name))
        words[name] = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    poor = [f"{100 * x:g}" for x in society.poverty]
    shares = {name: f"{100 * getattr(society, name):g}" for name in ("stops", "memory", "audit")}
    return words | shares | {"poor": poor, "people": society.people}


def _pictures(groups: tuple[str, str], paths: Mapping[str, Mapping[str, Array]]) -> list[Picture]:
    ends = []
    for policy, path in paths.items():
        poor, arrests = (100 * path["poverty"][-1].mean(0), 1000 * path["arrests"][-1].mean(0))
        ends.append(
            f"{policy}: {poor[0]:.0f} and {poor[1]:.0f} % poor, {arrests[0]:.1f} and "
            f"{arrests[1]:.1f} arrests per 1,000 at the end"
        )
    return [
        Picture(
            "profiling-loop",
            _figure(groups, paths),
            "Poverty (above) and arrests (below) over time, a column for each policy: means of the "
            f"simulations and the bands that hold 95 % of them, {groups[0]} with circles and "
            f"{groups[1]} with squares.",
            f"Small panels of two lines each. {'; '.join(ends)}.",
        )
    ]


@styled
def _figure(groups: tuple[str, str], paths: Mapping[str, Mapping[str, Array]]) -> Figure:
    figure = Figure(figsize=(7.4, 4.8), layout="constrained")
    panels = figure.subplots(len(_ROWS), len(paths), sharex=True, sharey="row")
    for column, (policy, path) in enumerate(paths.items()):
        for row, (what, (label, factor, unit)) in enumerate(_ROWS.items()):
            axes = panels[row, column]
            values = factor * path[what]
            steps = np.arange(1, len(values) + 1)
            for i, group in enumerate(groups):
                low, high = np.quantile(values[..., i], (0.025, 0.975), axis=1)
                colour = CLASS_COLOURS[i]
                axes.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
                axes.plot(
                    steps,
                    values[..., i].mean(1),
                    color=colour,
                    marker=_MARKERS[i],
                    markersize=3.5,
                    markevery=max(len(steps) // 5, 1),
                    label=group if row == column == 0 else None,
                )
            highest = max(np.quantile(p[what], 0.975, axis=1).max() for p in paths.values())
            axes.set_ylim(0, 1.05 * factor * highest)
            axes.yaxis.set_major_formatter(lambda x, _, unit=unit: f"{x:g}{unit}")
            if row == 0:
                axes.set_title(policy.replace(" ", "\n", 1), loc="left", fontsize=9)
            if column == 0:
                axes.set_ylabel(label)
            if row == len(_ROWS) - 1:
                axes.set_xlabel("step")
    figure.legend(loc="outside upper left", ncols=2)
    return figure
