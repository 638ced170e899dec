"""The picture of amplification: shares in the data beside shares in the predictions (G3)."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.figures import plain
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, SOFT_INK, styled

__all__ = ["draw_amplification"]


def draw_amplification(
    labels: Sequence[str], rows: Sequence[tuple[Estimate, Estimate, Estimate]], even: float
) -> list[Picture]:
    """Both shares of each case, one below the other.

    Args:
        labels: of the cases.
        rows: share in the data, share in the predictions, and their difference, for each case.
        even: an even share.
    """
    said = "; ".join(
        f"{label}: {before} in the data, {after} in the predictions"
        for label, (before, after, _) in zip(labels, rows, strict=True)
    )
    return [
        Picture(
            "amplification",
            _figure(labels, rows, even),
            "The share of each group in the data and in the predictions, with 95 % intervals. The "
            "dashed line is an even share; away from it the predictions amplify.",
            f"Pairs of intervals by group. {said}.",
        )
    ]


@styled
def _figure(
    labels: Sequence[str], rows: Sequence[tuple[Estimate, Estimate, Estimate]], even: float
) -> Figure:
    figure = Figure(figsize=(7, 1.3 + 0.5 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    for row, (before, after, _) in enumerate(rows):
        for e, shift, colour in ((before, -0.13, 0), (after, 0.13, 1)):
            axes.plot([100 * e.low, 100 * e.high], [row + shift] * 2, color=CLASS_COLOURS[colour])
            axes.plot(100 * e.value, row + shift, "o", color=CLASS_COLOURS[colour])
    axes.plot([], [], "o-", color=CLASS_COLOURS[0], label="in the data")
    axes.plot([], [], "o-", color=CLASS_COLOURS[1], label="in the predictions")
    axes.axvline(100 * even, color=SOFT_INK, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(labels)), [plain(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel("share, %")
    figure.legend(loc="outside upper right", ncols=2)
    return figure
