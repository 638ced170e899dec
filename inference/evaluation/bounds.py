"""Held-out likelihood of any model with one plate over the data; evaluation never moves a weight.

Everything is read from traces of model and guide, so that priors, networks and numbers of latents
do not matter: importance weights are p(x, z) / q(z given x) at the guide's draws.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plausible.inference.evaluation.densities import (
    Summing,
    at_draw,
    check_sites,
    densities,
    drawn,
    is_summed_out,
    kl,
    log_joint,
    samples,
)
from plausible.inference.inputs.arrays import as_tensors
from plausible.inference.isolation import evaluating
from plausible.inference.pictures.numbers import plus_minus
from plausible.inference.program import Function, Program, as_program
from plausible.models.errors import DataError, ModelError, reason_of
from plausible.models.objectives.batch import Batch, Layout, draws_at_once
from plausible.models.objectives.enumeration_checks import check_against_draws
from plausible.models.objectives.plates import find_layout
from plausible.models.objectives.tracing import observes, trying

__all__ = ["Bound", "Evaluation", "evaluate", "log_likelihood"]

_PROBED = 8
# Two ways of running one program round differently; a wrong dimension shows in the first digits.
_SAME = 1e-3


@dataclass(frozen=True)
class Bound:
    """A mean over held-out data with its standard error.

    Attributes:
        mean: nats per datum.
        error: standard error of the mean, from the spread over data.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, values: Tensor) -> "Bound":
        error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return cls(float(values.mean()), error)

    def __str__(self) -> str:
        return plus_minus(self.mean, self.error, 2)


@dataclass(frozen=True)
class Evaluation:
    """Held-out figures of a model, in nats per datum.

    Attributes:
        elbo: evidence lower bound, by one draw for each datum; the likelihood itself where nothing
            is latent.
        kl: KL(q(z given x) || p(z)), in closed form where there is one.
        reconstruction: ln p(x given z) at the same draws.
        log_likelihood: importance-weighted bound on ln p(x).
        particles: draws for each datum in it; 0 where nothing is drawn and it is exact.
        dimensions: how many numbers are observed of each datum.
    """

    elbo: Bound
    kl: Bound
    reconstruction: Bound
    log_likelihood: Bound
    particles: int
    dimensions: int

    @property
    def bits_per_dim(self) -> float:
        """-log_likelihood in bits for each observed number."""
        return -self.log_likelihood.mean / (self.dimensions * math.log(2))


def log_likelihood(
    model: Function,
    *batch: Any,
    guide: Function | None = None,
    context: Mapping[str, Any] | None = None,
    particles: int = 100,
    chunk: int | None = None,
    repeat: bool | None = None,
    seed: int = 0,
) -> Tensor:
    r"""Importance-weighted estimate of ln p(x) for each datum, in nats.

    .. math:: \ln p(x) \ge E\left[\ln \frac1K \sum_k \frac{p(x, z_k)}{q(z_k|x)}\right],
              \qquad z_k \sim q(z|x)

    Every site must lie in one plate over the data. Discrete latents of the guide are drawn; those
    of the model alone, marked `infer={"enumerate": "parallel"}`, are summed out. `poutine.scale` is
    left out, masks count. A model of outputs given inputs is scored by ln p(y given x).

    Args:
        model: any model of ours, or a Pyro function with its guide (inside `Fit.scope()`, where its
            parameters are the trained ones).
        batch: tensors, arrays or frames with one leading dimension N, as the model takes them.
        guide: its variational program, unless it brings one.
        context: constants, passed by keyword.
        particles: number K of draws for each datum; not used where nothing is latent.
        chunk: draws that are scored at a time, which bounds the memory; by default 10,000, or as
            many as hold 8 million numbers.
        repeat: how the draws of one datum are run: along a dimension of their own to the left of
            the plates (False), or by repeating rows (True), for models that take no further
            dimension, such as those with convolutions. By default the first where it gives the
            numbers of single runs, else the second.
        seed: seed of all draws.

    Returns:
        Shape (N,): a lower bound in expectation, which rises towards ln p(x) with K; exact where
        nothing is drawn.

    Raises:
        DataError: if there are no data, or they do not fit the model.
        ModelError: if a site lies outside the plate, or the model does not run as `repeat` says.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016), equation 8.
    """
    if particles < 1:
        raise ModelError(f"particles are at least 1, but are {particles}.")
    run = _Run.of(model, batch, guide, context)
    most = min(draws_at_once(chunk, x) for x in run.data.args)
    with evaluating(run.program, seed):
        run.find_layout()
        return run.log_likelihood(particles, most, repeat)


def evaluate(
    model: Function,
    *batch: Any,
    guide: Function | None = None,
    context: Mapping[str, Any] | None = None,
    particles: int = 100,
    chunk: int | None = None,
    repeat: bool | None = None,
    seed: int = 0,
) -> Evaluation:
    """Held-out bounds of any model with one plate over the data, whatever its prior and latents.

    Args:
        model, batch, guide, context, particles, chunk, repeat, seed: as in `log_likelihood`.

    Raises:
        DataError, ModelError: as in `log_likelihood`.
    """
    if particles < 1:
        raise ModelError(f"particles are at least 1, but are {particles}.")
    run = _Run.of(model, batch, guide, context)
    most = min(draws_at_once(chunk, x) for x in run.data.args)
    with evaluating(run.program, seed):
        run.find_layout()
        divergence, reconstruction, dimensions = run.terms(most)
        total = run.log_likelihood(particles, most, repeat)
    return Evaluation(
        elbo=Bound.of(reconstruction - divergence),
        kl=Bound.of(divergence),
        reconstruction=Bound.of(reconstruction),
        log_likelihood=Bound.of(total),
        particles=particles if run.draws else 0,
        dimensions=dimensions,
    )


@dataclass
class _Run:
    """A program, the data that it is evaluated on, and how it can be run."""

    program: Program
    data: Batch
    draws: bool = False
    any_size: bool = True

    @classmethod
    def of(
        cls, model: Any, batch: tuple[Any, ...], guide: Any, context: Mapping[str, Any] | None
    ) -> "_Run":
        program = as_program(model, guide)
        batch = as_tensors(batch)[0]
        if not batch or not len(batch[0]):
            raise DataError("There are no data to evaluate on.")
        if len({len(x) for x in batch}) > 1:
            raise DataError(f"The tensors have {[len(x) for x in batch]} rows; give one length.")
        program.check(*batch)
        device = next((p.device for p in program.parameters()), batch[0].device)
        data = Batch(tuple(x.to(device) for x in batch), dict(context or {}), len(batch[0]))
        return cls(program, data)

    def part(self, start: int, count: int) -> Batch:
        args = tuple(x[start : start + count] for x in self.data.args)
        return Batch(args, self.data.context, len(args[0]), self.data.layout)

    def find_layout(self) -> None:
        """Find the plate over the data, and refuse models that have none."""
        total = self.data.total
        first, other = self.part(0, min(total, _PROBED)), self.part(0, min(total - 1, _PROBED - 1))
        try:
            if not other.size:
                raise ModelError("one datum")
            layout = find_layout(self.program, first, other)
        except ModelError:  # a guide with parameters for each datum runs on all data alone
            self.any_size, first = False, self.data
            layout = find_layout(self.program, first)
        first = Batch(first.args, first.context, first.size, layout)
        with trying(self.program, first):
            model, guide = drawn(self.program, first)
        check_sites(model, guide, layout)
        if any(is_summed_out(site) for site in samples(model).values()):
            check_against_draws(self.program, Summing(self.program, layout.nesting), first)
        self.draws = bool(samples(guide))
        self.data = Batch(self.data.args, self.data.context, total, layout)

    @property
    def layout(self) -> Layout:
        assert self.data.layout is not None
        return self.data.layout

    def terms(self, chunk: int) -> tuple[Tensor, Tensor, int]:
        """KL and reconstruction of every datum, and how many numbers are observed of each."""
        divergences, reconstructions, dimensions = [], [], 0
        count = chunk if self.any_size else self.data.total
        for start in range(0, self.data.total, count):
            part = self.part(start, count)
            model, guide = drawn(self.program, part)
            latent = log_joint(model, self.layout, lambda site: not observes(site))
            reconstructions.append(log_joint(model, self.layout) - latent)
            divergences.append(kl(model, guide, self.layout).expand_as(latent))
            observed = [s["value"] for s in samples(model).values() if observes(s)]
            dimensions = sum(value.numel() for value in observed) // part.size
        return torch.cat(divergences), torch.cat(reconstructions), dimensions

    def log_likelihood(self, particles: int, chunk: int, repeat: bool | None) -> Tensor:
        if not self.draws:
            particles, repeat = 1, False
        elif repeat is None:
            repeat = self.failure_with_a_dimension() is not None
        elif not repeat and (reason := self.failure_with_a_dimension()):
            raise ModelError(
                "The model or guide does not run with a dimension of particles to the left of its "
                f"plates: {reason}. Leave repeat=False out, or count dimensions from the right."
            )
        at_once = min(particles, chunk)
        count = max(1, chunk // at_once)
        if not self.any_size:
            count, at_once = self.data.total, max(1, min(particles, chunk // self.data.total))
        bounds = []
        for start in range(0, self.data.total, count):
            part = self.part(start, count)
            total = part.args[0].new_full((part.size,), -math.inf, dtype=torch.get_default_dtype())
            for first in range(0, particles, at_once):
                weights = self.weights(part, min(at_once, particles - first), repeat)
                total = torch.logaddexp(total.to(weights), weights.logsumexp(0))
            bounds.append(total - math.log(particles))
        return torch.cat(bounds)

    def weights(self, part: Batch, particles: int, repeat: bool) -> Tensor:
        """Log importance weights, shape (particles, rows)."""
        if not repeat:
            log_p, log_q = densities(*drawn(self.program, part, particles), self.layout)
            return (log_p - log_q).expand(particles, part.size)
        if not self.any_size:
            return torch.cat([self.weights(part, 1, False) for _ in range(particles)])
        args = tuple(x.repeat(particles, *(1 for _ in x.shape[1:])) for x in part.args)
        many = Batch(args, part.context, len(args[0]), self.layout)
        log_p, log_q = densities(*drawn(self.program, many), self.layout)
        return (log_p - log_q).expand(many.size).unflatten(0, (particles, part.size))

    def failure_with_a_dimension(self) -> str | None:
        """Why two particles side by side do not run, or differ from runs of their own; or None."""
        first = self.part(0, _PROBED if self.any_size else self.data.total)
        with trying(self.program, first):
            try:
                model, guide = drawn(self.program, first, 2)
                together = [x.expand(2, first.size) for x in densities(model, guide, self.layout)]
            except (RuntimeError, IndexError, ValueError) as error:
                return reason_of(error)
            for k in range(2):
                alone = densities(*at_draw(self.program, first, guide, k), self.layout)
                for one, both in zip(alone, together, strict=True):
                    if not torch.allclose(one.expand(first.size), both[k], rtol=_SAME, atol=_SAME):
                        return "its densities differ from those of single draws"
        return None
