"""`log_density`: a Pyro model as a log density of one vector, for samplers of one's own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plausible.inference.engines.engine import Backend
from plausible.inference.posterior.density.checks import as_inputs
from plausible.inference.posterior.density.double import in_double
from plausible.inference.posterior.density.gradient import Gradient, Vector
from plausible.inference.posterior.density.joint import Joint
from plausible.inference.posterior.density.over_draws import over_draws
from plausible.models.errors import ModelError

__all__ = ["LogDensity", "log_density"]


class LogDensity:
    r"""The log joint density of a Pyro model over the unconstrained values of its latent sites.

    .. math:: \ln p(x, \theta(u)) + \ln \left| \det \frac{\partial \theta}{\partial u} \right|

    It is the log posterior up to a constant. Everything is in float64, on the CPU.

    Attributes:
        names: the latent sites, in the order of their parts in the vector.
        deterministic: the sites of `pyro.deterministic`.
        enumerated: discrete latent sites, which are summed out.
        observed: the sites that score data.
        shapes: shape of every latent and deterministic site's value, constrained.
        dims: a name for each of its dimensions: the plate's, or `<site>_dim_0` and so on.
        hierarchical: whether some latent sites lie in plates and others in none.
        size: length of the vector.
        gradient: the function behind `value_and_grad`.
    """

    def __init__(self, joint: Joint, gradient: Gradient) -> None:
        self._joint, self.gradient = joint, gradient
        sites = {**joint.latents, **joint.deterministic}
        self.names = tuple(joint.latents)
        self.deterministic = tuple(joint.deterministic)
        self.enumerated = joint.enumerated
        self.observed = tuple(joint.observed)
        self.shapes = {name: tuple(site.shape) for name, site in sites.items()}
        self.dims = {name: site.dims for name, site in sites.items()}
        self.hierarchical = len({site.in_plate for site in joint.latents.values()}) > 1
        self.size = joint.size

    @property
    def backend(self) -> Backend:
        """What computes the gradient ("compiled", "captured" or "eager"), and why."""
        return self.gradient.backend

    @property
    def compile_seconds(self) -> float:
        """What capturing and compiling took."""
        return self.gradient.seconds

    def __call__(self, vector: Tensor) -> Tensor:
        """The log density at a vector of shape (size,), a scalar, differentiable by autograd.

        This runs the Pyro model itself: it is the reference, and slow.
        """
        self._check(vector)
        with in_double():
            return self._joint(vector.to(torch.float64))

    def value_and_grad(self, vector: Any) -> tuple[float, Vector]:
        """The log density at a vector of shape (size,) and its gradient, by compiled code."""
        given = np.ascontiguousarray(vector, dtype=np.float64)
        self._check(given)
        if self.backend.engine != "eager":
            value, gradient = self.gradient(given)
        else:
            with in_double():
                value, gradient = self.gradient(given)
        return float(value), gradient

    def constrain(self, vectors: Any) -> dict[str, Vector]:
        """The values that the sites have in the model, `pyro.deterministic` ones included.

        Args:
            vectors: shape (..., size).

        Returns:
            For every site an array of shape (..., *its shape).
        """
        given = torch.as_tensor(np.asarray(vectors, dtype=np.float64))
        self._check(given[(0,) * (given.dim() - 1)])
        rows = given.reshape(-1, self.size)
        names = (*self.names, *self.deterministic)
        with in_double():
            results = over_draws(lambda row: list(self._joint.values(row).values()), [rows])
        return {
            name: value.reshape((*given.shape[:-1], *self.shapes[name])).numpy()
            for name, value in zip(names, results, strict=True)
        }

    def unconstrain(self, values: Mapping[str, Any]) -> Vector:
        """The vector at which the latent sites have these values.

        Raises:
            ModelError: if a latent site is missing, or has a value of another shape.
        """
        given = {n: torch.as_tensor(v).to(torch.float64) for n, v in values.items()}
        for name in self.names:
            if name not in given:
                raise ModelError(f"A value for the latent site {name!r} is missing.")
            if tuple(given[name].shape) != self.shapes[name]:
                raise ModelError(
                    f"The latent site {name!r} has shape {self.shapes[name]}, but the value has "
                    f"{tuple(given[name].shape)}."
                )
        with in_double(), torch.no_grad():
            return self._joint.unconstrained({n: given[n] for n in self.names}).numpy()

    def _check(self, vector: Any) -> None:
        if tuple(vector.shape) != (self.size,):
            raise ModelError(
                f"The density takes a vector of shape ({self.size},), but got "
                f"{tuple(vector.shape)}."
            )


def log_density(
    model: Any, data: Any = (), *, context: Mapping[str, Any] | None = None, compile: bool = True
) -> LogDensity:
    """The log joint density of a Pyro model, for people who drive a sampler of their own.

    Parameters (`pyro.param`, modules) keep their values, and modules are in evaluation mode: both
    are copies, so that the caller's stay as they are.

    Args:
        model: a function or module with `pyro.sample` statements, or a `Model`.
        data: a tensor, array or frame, or a tuple of them of any shapes, passed to the model by
            position; a dictionary of them, passed by keyword.
        context: constants, passed by keyword.
        compile: whether `value_and_grad` is compiled; False carries out the captured operations
            one by one, which starts at once and is ten times slower.

    Returns:
        A function of an unconstrained vector.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if the model has no latent site, or one that cannot be sampled.
    """
    with in_double():
        joint = Joint(model, *as_inputs(data, context))
        return LogDensity(joint, Gradient(joint, compile))
