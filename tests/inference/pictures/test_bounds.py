"""Bounds along a line: each curve where it is, its maximum marked, its gap drawn in full length."""

import numpy as np
import pytest
import torch

from plausible.inference.pictures.bounds import bounds_along
from plausible.models.errors import DataError


def test_gaps_reach_from_the_bound_to_the_evidence_and_maxima_are_marked() -> None:
    line = torch.linspace(-1, 1, 41)
    evidence = -(line**2)
    gap = 0.5 + (line + 0.5) ** 2
    figure = bounds_along(line, evidence, {"loose": (evidence - gap, gap)})
    (axes,) = figure.axes
    curves = [np.asarray(c.get_ydata()) for c in axes.lines if len(c.get_xdata()) == 41]
    np.testing.assert_allclose(curves, [evidence, evidence - gap], rtol=1e-6)
    dots = [float(c.get_xdata()[0]) for c in axes.lines if len(c.get_xdata()) == 1]
    assert dots == pytest.approx([0.0, -0.25], abs=0.026)
    (bars,) = axes.collections
    for (x, low), (_, high) in bars.get_segments():
        k = int(np.abs(line.numpy() - x).argmin())
        assert low == pytest.approx(float(evidence[k] - gap[k]), abs=1e-5)
        assert high == pytest.approx(float(evidence[k]), abs=1e-5)
    with pytest.raises(DataError, match="one number for each place"):
        bounds_along(line, evidence[1:], {})
