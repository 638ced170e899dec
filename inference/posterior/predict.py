"""`predict`: new data of a fitted Bayesian model, from draws of its posterior or from a guide."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pyro import poutine
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from plausible.inference.posterior.arguments import named
from plausible.inference.posterior.arviz_data import arviz_data
from plausible.inference.posterior.density.checks import as_gapped_inputs
from plausible.inference.posterior.density.double import frozen, in_double, in_float64
from plausible.inference.posterior.density.over_draws import over_draws
from plausible.inference.posterior.density.sites import Site, samples, site_of
from plausible.inference.training.arguments import seed_of
from plausible.inference.training.result import Fit
from plausible.models.base import Model
from plausible.models.errors import ModelError, PlausibleError, reason_of
from plausible.models.objectives.tracing import is_computed

if TYPE_CHECKING:
    from arviz import InferenceData

__all__ = ["predict"]


def predict(
    model: Any,
    data: Any = (),
    posterior: Any = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    context: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> "InferenceData":
    r"""Draw new data from a fitted model.

    .. math:: \tilde x \sim \int p(\tilde x | \theta)\, p(\theta | x)\, d\theta

    The model runs on the inputs given once for every draw of \(\theta\). All sites that observe
    data are drawn, whatever values they are given; `pyro.deterministic` sites are computed anew.
    Latent sites have the values that they have in the draw. Where such a site has another shape
    here, as one in a plate over data of another number, it is drawn from the model given the
    others: these are new groups, or new data. As many data as before are taken for the same ones.

    Args:
        model: a function or module with `pyro.sample` statements, or a `Model`.
        data: what the model is called with: a tensor, array or frame, a tuple of them, or a
            dictionary of them by keyword. None, or a missing argument at the end, stands for what
            is to be predicted: `predict(model, x, ...)` calls `model(x)`, and
            `predict(model, (x, None), ...)` calls `model(x, None)`.
        posterior: what `sample_posterior` returned, its posterior group, or a dictionary of arrays
            by site, each of shape (chains, draws, ...); or a `Fit`, whose guide is drawn from; or a
            guide, which is called as the model is. A `Model`'s own guide where it is missing.
        draws: number of draws from a guide.
        seed: of what is drawn.
        context: constants, passed by keyword.
        dims: names of a site's dimensions where plates do not give them.
        coords: labels along a dimension.

    Returns:
        ArviZ data with the group predictions: what was observed, what was computed, and latent
        sites that were drawn here; each of shape (chains, draws, ...), with one chain for a guide.

    Raises:
        DataError: for other data.
        ModelError: if the model does not run on them, or there is nothing to draw from.

    Source: Gelman et al., Bayesian Data Analysis (2013), section 1.3.
    """
    scope = posterior.scope() if isinstance(posterior, Fit) else nullcontext()
    seed = seed_of(seed)
    with scope, in_double(seed):
        inputs, constants = as_gapped_inputs(data, context)
        run = _Run(model, inputs, constants, *_parts(model, posterior, draws))
        sites = run.first()
        names = named(sites, dims, coords)
        results = run.predictions(list(sites))
    shape = run.shape
    values = {
        n: x.numpy().reshape(*shape, *x.shape[1:]) for n, x in zip(sites, results, strict=True)
    }
    return arviz_data(names, predictions=values)


def _parts(
    model: Any, posterior: Any, draws: int
) -> tuple[dict[str, Tensor], tuple[int, int], Any]:
    """Values of latent sites, how many there are, and the guide that draws the others."""
    if isinstance(posterior, Fit):
        trained = isinstance(model, Model) or posterior.guide is not None
        posterior = posterior.guide if trained else _nothing
    if posterior is None and isinstance(model, Model):
        return {}, (1, draws), model
    if callable(posterior):
        return {}, (1, draws), posterior
    values = _arrays(posterior)
    shapes = {value.shape[:2] for value in values.values() if value.ndim >= 2}
    if len(shapes) != 1 or any(value.ndim < 2 for value in values.values()):
        raise ModelError(
            "posterior needs draws by site, each of shape (chains, draws, ...) with the same "
            f"number of both, but got { {n: x.shape for n, x in values.items()} }. It may also be "
            "what sample_posterior returned, a Fit, or a guide."
        )
    shape = shapes.pop()
    rows = {n: _tensor(x.reshape(-1, *x.shape[2:])) for n, x in values.items()}
    return rows, (int(shape[0]), int(shape[1])), None


def _nothing(*args: Any, **kwargs: Any) -> None:
    """The guide of a model in which nothing is latent."""


def _arrays(posterior: Any) -> dict[str, Any]:
    group = getattr(posterior, "posterior", posterior)
    variables = getattr(group, "data_vars", group)
    if not isinstance(variables, Mapping):
        raise ModelError(
            f"posterior is a {type(posterior).__name__}. Pass what sample_posterior returned, a "
            "dictionary of draws by site, a Fit, or a guide."
        )
    return {str(name): np.asarray(values) for name, values in variables.items()}


def _tensor(array: Any) -> Tensor:
    tensor: Tensor = in_float64(torch.from_numpy(np.array(array)))
    return tensor


class _Given(Messenger):
    """Give latent sites their values where these have the sites' shapes; draw what is observed.

    Attributes:
        used: names of the sites that got their value.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.values = values
        self.used: set[str] = set()

    def _pyro_sample(self, msg: Any) -> None:
        name = msg["name"]
        if site_is_subsample(msg) or is_computed(msg):
            return
        if msg["is_observed"]:
            if msg["value"] is None or msg["value"].numel():  # all but pyro.factor
                msg["value"], msg["is_observed"] = None, False
        elif name in self.values and self.values[name].shape == msg["fn"].shape():
            msg["value"], msg["done"] = self.values[name], True
            self.used.add(name)


@dataclass
class _Run:
    """Runs of a model at draws of its latent sites."""

    model: Any
    inputs: tuple[Tensor | None, ...]
    context: Mapping[str, Any]
    values: Mapping[str, Tensor]
    shape: tuple[int, int]
    guide: Any

    def __post_init__(self) -> None:
        twin = frozen(self.model, torch.float64)
        self._program = twin.model if isinstance(twin, Model) else twin
        if self.guide is self.model and isinstance(twin, Model):
            self._guide: Any = twin.guide
        else:
            self._guide = None if self.guide is None else frozen(self.guide, torch.float64)

    def first(self) -> dict[str, Site]:
        """The sites that are drawn or computed here, from one run."""
        try:
            with torch.no_grad():
                trace, given = self._run([x[0] for x in self.values.values()])
        except (PlausibleError, MemoryError):
            raise
        except Exception as error:
            shapes = ", ".join("None" if x is None else str(tuple(x.shape)) for x in self.inputs)
            raise ModelError(
                f"The model does not run on data of shape {shapes or '() (none)'}: "
                f"{reason_of(error)}. What is to be predicted may be None, or left out "
                "where the model gives it a default."
            ) from error
        sites = samples(trace)
        if self.values and not given.used:
            raise ModelError(
                f"No draw belongs to a latent site of the model: there are {sorted(self.values)}, "
                f"and the model has {sorted(sites)}."
            )
        return {
            name: site_of(name, site)
            for name, site in sites.items()
            if name not in given.used and site["value"].numel()
        }

    def predictions(self, names: list[str]) -> list[Tensor]:
        """The values of sites at every draw."""

        def at(*row: Tensor) -> list[Tensor]:
            nodes: dict[str, Any] = self._run(row)[0].nodes
            return [nodes[name]["value"] for name in names]

        return over_draws(at, [*self.values.values()] or [torch.zeros(self.shape[1], 1)])

    def _run(self, row: Sequence[Tensor]) -> tuple[Trace, _Given]:
        if self._guide is None:
            values = dict(zip(self.values, row, strict=True))
        else:
            trace = poutine.trace(self._guide).get_trace(*self.inputs, **self.context)
            values = {name: site["value"] for name, site in samples(trace).items()}
        with _Given(values) as given:
            return poutine.trace(self._program).get_trace(*self.inputs, **self.context), given
