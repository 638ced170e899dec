"""The small tables hold the numbers that their sources print."""

import pytest
import torch

from plausible.inference.data import mcycle, old_faithful


def test_mcycle_is_silvermans_motorcycle_table() -> None:
    times, acceleration = mcycle()
    assert times.shape == (133, 1) and acceleration.shape == (133,)
    assert times.dtype == acceleration.dtype == torch.float32
    place = times.squeeze(-1)
    assert bool((place.diff() >= 0).all()) and len(place.unique()) == 94
    assert (float(place[0]), float(place[-1])) == pytest.approx((2.4, 57.6))
    assert (float(acceleration.min()), float(acceleration.max())) == (-134.0, 75.0)
    assert float(acceleration.double().mean()) == pytest.approx(-25.546, abs=1e-3)
    assert float(acceleration.double().std()) == pytest.approx(48.322, abs=1e-3)


def test_old_faithful_is_the_table_of_272_eruptions() -> None:
    table = old_faithful()
    assert table.shape == (272, 2) and table.dtype == torch.float32
    assert table[0].tolist() == pytest.approx([3.6, 79])
    assert table[-1].tolist() == pytest.approx([4.467, 74])
    # mean, standard deviation and correlation as R prints them for `faithful`
    assert table.double().mean(0).tolist() == pytest.approx([3.487783, 70.897059], abs=1e-5)
    assert table.double().std(0).tolist() == pytest.approx([1.141371, 13.594974], abs=1e-5)
    assert float(table.double().T.corrcoef()[0, 1]) == pytest.approx(0.9008112, abs=1e-6)


def test_a_changed_table_does_not_change_the_next() -> None:
    mcycle()[1].zero_()
    assert float(mcycle()[1].abs().max()) == 134
