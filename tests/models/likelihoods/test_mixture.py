"""Mixtures of normals: the density against SciPy, extremes, how outputs of networks are read."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from plausible.models import MixtureOfNormals, ModelError, NormalMixture, UnknownName

KINDS = [(c, s) for c in ("diagonal", "full") for s in (False, True)]


def parameters(kind: MixtureOfNormals, event: tuple[int, ...], batch: int = 4) -> torch.Tensor:
    return torch.randn(batch, *kind.param_shape(event), dtype=torch.double)


@pytest.mark.parametrize(("covariance", "shared"), KINDS)
@pytest.mark.parametrize("event", [(), (3,), (1, 2, 2)])
def test_density_equals_scipys(covariance: str, shared: bool, event: tuple[int, ...]) -> None:
    # Seen failing with the elements of L read column by column, and without the log determinant.
    kind = MixtureOfNormals(3, covariance, shared)  # type: ignore[arg-type]
    mixture = kind(parameters(kind, event), event)
    x = torch.randn(4, *event, dtype=torch.double)
    d = math.prod(event)
    scale = mixture.scale if mixture.full else torch.diag_embed(mixture.scale)
    scale = scale.expand(4, 3, d, d)
    for i in range(4):
        each = [
            stats.multivariate_normal(
                mixture.loc[i, k].numpy(), (scale[i, k] @ scale[i, k].T).numpy()
            ).logpdf(x[i].reshape(-1).numpy())
            for k in range(3)
        ]
        expected = special.logsumexp(np.array(each), b=mixture.weights[i].numpy())
        assert float(mixture.log_prob(x)[i]) == pytest.approx(float(expected), abs=1e-10)


def test_full_covariance_reads_its_elements_row_by_row() -> None:
    kind = MixtureOfNormals(1, "full", min_scale=0.0)
    sigma = torch.tensor([1.0, 2.0, 4.0])
    raw = torch.cat([torch.tensor([0.0, 5, 6, 7]), sigma.log(), torch.tensor([1.0, 2, 3])])
    unit = torch.tensor([[1.0, 0, 0], [1, 1, 0], [2, 3, 1]])
    mixture = kind(raw, (3,))
    torch.testing.assert_close(mixture.scale[0], sigma.unsqueeze(-1) * unit)
    assert mixture.loc[0].tolist() == [5.0, 6.0, 7.0]


@pytest.mark.parametrize(("covariance", "shared"), KINDS)
def test_density_integrates_to_one(covariance: str, shared: bool) -> None:
    kind = MixtureOfNormals(4, covariance, shared)  # type: ignore[arg-type]
    mixture = kind(parameters(kind, (2,), 1), (2,))
    line = torch.linspace(-30, 30, 1501, dtype=torch.double)
    points = torch.cartesian_prod(line, line).unsqueeze(1)
    total = float(mixture.log_prob(points).exp().sum()) * 0.04**2
    # smooth and far from the edges: the sum is exact up to the narrowest scale over the grid
    assert total == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("covariance", "shared"), KINDS)
def test_draws_have_the_mean_and_variance_of_the_formulas(covariance: str, shared: bool) -> None:
    # Tolerance: five standard errors of 40,000 draws; of a variance, by its fourth moment.
    kind = MixtureOfNormals(3, covariance, shared)  # type: ignore[arg-type]
    mixture = kind(parameters(kind, (2,), 2), (2,))
    draws = mixture.sample((40_000,))
    error = draws.std(0) / 200
    assert ((draws.mean(0) - mixture.mean).abs() < 5 * error).all()
    squares = (draws - mixture.mean).square()
    assert ((squares.mean(0) - mixture.variance).abs() < 5 * squares.std(0) / 200).all()


@pytest.mark.parametrize(("covariance", "shared"), KINDS)
@pytest.mark.parametrize("event", [(), (3,), (1, 2, 2)])
def test_draws_and_moments_have_the_shape_of_the_data(
    covariance: str, shared: bool, event: tuple[int, ...]
) -> None:
    # Seen failing with event_shape ignored.
    kind = MixtureOfNormals(3, covariance, shared)  # type: ignore[arg-type]
    mixture = kind(parameters(kind, event), event)
    assert (mixture.batch_shape, mixture.event_shape) == ((4,), event)
    for value in (mixture.sample(), mixture.mean, mixture.variance, mixture.mode):
        assert value.shape == (4, *event)
    wider = mixture.expand((5, 4))
    assert (wider.batch_shape, wider.event_shape) == ((5, 4), event)
    assert wider.sample((2,)).shape == (2, 5, 4, *event)


def test_mode_is_the_highest_of_the_centres() -> None:
    # the widest component has the largest weight, and the lowest peak
    logits = torch.tensor([0.6, 0.4]).log()
    loc, scale = torch.tensor([[0.0], [5.0]]), torch.tensor([[3.0], [0.1]])
    assert NormalMixture(logits, loc, scale).mode.tolist() == [5.0]


def test_moved_mixture_has_the_density_of_moved_data() -> None:
    kind = MixtureOfNormals(3, "full")
    mixture = kind(parameters(kind, (2,)), (2,))
    loc = torch.tensor([10.0, -3.0], dtype=torch.double)
    scale = torch.tensor([100.0, 0.01], dtype=torch.double)
    x = torch.randn(4, 2, dtype=torch.double)
    moved = mixture.affine(loc, scale).log_prob(loc + scale * x)
    assert torch.allclose(moved, mixture.log_prob(x) - scale.log().sum(), atol=1e-10)


@pytest.mark.parametrize("activation", ["exp", "softplus"])
@pytest.mark.parametrize(("covariance", "shared"), KINDS)
@pytest.mark.parametrize("far", [1e4, 1e-4, 0.0])
def test_thousand_components_far_from_their_data_stay_finite(
    activation: str, covariance: str, shared: bool, far: float
) -> None:
    # Seen failing with the logarithm of a sum of exponentials.
    kind = MixtureOfNormals(1000, covariance, shared, activation)  # type: ignore[arg-type]
    params = torch.randn(2, *kind.param_shape((2,))).requires_grad_()
    x = torch.full((2, 2), far)
    value = kind(params, (2,)).log_prob(x)
    (gradient,) = torch.autograd.grad(value.sum(), params)
    assert value.isfinite().all() and gradient.isfinite().all()


@pytest.mark.parametrize("raw", [-1e4, 1e4])
@pytest.mark.parametrize("activation", ["exp", "softplus"])
def test_scales_from_absurd_outputs_stay_finite(raw: float, activation: str) -> None:
    kind = MixtureOfNormals(2, activation=activation)
    params = torch.full((1, *kind.param_shape(())), raw).requires_grad_()
    value = kind(params, ()).log_prob(torch.zeros(1))
    (gradient,) = torch.autograd.grad(value.sum(), params)
    assert value.isfinite().all() and gradient.isfinite().all()


def test_expanding_keeps_the_density() -> None:
    kind = MixtureOfNormals(3, "full", shared=True)
    mixture = kind(parameters(kind, (2,), 1), (2,))
    wide = mixture.expand((5, 1))
    x = torch.randn(5, 1, 2, dtype=torch.double)
    assert wide.batch_shape == (5, 1)
    assert torch.allclose(wide.log_prob(x), mixture.log_prob(x))


@pytest.mark.parametrize("components", [0, -1, 2.5, True])
def test_a_number_of_components_that_is_none_is_refused(components: int) -> None:
    with pytest.raises(ModelError, match="components must be a whole number"):
        MixtureOfNormals(components)


def test_unknown_covariances_and_parameters_of_another_shape_are_refused() -> None:
    with pytest.raises(UnknownName, match="'spherical'"):
        MixtureOfNormals(2, "spherical")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"\(\*batch, 6\).*got \(3, 5\)"):
        MixtureOfNormals(2)(torch.zeros(3, 5), ())
