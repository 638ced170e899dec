"""`sample_posterior`: the posterior of a Bayesian model as ArviZ data, with a verdict in words."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from plausible.inference.inputs.arrays import as_tensors
from plausible.inference.posterior.arguments import check_counts, named
from plausible.inference.posterior.arviz_data import SUMMED_OUT, arviz_data
from plausible.inference.posterior.chains import Settings
from plausible.inference.posterior.density.checks import as_inputs
from plausible.inference.posterior.density.double import in_double
from plausible.inference.posterior.density.gradient import Gradient
from plausible.inference.posterior.density.joint import Joint
from plausible.inference.posterior.density.log_density import LogDensity
from plausible.inference.posterior.diagnostics import THRESHOLD, Convergence, arviz
from plausible.inference.posterior.groups import groups_of
from plausible.inference.posterior.nuts import sampled
from plausible.inference.training.arguments import seed_of
from plausible.models.errors import UnknownName

if TYPE_CHECKING:
    from arviz import InferenceData

__all__ = ["Diagnosis", "PosteriorWarning", "diagnostics", "sample_posterior"]

_EXTENDED = 4
_STEPS = 5000
_LARGEST_K = 0.7
_SAME_WEIGHT = 1e-6


class PosteriorWarning(UserWarning):
    """Draws that should not be used as they are; the message says why and what to do."""


@dataclass(frozen=True)
class Diagnosis:
    """What is known about how far draws can be trusted.

    Attributes:
        text: all of it in words.
        warnings: those of its sentences that speak against using the draws; empty at best.
        r_hat: largest R-hat of all parameters; NaN for a single chain or draws from a guide.
        ess: smallest bulk effective sample size; NaN for draws from a guide.
        divergences: number of divergent transitions.
        pareto_k: Pareto-k of draws from a guide; NaN for chains.
    """

    text: str
    warnings: tuple[str, ...]
    r_hat: float
    ess: float
    divergences: int
    pareto_k: float

    def __str__(self) -> str:
        return self.text


def sample_posterior(
    model: Any,
    data: Any = (),
    *,
    method: Literal["nuts", "svi"] = "nuts",
    guide: Any = None,
    chains: int = 4,
    draws: int = 1000,
    tune: int = 1000,
    max_draws: int | None = None,
    target_accept: float = 0.8,
    steps: int = _STEPS,
    seed: int = 0,
    context: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
    predictive: Literal["auto"] | bool = "auto",
    progress: bool = True,
    compile: bool = True,
) -> "InferenceData":
    """Draw from the posterior of the latent sites of a Pyro model.

    "nuts" runs the no-U-turn sampler (nutpie) on the compiled log density, one process a chain, in
    float64. Discrete latent sites of finite support are summed out. Models with latent sites both
    inside and outside of plates (hierarchical ones) get a mass matrix that follows the strongest
    correlations, others a diagonal one. While the largest R-hat is not below 1.01, the same chains
    double the number of draws, up to `max_draws`; the number of draws made is in the result.

    "svi" trains a guide by `fit` on all data, draws from it, and reports Pareto-k.

    Parameters (`pyro.param`, modules) keep their values. The caller's random state, parameter
    store, model and Pyro settings stay as they are; a guide that is given is trained in place.

    Args:
        model: a function or module with `pyro.sample` statements, or a `Model`.
        data: a tensor, array or frame, or a tuple of them of any shapes, passed to the model by
            position; a dictionary of them, passed by keyword.
        method: "nuts" or "svi".
        guide: for "svi"; a normal distribution with all correlations by default.
        chains: number of chains.
        draws: draws kept from each chain, at least 4.
        tune: draws for adaptation before those.
        max_draws: most draws of a chain that is continued; 4 times `draws` by default.
        target_accept: average acceptance probability; higher means smaller steps.
        steps: training steps of the guide.
        seed: of chains, guide and draws.
        context: constants, passed by keyword.
        dims: names of a site's dimensions where plates do not give them.
        coords: labels along a dimension, such as {"group": ["a", "b"]}; 0 to n - 1 by default.
        predictive: whether the groups log_likelihood (for `az.loo` and `az.waic`) and
            posterior_predictive (for `az.plot_ppc`) are in the result; "auto" leaves them out
            above ten million numbers each. For new inputs there is `predict`.
        progress: whether to show a bar on a terminal.
        compile: whether the density is compiled; False starts at once and is ten times slower.

    Returns:
        ArviZ data with the groups posterior, sample_stats, observed_data, log_likelihood and
        posterior_predictive. Values are those that the sites have in the model; with them are
        `pyro.deterministic` ones, and draws of the discrete ones that were summed out. A dimension
        is named after its plate. `posterior.attrs["diagnosis"]` says in words how far to trust
        the draws.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if the model cannot be sampled, or an argument is out of range.

    Warns:
        PosteriorWarning: where R-hat is not below 1.01, transitions diverged, or Pareto-k is
            above 0.7.
    """
    if method not in ("nuts", "svi"):
        raise UnknownName("method", str(method), ("nuts", "svi"))
    most = _EXTENDED * draws if max_draws is None else max_draws
    check_counts(chains, draws, tune, most, steps, target_accept, method, guide)
    seed = seed_of(seed)
    with in_double(seed):
        joint = Joint(model, *as_inputs(data, context))
        names = named(joint.sites, dims, coords)
        density = LogDensity(joint, Gradient(joint, compile and method == "nuts"))
    attributes: dict[str, Any] = {"method": method, "seed": seed}
    began = time.perf_counter()
    if method == "nuts":
        settings = Settings(tune, most, seed, target_accept, density.hierarchical)
        values, statistics = sampled(density, joint, chains, draws, settings, progress)
        attributes |= {"engine": density.backend.engine, "engine_reason": density.backend.reason}
        attributes |= {"compile_seconds": density.compile_seconds, "tune": tune}
    else:
        from plausible.inference.posterior.guide_draws import guide_draws

        tensors, keys = as_tensors(data)
        by_name = {**(context or {}), **dict(zip(keys, tensors, strict=False))}
        given, count = () if keys else tensors, chains * draws
        drawn = guide_draws(model, given, by_name, guide, density, count, steps, seed)
        values = {n: v.reshape((chains, draws, *v.shape[1:])) for n, v in drawn.values.items()}
        statistics = {"log_weight": drawn.log_weights.reshape(chains, draws)}
        attributes |= {"engine": drawn.run.backend.engine, "steps": steps}
    attributes["sampling_seconds"] = time.perf_counter() - began
    groups = groups_of(joint, values, predictive, seed)
    if groups.left_out:
        attributes["left_out"] = groups.left_out
    idata: Any = arviz_data(
        names,
        posterior=values,
        discrete=groups.discrete,
        log_likelihood=groups.log_likelihood,
        dims_of_densities=groups.dims_of_densities,
        posterior_predictive=groups.posterior_predictive,
        sample_stats=statistics,
        observed_data={name: value.numpy() for name, (_, value) in joint.observed.items()},
    )
    idata.posterior.attrs |= attributes
    diagnosis = diagnostics(idata)
    idata.posterior.attrs["diagnosis"] = diagnosis.text
    if diagnosis.warnings:
        warnings.warn(" ".join(diagnosis.warnings), PosteriorWarning, stacklevel=2)
    return idata


def diagnostics(idata: "InferenceData") -> Diagnosis:
    """How far draws of `sample_posterior` can be trusted, as numbers and in words.

    Args:
        idata: what `sample_posterior` returned.

    Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner, Rank-normalization, folding, and
        localization: an improved R-hat (2021); Yao, Vehtari, Simpson and Gelman, Yes, but did it
        work?: Evaluating variational inference (2018).
    """
    groups: Any = idata
    values = {
        str(name): array.values
        for name, array in groups.posterior.data_vars.items()
        if SUMMED_OUT not in array.attrs  # drawn given the others, which are what has to converge
    }
    chains, draws = (int(groups.posterior.sizes[name]) for name in ("chain", "draw"))
    if "log_weight" in groups.sample_stats:
        return _of_guide(groups.sample_stats["log_weight"].values.ravel())
    convergence = Convergence(values)
    sentences, against = [f"{_chains(chains)} of {draws:,} draws."], []
    if chains == 1:
        against.append("A single chain cannot show whether it has converged: use chains=4.")
    elif convergence.r_hat < THRESHOLD:
        sentences.append(
            f"R-hat is at most {convergence.r_hat:.3f} ({convergence.worst}), below {THRESHOLD}: "
            "the chains agree."
        )
    else:
        against.append(
            f"The chains have not converged: R-hat is {convergence.r_hat:.3f} "
            f"({convergence.worst}) after {draws:,} draws each, not below {THRESHOLD}. Do not use "
            "these draws; raise max_draws=, or write the model in other parameters."
        )
    if convergence.not_finite:
        sites = ", ".join(map(repr, convergence.not_finite))
        against.append(f"Some draws of {sites} are infinite or no number, which R-hat leaves out.")
    divergences = int(groups.sample_stats["diverging"].values.sum())
    if divergences:
        against.append(
            f"{divergences:,} of {chains * draws:,} transitions diverged, so a part of the "
            "posterior was hardly visited and intervals may be wrong. Write hierarchical sites "
            "non-centred (a standard normal times the scale), or raise target_accept=."
        )
    else:
        sentences.append("No transition diverged.")
    sentences.append(
        f"The smallest effective sample size is {convergence.ess:,.0f} ({convergence.scarcest})."
    )
    return Diagnosis(
        " ".join([*sentences, *against]),
        tuple(against),
        convergence.r_hat,
        convergence.ess,
        divergences,
        float("nan"),
    )


def _chains(count: int) -> str:
    return "1 chain" if count == 1 else f"{count} chains"


def _of_guide(log_weights: Any) -> Diagnosis:
    if np.ptp(log_weights) < _SAME_WEIGHT:  # the guide is the posterior, and there is no tail
        k = 0.0
    else:
        _, estimate = arviz().psislw(log_weights)
        k = float(np.asarray(estimate))
    sentence = f"{log_weights.size:,} independent draws from a guide. Pareto-k is {k:.2f}"
    against: tuple[str, ...] = ()
    if k <= _LARGEST_K:
        text = f"{sentence}, not above {_LARGEST_K}: the guide is close to the posterior."
    else:
        against = (
            f"Pareto-k is {k:.2f}, above {_LARGEST_K}: the guide is not close to the posterior as "
            "a whole. With many latent values that is common, and single ones can still be right: "
            "compare them with method='nuts'.",
        )
        text = f"{log_weights.size:,} independent draws from a guide. {against[0]}"
    nan = float("nan")
    return Diagnosis(text, against, nan, nan, 0, k)
