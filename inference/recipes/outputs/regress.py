"""The recipe `regress`: how sure a network is of its numbers, and whether it is right to be."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from plausible.inference.data.tables import mcycle
from plausible.inference.data.toys import HETEROSCEDASTIC
from plausible.inference.pictures.numbers import mean_of, number, per_cent, share_of
from plausible.inference.pictures.regression import bands
from plausible.inference.recipes.common import Device, Trainer, loss_picture, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Fit
from plausible.models import (
    Adam,
    CosineDecay,
    DiagonalNormal,
    Likelihood,
    MaximumLikelihood,
    Normal,
    Regressor,
    UnknownName,
)

__all__ = ["LEVELS", "cross_validated", "regress"]

LEVELS = (0.5, 0.8, 0.95)
_SCALES: dict[str, Callable[[], Likelihood]] = {
    "predicted": lambda: DiagonalNormal("softplus", min_scale=1e-2),
    "predicted by exp": lambda: DiagonalNormal("exp", min_scale=1e-2),
    "fixed": lambda: Normal("learned"),
}
_AWAY = 1e4
_DRAWN, _HELD_OUT = 100_000, 100_000
_SUITED: dict[str, tuple[tuple[int, ...], int]] = {
    "mcycle": ((16,), 1000),
    "heteroscedastic": ((32, 32), 2000),
}


def regress(
    *,
    data: Literal["mcycle", "heteroscedastic"] = "mcycle",
    hidden: tuple[int, ...] | None = None,
    steps: int | None = None,
    lr: float = 5e-3,
    folds: int = 10,
    device: Device = "cpu",
    seed: int = 0,
    out: Path = Path("runs/regress"),
) -> Outcome:
    """Regression with a predicted scale, compared with a fixed one.

    On `mcycle`, real readings that scatter more at some times than at others, the two are compared
    by cross-validation. On `heteroscedastic`, data whose noise is known, the predicted scale is
    compared with the truth. The predicted scale is a softplus of the network's output, which grows
    linearly, or its exponential; both are in the table, also far outside the data.

    Args:
        data: mcycle or heteroscedastic; `regress-images` is for images.
        hidden: widths of the hidden layers; what suits the data when not given: 16 on the few
            readings of mcycle, 32 32 on heteroscedastic.
        steps: optimiser steps of every fit; 1,000 when not given, 2,000 on heteroscedastic.
        lr: learning rate of Adam at first; it falls to zero along a cosine.
        folds: of the cross-validation on mcycle.
        device: where to train; the small networks are fastest on the CPU.
        seed: seed of data, folds and weights.
        out: folder for the checkpoint, the pictures and the page.

    Raises:
        UnknownName: for other data.
    """
    if data not in _SUITED:
        raise UnknownName("data set", data, _SUITED)
    hidden = _SUITED[data][0] if hidden is None else tuple(hidden)
    steps = _SUITED[data][1] if steps is None else steps
    toy = data == "heteroscedastic"
    x, y = HETEROSCEDASTIC.draw(_DRAWN, seed) if toy else mcycle()
    models = {kind: _regressor(kind, hidden, seed) for kind in _SCALES}
    trainer = Trainer(seed, device, models=len(models) * (1 if toy else 1 + folds))
    run, *_ = (
        _trained(model, x, y, steps, lr, trainer, out if kind == "predicted" else None)
        for kind, model in models.items()
    )
    if toy:
        held_out = HETEROSCEDASTIC.draw(_HELD_OUT, seed + 10_000)
        scores = {kind: model.log_prob(*held_out) for kind, model in models.items()}
        covered = {k: _covered(models["predicted"], *held_out, k) for k in LEVELS}
        what = f"{_HELD_OUT:,} new pairs"
        facts = _noise_facts(models["predicted"])
    else:
        scores, covered = cross_validated(x, y, hidden, steps, lr, folds, trainer)
        what = f"{len(x)} readings, each by a model that has not seen it, {folds} folds"
        facts = {}
    gain = scores["predicted"] - scores["fixed"]
    facts = {
        "Held-out": what,
        **{f"ln p, {kind} scale": f"{mean_of(s, 3)} nats" for kind, s in scores.items()},
        "Gain by the predicted scale": f"{mean_of(gain, 3)} nats per datum",
        **{
            f"{per_cent(level, 0)} intervals cover": share_of(
                float(inside.float().mean()), len(inside), 1
            )
            for level, inside in covered.items()
        },
        f"ln p of an input {_AWAY:,.0f} away": ", ".join(
            f"{kind} scale {_far(model, x, y)}" for kind, model in models.items()
        ),
        **facts,
        **training_fact(run),
    }
    stage("drawing")
    pictures = [
        _bands_picture(models, x, y, toy),
        loss_picture(
            run,
            "Loss of the model with a predicted scale at every step.",
            floor=HETEROSCEDASTIC.floor if toy else None,
        ),
    ]
    return Outcome("regress", out, run, facts, pictures)


def cross_validated(
    x: Tensor,
    y: Tensor,
    hidden: tuple[int, ...],
    steps: int,
    lr: float,
    folds: int,
    trainer: Trainer,
) -> tuple[dict[str, Tensor], dict[float, Tensor]]:
    """Log density of every datum under models that have not seen it, and which intervals cover it.

    Returns:
        By kind of scale ln p, shape (N,); by level whether the predicted scale's interval covers,
        shape (N,).
    """
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(trainer.seed))
    scores = {kind: torch.empty(len(x)) for kind in _SCALES}
    covered = {level: torch.empty(len(x), dtype=torch.bool) for level in LEVELS}
    for fold in range(folds):
        out, rest = (
            order[fold::folds],
            torch.cat([order[k::folds] for k in range(folds) if k != fold]),
        )
        for kind, score in scores.items():
            model = _regressor(kind, hidden, trainer.seed)
            _trained(model, x[rest], y[rest], steps, lr, trainer)
            score[out] = model.log_prob(x[out], y[out])
            if kind == "predicted":
                for level in LEVELS:
                    covered[level][out] = _covered(model, x[out], y[out], level)
    return scores, covered


def _regressor(kind: str, hidden: tuple[int, ...], seed: int) -> Regressor:
    torch.manual_seed(seed)
    return Regressor((1,), (), _SCALES[kind](), hidden=hidden)


def _trained(
    model: Regressor,
    x: Tensor,
    y: Tensor,
    steps: int,
    lr: float,
    trainer: Trainer,
    out: Path | None = None,
) -> Fit:
    return trainer.fit(
        model.standardise(x, y),
        (x, y),
        objective=MaximumLikelihood(Adam(CosineDecay(lr, steps))),
        steps=steps,
        batch_size=None if len(x) <= 1000 else 1000,
        out=out,
    )


def _covered(model: Regressor, x: Tensor, y: Tensor, level: float) -> Tensor:
    low, high = model.interval(x, level)
    return (low <= y) & (y <= high)


def _far(model: Regressor, x: Tensor, y: Tensor) -> str:
    """ln p of the first datum with its input moved far outside the data."""
    return f"{number(float(model.log_prob(x[:1] + _AWAY, y[:1])), ',.4g')} nats"


def _noise_facts(model: Regressor) -> dict[str, str]:
    x = torch.linspace(0.005, 0.995, 200)
    ratio = model.scale(x.unsqueeze(-1)) / HETEROSCEDASTIC.scale(x)
    error = float((ratio - 1).square().mean().sqrt())
    return {
        "Predicted scale over the true one": f"{float(ratio.min()):.2f} to {float(ratio.max()):.2f}"
        f" on 200 places, {100 * error:.1f} % apart on average (root mean square)",
        "Floor of the negative log-likelihood": f"{HETEROSCEDASTIC.floor:.4f} nats",
        "Best possible with a fixed scale": f"{HETEROSCEDASTIC.fixed_scale:.4f} nats",
    }


@torch.no_grad()
def _bands_picture(models: dict[str, Regressor], x: Tensor, y: Tensor, toy: bool) -> Picture:
    grid = torch.linspace(float(x.min()), float(x.max()), 300)
    panels: list[tuple[str, Tensor, Sequence[tuple[Tensor, Tensor]]]] = [
        (
            f"{kind} scale",
            model.mean(grid.unsqueeze(-1)),
            [model.interval(grid.unsqueeze(-1), level) for level in LEVELS],
        )
        for kind, model in models.items()
        if kind in ("predicted", "fixed")
    ]
    labels = ("x", "y") if toy else ("milliseconds after the impact", "acceleration of the head, g")
    return Picture(
        "bands",
        bands(panels, grid, (x[:600, 0], y[:600]), LEVELS, x_label=labels[0], y_label=labels[1]),
        "Mean and central intervals of 50, 80 and 95 %. The predicted scale is narrow where the "
        "data lie close to the curve, and wide where they scatter; a fixed one is wrong in both.",
        "Two panels with the same data: to the left bands that widen with the scatter of the dots, "
        "to the right bands of one width.",
    )
