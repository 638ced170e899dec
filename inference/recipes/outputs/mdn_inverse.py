"""The recipe `mdn-inverse`: an inverse problem with several answers, and its exact floor."""

from pathlib import Path
from typing import Literal

import torch

from plausible.inference.data.toys import NoisyInverse, problem
from plausible.inference.evaluation.bounds import Bound
from plausible.inference.pictures.numbers import number, plus_minus
from plausible.inference.pictures.regression import compared, conditional_density
from plausible.inference.recipes.common import Device, Trainer, loss_picture, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Fit
from plausible.models import (
    Adam,
    ConditionalNetwork,
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
    device: Device = "cpu",
    seed: int = 0,
    out: Path = Path("runs/mdn-inverse"),
) -> Outcome:
    """Mixture density network on an inverse problem that has several answers.

    For comparison: scales shared by the components, a single normal, and least squares, which
    answers with the mean of the solutions. The floor is the entropy of the problem, computed
    exactly.

    Args:
        toy: "sine" is Bishop's inverse problem, with up to three answers; "wave" has up to seven.
        components: normals of the mixture.
        hidden: widths of the hidden layers.
        size: training pairs.
        steps: optimiser steps; the models compared with it get a quarter.
        batch_size: pairs per step.
        lr: learning rate of Adam at first; it falls to zero along a cosine.
        device: where to train; networks as small as these are fastest on the CPU.
        seed: seed of data, weights and batches.
        out: folder for the checkpoint, the pictures and the page.
    """
    source = problem(toy)
    models: dict[str, ConditionalNetwork] = {}
    torch.manual_seed(seed)
    models[f"mixture of {components}"] = MixtureDensityNetwork((1,), (), components, hidden=hidden)
    models["shared scales"] = MixtureDensityNetwork(
        (1,), (), components, shared=True, hidden=hidden
    )
    models["a single normal"] = MixtureDensityNetwork((1,), (), 1, hidden=hidden)
    models["least squares"] = Regressor((1,), (), Normal("learned"), hidden=hidden)
    first, *others = models
    trainer = Trainer(seed, device, models=len(models))
    run = trained(models[first], source, size, steps, batch_size, lr, trainer, out)
    for name in others:
        trained(models[name], source, size, max(1, steps // 4), batch_size, lr, trainer)
    scores = {name: held_out(model, source, seed) for name, model in models.items()}
    facts = {"Held-out negative log-likelihood, nats": f"{_HELD_OUT:,} pairs, ± standard error"}
    facts |= {name: plus_minus(bound.mean, bound.error, 4) for name, bound in scores.items()}
    facts |= {
        "Floor: the entropy of the problem": number(source.floor, ".4f"),
        "Best possible single normal": number(source.single_normal, ".4f"),
        "Best possible least squares": number(source.least_squares, ".4f"),
        **training_fact(run),
    }
    stage("drawing")
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
            + ", ".join(f"{name} {number(bound.mean, '.2f')}" for name, bound in scores.items())
            + f"; floor {number(source.floor, '.2f')}.",
        ),
        loss_picture(run, "Loss of the mixture at every step, and the floor.", floor=source.floor),
    ]
    return Outcome("mdn-inverse", out, run, facts, pictures)


def trained(
    model: ConditionalNetwork,
    source: NoisyInverse,
    size: int,
    steps: int,
    batch_size: int,
    lr: float,
    trainer: Trainer,
    out: Path | None = None,
) -> Fit:
    """Fit a model to pairs of the problem, in standardised units, by maximum likelihood."""
    x, t = source.draw(size, trainer.seed)
    return trainer.fit(
        model.standardise(x, t),
        (x, t),
        objective=MaximumLikelihood(Adam(CosineDecay(lr, steps))),
        steps=steps,
        batch_size=batch_size,
        out=out,
    )


def held_out(model: ConditionalNetwork, source: NoisyInverse, seed: int) -> Bound:
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
