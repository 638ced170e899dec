"""A robot's arm with two joints: where its hand is, and the two ways to put it there."""

import math

import torch
from torch import Tensor

__all__ = ["LENGTHS", "RANGES", "TwoJointArm"]

LENGTHS = (0.8, 0.2)
RANGES = ((0.3, 1.2), (math.pi / 2, 3 * math.pi / 2))


class TwoJointArm:
    r"""Forward kinematics of two links in a plane, and its inverse, which has two answers.

    .. math:: x = \begin{pmatrix} L_1 \cos\theta_1 - L_2 \cos(\theta_1 + \theta_2) \\
              L_1 \sin\theta_1 - L_2 \sin(\theta_1 + \theta_2) \end{pmatrix}

    Angles are in radians, and uniform on `RANGES`. Mirroring the elbow at the line from the
    shoulder to the hand leaves the hand where it is; where that pose is inside the ranges too, the
    target has two solutions.

    Source: Bishop, Mixture Density Networks (1994), section 6.
    """

    def draw(self, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw hands (size, 2) and the angles that put them there (size, 2)."""
        random = torch.Generator().manual_seed(seed)
        low, high = torch.tensor(RANGES).unbind(-1)
        angles = low + (high - low) * torch.rand(size, 2, generator=random)
        return self.hand(angles), angles

    def hand(self, angles: Tensor) -> Tensor:
        """Where the hand is: angles (..., 2) to positions (..., 2)."""
        return self.joints(angles)[..., 2, :]

    def joints(self, angles: Tensor) -> Tensor:
        """Shoulder, elbow and hand, shape (..., 3, 2)."""
        first, second = angles.unbind(-1)
        elbow = LENGTHS[0] * torch.stack([first.cos(), first.sin()], dim=-1)
        sum_ = first + second
        hand = elbow - LENGTHS[1] * torch.stack([sum_.cos(), sum_.sin()], dim=-1)
        return torch.stack([torch.zeros_like(elbow), elbow, hand], dim=-2)

    def other(self, angles: Tensor) -> Tensor:
        """The pose with the mirrored elbow and the same hand."""
        x, y = self.hand(angles).unbind(-1)
        first, second = angles.unbind(-1)
        return torch.stack([2 * torch.atan2(y, x) - first, 2 * math.pi - second], dim=-1)

    def in_range(self, angles: Tensor) -> Tensor:
        """Whether a pose is inside the ranges, shape (...)."""
        low, high = torch.tensor(RANGES, dtype=angles.dtype).unbind(-1)
        return ((angles >= low) & (angles <= high)).all(-1)

    def least_squares(self, angles: Tensor) -> Tensor:
        """What the best possible least-squares network answers to the hands of these angles.

        Both solutions are equally likely where both are inside, so it is their mean.
        """
        other = self.other(angles)
        both = self.in_range(other).unsqueeze(-1)
        return torch.where(both, (angles + other) / 2, angles)
