"""The recipe `mdn-arm`: angles that put a hand at a target; most targets have two answers."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from plausible.inference.data.arm import LENGTHS, RANGES, TwoJointArm
from plausible.inference.pictures.arm import arm_poses, error_map
from plausible.inference.pictures.numbers import share_of
from plausible.inference.recipes.common import Device, Trainer, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.models import Adam, CosineDecay, MaximumLikelihood, MixtureDensityNetwork, Regressor

__all__ = ["ArmScore", "mdn_arm", "scored"]

_HELD_OUT = 50_000
_NEAR = 0.05  # radians


@dataclass(frozen=True)
class ArmScore:
    """How well a mixture answers, on targets that it has not seen.

    Attributes:
        rms: root mean square distance of the hand from the target, for the most probable answer.
        both: share of targets with two answers inside the ranges of which both have a component's
            centre (of weight above 0.05) within 0.05 radians.
        targets: number of targets with two answers.
        distances: of every hand from its target, (N,).
    """

    rms: float
    both: float
    targets: int
    distances: Tensor


def mdn_arm(
    *,
    components: int = 5,
    hidden: tuple[int, ...] = (128, 128),
    size: int = 100_000,
    steps: int = 12_000,
    batch_size: int = 512,
    lr: float = 5e-3,
    device: Device = "cpu",
    seed: int = 0,
    out: Path = Path("runs/mdn-arm"),
) -> Outcome:
    """Inverse kinematics of a two-joint arm by a mixture density network.

    Most targets can be reached with the elbow on either side. The mixture knows both poses; least
    squares answers with their mean, which misses the target.

    Args:
        components: normals of the mixture.
        hidden: widths of the hidden layers.
        size: training pairs of angles and hands.
        steps: optimiser steps; least squares gets a quarter.
        batch_size: pairs per step.
        lr: learning rate of Adam at first; it falls to zero along a cosine.
        device: where to train; networks as small as these are fastest on the CPU.
        seed: seed of data, weights and batches.
        out: folder for the checkpoint, the pictures and the page.
    """
    arm = TwoJointArm()
    x, angles = arm.draw(size, seed)
    torch.manual_seed(seed)
    mixture = MixtureDensityNetwork((2,), (2,), components, hidden=hidden, min_scale=1e-4)
    mean = Regressor((2,), (2,), hidden=hidden)
    trainer = Trainer(seed, device, models=2)
    run, _ = (
        trainer.fit(
            model.standardise(x, angles),
            (x, angles),
            objective=MaximumLikelihood(Adam(CosineDecay(lr, count))),
            steps=count,
            batch_size=batch_size,
            out=folder,
        )
        for model, count, folder in ((mixture, steps, out), (mean, max(1, steps // 4), None))
    )
    score = scored(mixture, arm, seed + 10_000)
    targets, true_angles = arm.draw(_HELD_OUT, seed + 10_000)
    missed = (arm.hand(mean.mean(targets)) - targets).norm(dim=-1)
    best = (arm.hand(arm.least_squares(true_angles)) - targets).square().sum(-1).mean().sqrt()
    facts = {
        "Hand's distance from the target, root mean square": f"{score.rms:.5f} arm's lengths",
        "The same for least squares": f"{float(missed.square().mean().sqrt()):.4f}",
        "Best possible least squares": f"{float(best):.4f}",
        "Both poses found": f"{share_of(score.both, score.targets, 2)} of "
        f"{score.targets:,} held-out targets that have two",
        **training_fact(run),
    }
    stage("drawing")
    pictures = [
        _poses(mixture, mean, arm, targets, true_angles),
        Picture(
            "errors",
            error_map(
                [
                    ("mixture, most probable answer", targets[:6000], score.distances[:6000]),
                    ("least squares", targets[:6000], missed[:6000]),
                ]
            ),
            "How far the hand ends from each held-out target. Least squares misses wherever there "
            "are two poses inside the ranges of the joints.",
            "Two maps of the arm's reach: the mixture's distances are small everywhere, those of "
            "least squares large in a wide middle part.",
        ),
    ]
    return Outcome("mdn-arm", out, run, facts, pictures)


@torch.no_grad()
def scored(model: MixtureDensityNetwork, arm: TwoJointArm, seed: int) -> ArmScore:
    """Score a mixture on new targets."""
    targets, angles = arm.draw(_HELD_OUT, seed)
    distances = (arm.hand(model.mode(targets)) - targets).norm(dim=-1)
    other = arm.other(angles)
    two = arm.in_range(other)
    weights, centres, _ = model.components(targets)
    both = torch.ones_like(two)
    for pose in (angles, other):
        near = (centres - pose.unsqueeze(1)).norm(dim=-1) < _NEAR
        both &= (near & (weights > 0.05)).any(-1)
    return ArmScore(
        rms=float(distances.square().mean().sqrt()),
        both=float(both[two].float().mean()),
        targets=int(two.sum()),
        distances=distances,
    )


@torch.no_grad()
def _poses(
    mixture: MixtureDensityNetwork,
    mean: Regressor,
    arm: TwoJointArm,
    targets: Tensor,
    angles: Tensor,
) -> Picture:
    """The first held-out target whose two poses differ widely."""
    other = arm.other(angles)
    apart = arm.in_range(other) & ((other - angles)[:, 0].abs() > 0.4)
    i = int(apart.nonzero()[0])
    target = targets[i : i + 1]
    weights, centres, _ = (part[0] for part in mixture.components(target))
    kept = _distinct(weights, centres)
    low, high = RANGES[0]
    turn = torch.linspace(low, high, 60)
    arc = LENGTHS[0] * torch.stack([turn.cos(), turn.sin()], dim=-1)
    poses = [(arm.joints(centre), f"weight {weight:.2f}") for weight, centre in kept]
    average = mean.mean(target)[0]
    panels = [
        ("mixture density network", poses, arc),
        ("least squares", [(arm.joints(average), "its answer")], arc),
    ]
    return Picture(
        "poses",
        arm_poses(panels, target[0]),
        "One target, marked by a cross, that can be reached in two ways. The mixture gives both "
        "with their weights; least squares gives the mean of the angles, and misses. The arc is "
        "the path of the elbow.",
        f"Left: an arm in {len(poses)} poses that both end at the cross. Right: one pose whose "
        "hand misses it.",
    )


def _distinct(weights: Tensor, centres: Tensor) -> list[tuple[float, Tensor]]:
    """Components of weight above .05, where those within .05 radians of each other count as one."""
    kept: list[tuple[float, Tensor]] = []
    for i in weights.argsort(descending=True).tolist():
        if weights[i] < 0.05:
            break
        for j, (weight, centre) in enumerate(kept):
            if float((centre - centres[i]).norm()) < _NEAR:
                kept[j] = (weight + float(weights[i]), centre)
                break
        else:
            kept.append((float(weights[i]), centres[i]))
    return kept
