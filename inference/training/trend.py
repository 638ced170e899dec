"""Whether a loss was still falling at the end of a run, by a rule that is quiet if it is unsure."""

import torch
from torch import Tensor

__all__ = ["fall_at_the_end"]

_BLOCKS = 10
_FEWEST_STEPS = 200
_EXPLAINED = 0.9
_SHARE = 0.1
_ROUNDING = 1e-5  # of the loss: what float32 and the order of sums may move it by


def fall_at_the_end(losses: Tensor) -> float | None:
    """How far the loss fell over the last half of the steps, where it was plainly still falling.

    The last half is cut into ten blocks of equal length. It counts as falling where a straight line
    through the means of the blocks falls and explains at least nine tenths of their variance, and
    where it falls by more than a tenth of what the loss fell in all, from the first step to the
    mean of the last block. Of losses that scatter around a level one run in
    70,000 looks so by chance; where the fall is less than about ten times the standard error of a
    block's mean, or the loss bends to a level, nothing is said. Losses that wander up and down on
    the time scale of the whole run cannot be told from falling ones: of those up to one in twenty
    counts.

    Args:
        losses: the loss of every step, (steps,).

    Returns:
        The fall of that line, in the unit of the losses; None where the loss was not falling, where
        it cannot be told, and for fewer than 200 steps.
    """
    steps = len(losses)
    if steps < _FEWEST_STEPS:
        return None
    length = steps // (2 * _BLOCKS)
    losses = losses.detach().double().cpu()
    means = losses[steps - length * _BLOCKS :].view(_BLOCKS, length).mean(1)
    place = torch.arange(_BLOCKS, dtype=torch.float64, device="cpu") - (_BLOCKS - 1) / 2
    slope = float((place * means).sum() / place.square().sum())
    line = means.mean() + slope * place
    fall = -slope * (_BLOCKS - 1)
    scattered = float((means - line).square().sum() / (means - means.mean()).square().sum())
    whole = float(losses[0] - means[-1])
    least = max(_SHARE * whole, _ROUNDING * float(means[-1].abs()))
    return fall if fall > least and 1.0 - scattered >= _EXPLAINED else None
