"""The recipe `mdn-inverse`: an inverse problem with several answers, and its exact floor."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from plausible.inference.data.toys import NoisyInverse, problem
from plausible.inference.evaluation.evaluate import Bound
from plausible.inference.pictures.curves import loss_curve
from plausible.inference.pictures.regression import compared, conditional_density
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.fit import fit
from plausible.inference.training.result import Fit
from plausible.models import (
    Adam,
    ConditionalModel,
    CosineDecay,
    MaximumLikelihood,
    MixtureDensityNetwork,
    Normal,
    Regressor,
)

__all__ = ["held_out", "mdn_inverse", "trained"]

_HELD_OUT = 100_000


def mdn_inverse(
    *,
    toy: Literal["sine", "wave"] = "sine",
    components: int = 20,
    hidden: tuple[int, ...] = (64, 64),
    size: int = 100_000,
    steps: int = 8000,
    batch_size: int = 1000,
    lr: float = 5e-3,
    seed: int = 0,
    out: Path = Path("runs/mdn-inverse"),
) -> Outcome:
    """Mixture density network on an inverse problem that has several answers.

    Beside it: scales shared by the components, a single normal, and least squares, which answers
    with the mean of the solutions. The floor is the entropy of the problem, computed exactly.

    Args:
        toy: "sine" is Bishop's inverse problem, with up to three answers; "wave" has up to seven.
        components: normals of the mixture.
        hidden: widths of the hidden layers.
        size: training pairs.
        steps: optimiser steps; the models beside it get a quarter.
        batch_size: pairs per step.
        lr: learning rate of Adam at first; it falls to zero along a cosine.
        seed: seed of data, weights and batches.
        out: folder for the checkpoint, the pictures and the page.
    """
    source = problem(toy)
    models: dict[str, ConditionalModel] = {}
    torch.manual_seed(seed)
    models[f"mixture of {components}"] = MixtureDensityNetwork((1,), (), components, hidden=hidden)
    models["shared scales"] = MixtureDensityNetwork(
        (1,), (), components, shared=True, hidden=hidden
    )
    models["a single normal"] = MixtureDensityNetwork((1,), (), 1, hidden=hidden)
    models["least squares"] = Regressor((1,), (), Normal("learned"), hidden=hidden)
    first, *others = models
    run = trained(models[first], source, size, steps, batch_size, lr, seed, out)
    if run.interrupted:
        return Outcome("mdn-inverse", out, run)
    for name in others:
        part = trained(models[name], source, size, max(1, steps // 4), batch_size, lr, seed)
        if part.interrupted:
            return Outcome("mdn-inverse", out, replace(run, interrupted=True))
    scores = {name: held_out(model, source, seed) for name, model in models.items()}
    facts = {"Held-out negative log-likelihood, nats": f"{_HELD_OUT:,} pairs, ± standard error"}
    facts |= {name: f"{bound.mean:.4f} ± {bound.error:.4f}" for name, bound in scores.items()}
    facts |= {
        "Floor: the entropy of the problem": f"{source.floor:.4f}",
        "Best possible single normal": f"{source.single_normal:.4f}",
        "Best possible least squares": f"{source.least_squares:.4f}",
        "Training": f"{run.steps:,} steps in {run.seconds:.0f} s, {run.backend.engine} engine",
    }
    mixture = models[first]
    assert isinstance(mixture, MixtureDensityNetwork)
    pictures = [
        _density_picture(mixture, source, seed),
        Picture(
            "compared",
            compared(
                list(scores),
                [b.mean for b in scores.values()],
                [b.error for b in scores.values()],
                source.floor,
            ),
            "Four ways to answer. No model can be to the left of the floor, the entropy of the "
            "problem. Least squares answers with one number for each x and one width for all.",
            "Dots of the negative log-likelihood of four models: "
            + ", ".join(f"{name} {bound.mean:.2f}" for name, bound in scores.items())
            + f"; floor {source.floor:.2f}.",
        ),
        Picture(
            "loss",
            loss_curve(next(iter(run.losses.values())), floor=source.floor),
            "Loss of the mixture at every step, and the floor.",
            "Loss curve that falls towards a horizontal line.",
        ),
    ]
    return Outcome("mdn-inverse", out, run, facts, pictures)


def trained(
    model: ConditionalModel,
    source: NoisyInverse,
    size: int,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    out: Path | None = None,
) -> Fit:
    """Fit a model to pairs of the problem, in standardised units, by maximum likelihood."""
    x, t = source.draw(size, seed)
    model.standardise(x, t)
    return fit(
        model,
        (x, t),
        objective=MaximumLikelihood(Adam(CosineDecay(lr, steps))),
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        out=out,
        device="cpu",
    )


def held_out(model: ConditionalModel, source: NoisyInverse, seed: int) -> Bound:
    """Mean negative log-likelihood of new pairs."""
    x, t = source.draw(_HELD_OUT, seed + 10_000)
    return Bound.of(-model.log_prob(x, t))


@torch.no_grad()
def _density_picture(model: MixtureDensityNetwork, source: NoisyInverse, seed: int) -> Picture:
    x, t = source.draw(3000, seed + 20_000)
    across = torch.linspace(float(x.min()), float(x.max()), 300)
    margin = 0.06 * (source.high - source.low)
    up = torch.linspace(source.low - margin, source.high + margin, 400)
    weights, centres, _ = model.components(across.unsqueeze(-1))
    density = model.predict(across.unsqueeze(-1)).log_prob(up.unsqueeze(-1).expand(-1, 300)).exp()
    return Picture(
        "density",
        conditional_density(
            across,
            up,
            density,
            (x.squeeze(-1), t),
            centres.squeeze(-1),
            weights,
            x_label="x, what is seen",
            y_label="t, what is sought",
        ),
        "The mixture finds every branch of the answer. Shades are the square root of the density; "
        "dots are centres of components whose weight is above .05.",
        "To the left shades of the predicted density along an S-shaped curve with dots on its "
        "branches; to the right held-out data on the same curve.",
    )
