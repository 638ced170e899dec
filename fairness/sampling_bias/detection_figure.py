"""The picture of use and detection: a ridge from arrests alone, a spot with a survey (G2)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from plausible.fairness.estimation.estimates import estimate
from plausible.fairness.reporting.figures import plain
from plausible.fairness.sampling_bias.detection_findings import GroupPosterior
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, styled

__all__ = ["draw_detection"]

_DRAWN = 4  # groups whose ridges can be told apart
_POINTS = 1500


def draw_detection(
    alone: Mapping[str, GroupPosterior], both: Mapping[str, GroupPosterior], use: str, arrests: str
) -> Sequence[Picture]:
    """Draws of use and detection of up to four groups.

    Args:
        alone: posteriors from arrests alone, by group.
        both: the same with a survey, by group; empty without one.
        use: the conduct in the user's word.
        arrests: what follows it in the user's word.
    """
    ordered = sorted(alone, key=lambda g: -float(np.median(alone[g].use * alone[g].detection)))
    half = _DRAWN // 2
    drawn = ordered if len(ordered) <= _DRAWN else [*ordered[:half], *ordered[-half:]]
    texts = []
    for g in drawn:
        text = f"for {g}, from {arrests} alone use is {estimate('use', alone[g].use)}"
        if g in both:
            text += (
                f"; with the survey it is {estimate('use', both[g].use)} and detection is "
                f"{estimate('detection', both[g].detection)}"
            )
        texts.append(text)
    fewer = (
        ""
        if len(drawn) == len(alone)
        else f" Shown are the {_DRAWN} groups with the most and the fewest {arrests}."
    )
    spots = " With a survey only a small spot of it is left." if both else ""
    return [
        Picture(
            "detection",
            _figure({g: alone[g] for g in drawn}, both, use, arrests),
            f"Every point is a pair of {use} and detection that fits the data. With {arrests} "
            f"alone they form a whole ridge: much {use} that is rarely detected, or little that is "
            f"detected often.{spots}{fewer}",
            f"Points of {use} against detection on two logarithmic axes: " + "; ".join(texts) + ".",
        )
    ]


@styled
def _figure(
    alone: Mapping[str, GroupPosterior], both: Mapping[str, GroupPosterior], use: str, arrests: str
) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for (name, known), colour in zip(alone.items(), CLASS_COLOURS, strict=False):
        shown, u, d = plain(name), known.use, known.detection
        few = slice(None, _POINTS)
        axes.plot(u[few], d[few], ".", color=colour, alpha=0.25, markersize=2, zorder=1)
        label = f"{shown}, {arrests} alone"
        axes.plot([], [], ".", color=colour, alpha=0.6, markersize=5, label=label)
        if name in both:
            u, d = both[name].use, both[name].detection
            axes.plot(
                np.median(u),
                np.median(d),
                "o",
                color=colour,
                markeredgecolor="white",
                markersize=9,
                zorder=3,
                label=f"{shown}, with the survey",
            )
            axes.plot(u[few], d[few], ".", color=colour, alpha=0.4, markersize=3, zorder=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
    axes.set_xlabel(plain(use))
    axes.set_ylabel("detection")
    axes.legend(fontsize=8.5, loc="upper right")
    return figure
