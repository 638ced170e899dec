"""The metric of bias amplification, and the gaps that were published with it (G3)."""

import pandas as pd

from plausible.fairness.reporting.analysis import Table

__all__ = ["PUBLISHED", "gap", "published"]

# Shares in the data and in the predictions as they were published, without counts. For cooking
# the paper gives gaps between women and men of 33 and 68 points; the shares are (1 + gap) / 2.
PUBLISHED = {
    "women among people who cook": (0.67, 0.84),
    "one gender among people with a wine glass": (0.50, 0.60),
}


def gap(data: float, predicted: float) -> float:
    """Share in the predictions minus share in the data.

    Example:
        >>> f"{gap(0.67, 0.84):+.2f}"
        '+0.17'

    Source: Zhao et al. (2017), section 3.
    """
    return predicted - data


def published() -> Table:
    """The published gaps, cited as examples of the metric; without counts they have no interval."""
    return Table(
        "Published examples of the same metric, as shares; no counts were published, so they "
        "have no interval",
        pd.DataFrame(
            [
                {
                    "what": what,
                    "in the data": data,
                    "in the predictions": predicted,
                    "difference": round(gap(data, predicted), 4),
                }
                for what, (data, predicted) in PUBLISHED.items()
            ]
        ),
    )
