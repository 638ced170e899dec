"""The recipe `mode-collapse`: one Gaussian on clustered data has its mass where no data is."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from plausible.inference.data.tables import old_faithful
from plausible.inference.data.toys import clusters, clusters_density
from plausible.inference.isolation import evaluating
from plausible.inference.pictures.numbers import mean_of, number, share_of
from plausible.inference.pictures.points import density_contours
from plausible.inference.recipes.common import Device, Trainer, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Fit
from plausible.models import Adam, CosineDecay, MaximumLikelihood, MixtureDensityNetwork, ModelError

__all__ = [
    "Density",
    "entropy",
    "fitted",
    "mode_collapse",
    "share_far",
    "share_outside",
]

Density = Callable[[Tensor], Tensor]

_HELD_OUT = 20_000
_DRAWS = 20_000
_NARROWEST = 0.1  # standard deviations of the data: no component is a needle through two points
_FOLDS = 5
_ERUPTIONS = ("duration of the eruption, minutes", "wait for the next one, minutes")


def mode_collapse(
    *,
    size: int = 2000,
    components: int = 8,
    steps: int = 1000,
    lr: float = 5e-2,
    device: Device = "cpu",
    seed: int = 0,
    out: Path = Path("runs/mode-collapse"),
) -> Outcome:
    """One Gaussian on clustered data: its peak lies where no data is, and a mixture's do not.

    Both are fitted by maximum likelihood, to points drawn from separate clusters, whose density is
    known, and to the eruptions of Old Faithful, which are short or long and seldom between.

    Args:
        size: points drawn from the clusters to fit to; 20,000 more are held out.
        components: Gaussians of the mixture on the four clusters; more than four, so that none
            goes without. On the eruptions it has two.
        steps: optimiser steps of each fit.
        lr: first learning rate of Adam, which falls to zero.
        device: where to train; models as small as these are fastest on the CPU.
        seed: seed of the data, the initial weights and the draws.
        out: folder for the pictures and the page.
    """
    if size < 10 or components < 2:
        raise ModelError(
            "One Gaussian is compared with a mixture: size must be at least 10 and components at "
            f"least 2, but got {size} and {components}."
        )
    train, held_out = clusters(size + _HELD_OUT, seed).split([size, _HELD_OUT])
    density = clusters_density().log_prob
    several = f"mixture of {components}"
    models: dict[str, MixtureDensityNetwork] = {}
    trainer = Trainer(seed, device, models=2 + 2 * _FOLDS + 2)
    for name, count in (("one Gaussian", 1), (several, components)):
        models[name], run = fitted(train, count, steps, lr, trainer)
    scores = {name: _log_density(model)(held_out) for name, model in models.items()}
    exact = density(held_out)
    peak = models["one Gaussian"].mode(_nothing(train[:1]))
    lowest = float(exact.double().quantile(0.001))
    draws = {name: _draws(model, seed) for name, model in models.items()}
    empty = {name: share_outside(x, density, held_out) for name, x in draws.items()}
    facts = {
        "Clusters": f"{size:,} points to fit to, {_HELD_OUT:,} held out; nats per held-out point",
        "Exact density": f"{mean_of(exact)}; by its entropy {number(-entropy(density))}",
        "Best single Gaussian": f"{mean_of(_closed_form(train)(held_out))} (closed form)",
        **{_title(name): mean_of(score) for name, score in scores.items()},
        "Mixture above the Gaussian by": mean_of(scores[several] - scores["one Gaussian"]),
        "Peak of the single Gaussian": f"where the exact ln p(x) is "
        f"{number(float(density(peak)), '.1f')} nats; 99.9 % of the data have more than "
        f"{number(lowest, '.1f')}",
        "Mass where no data is": "; ".join(
            f"{name} {share_of(share, _DRAWS)}" for name, share in empty.items()
        )
        + " (of the model's draws, where the exact density is lower than at 99.9 % of the data)",
        **training_fact(run),
    }
    pictures = [
        Picture(
            "clusters",
            density_contours(
                train,
                {name: _log_density(model) for name, model in models.items()},
                {
                    name: f"{mean_of(scores[name])} nats per held-out point\n"
                    f"{share_of(empty[name], _DRAWS)} of mass where no data is"
                    for name in models
                },
            ),
            "Clustered points, and the regions in which each fitted model has its mass. The best "
            "single Gaussian averages over the clusters, and its peak is in the empty middle; the "
            f"exact density has {mean_of(exact)} nats.",
            "Two panels: one ellipse over all clusters; small contours around each cluster.",
        )
    ]
    last = _eruptions(steps, lr, trainer, facts, pictures)
    return Outcome("mode-collapse", out, last, facts, pictures)


def fitted(
    x: Tensor, components: int, steps: int, lr: float, trainer: Trainer
) -> tuple[MixtureDensityNetwork, Fit]:
    """A mixture of Gaussians with full covariances, fitted to points by maximum likelihood.

    It is a mixture density network whose input is always 0, so that only its biases count.

    Args:
        x: points, shape (N, d).
        components: number of Gaussians.
        steps: optimiser steps, each on all points.
        lr: first learning rate of Adam, which falls to zero.
        trainer: its seed is that of the initial centres, too.
    """
    torch.manual_seed(trainer.seed)
    model = MixtureDensityNetwork(
        (1,), tuple(x.shape[1:]), components, covariance="full", hidden=(), min_scale=_NARROWEST
    )
    model.standardise(_nothing(x), x)
    run = trainer.fit(
        model,
        (_nothing(x), x),
        steps=steps,
        batch_size=None,
        objective=MaximumLikelihood(Adam(CosineDecay(lr, steps))),
    )
    return model, run


def entropy(log_density: Density, reach: float = 6.0, step: float = 0.01) -> float:
    r"""Entropy of a density in the plane by the midpoint rule, in nats.

    .. math:: H = -\int p(x) \ln p(x)\, dx

    Args:
        log_density: from points (N, 2) to (N,); smooth on the scale of the step.
        reach: the square from -reach to reach in both coordinates holds its mass.
        step: of the grid.
    """
    ticks = torch.arange(-reach + step / 2, reach, step)
    total = 0.0
    for first in ticks.split(100):
        log_p = log_density(torch.cartesian_prod(first, ticks)).double()
        total -= float((log_p.exp() * log_p).sum()) * step**2
    return total


def share_outside(draws: Tensor, log_density: Density, data: Tensor) -> float:
    """Share of draws where the data's density is lower than at 99.9 % of the data.

    Args:
        draws: points from a model, shape (M, d).
        log_density: exact log density of the data, from (N, d) to (N,).
        data: many points drawn from it.
    """
    level = log_density(data).double().quantile(0.001)
    return float((log_density(draws) < level).double().mean())


def share_far(draws: Tensor, data: Tensor) -> float:
    """Share of draws farther from every datum than 99 % of the data are from one another.

    That is the 99 % quantile of the distance from a datum to its nearest neighbour, in standard
    deviations of each coordinate: of draws as good as data, about 1 % lie beyond it.

    Args:
        draws: points from a model, shape (M, d).
        data: shape (N, d), not too many: all distances are computed.
    """
    unit = data.std(0)
    among = torch.cdist(data / unit, data / unit).fill_diagonal_(torch.inf).amin(1)
    far = torch.cdist(draws / unit, data / unit).amin(1) > among.double().quantile(0.99)
    return float(far.double().mean())


def _eruptions(
    steps: int, lr: float, trainer: Trainer, facts: dict[str, str], pictures: list[Picture]
) -> Fit:
    """Cross-validate both models on Old Faithful; add the figures and the picture."""
    x = old_faithful()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(trainer.seed))
    names = {"one Gaussian": 1, "mixture of 2": 2}
    scores = {name: torch.zeros(len(x)) for name in names}
    for fold in order.chunk(_FOLDS):
        rest = torch.ones(len(x), dtype=torch.bool)
        rest[fold] = False
        for name, count in names.items():
            model, run = fitted(x[rest], count, steps, lr, trainer)
            scores[name][fold] = _log_density(model)(x[fold])
    densities, far = {}, {}
    for name, count in names.items():
        model, run = fitted(x, count, steps, lr, trainer)
        densities[name] = _log_density(model)
        far[name] = share_of(share_far(_draws(model, trainer.seed), x), _DRAWS)
    bounds = {name: mean_of(score) for name, score in scores.items()}
    facts["Old Faithful"] = (
        f"{len(x)} eruptions, {_FOLDS}-fold cross-validated nats per eruption: "
        + (", ".join(f"{name} {bound}" for name, bound in bounds.items()))
    )
    difference = mean_of(scores["mixture of 2"] - scores["one Gaussian"])
    facts["Old Faithful, mixture above the Gaussian by"] = f"{difference}"
    shares = "; ".join(f"{name} {share}" for name, share in far.items())
    facts["Old Faithful, mass far from every eruption"] = (
        f"{shares} (farther than 99 % of the eruptions are from their nearest neighbours)"
    )
    stage("drawing")
    pictures.append(
        Picture(
            "old-faithful",
            density_contours(
                x,
                densities,
                {
                    name: f"{bounds[name]} nats per held-out eruption\n"
                    f"{far[name]} of mass far from eruptions"
                    for name in names
                },
                names=_ERUPTIONS,
                equal=False,
            ),
            "Eruptions of Old Faithful are short or long, and the wait after them follows. One "
            "Gaussian says that eruptions of three minutes are the most common; there are few.",
            "Two panels: one ellipse over both groups of eruptions; an ellipse for each group.",
        )
    )
    return run


def _nothing(x: Tensor) -> Tensor:
    """The inputs of a network that has none: zeros."""
    return x.new_zeros(len(x), 1)


def _log_density(model: MixtureDensityNetwork) -> Density:
    return lambda x: model.log_prob(_nothing(x), x)


def _draws(model: MixtureDensityNetwork, seed: int) -> Tensor:
    with evaluating(model, seed):
        return model.sample(torch.zeros(_DRAWS, 1))[0]


def _closed_form(x: Tensor) -> Density:
    """The single Gaussian of highest likelihood: the data's own mean and covariance."""
    return torch.distributions.MultivariateNormal(x.mean(0), x.T.cov(correction=0)).log_prob


def _title(name: str) -> str:
    return name[0].upper() + name[1:]
