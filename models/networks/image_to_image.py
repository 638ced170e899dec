"""A network from images to images of the same size."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.networks.convolutional import KERNEL, PADDING, STRIDE, pyramid
from plausible.models.networks.init import GAINS, init_weights_
from plausible.models.networks.mlp import batch_shape

__all__ = ["ImageToImage"]


class ImageToImage(nn.Module):
    """Strided convolutions down, transposed ones up, and a shortcut between equal sizes.

    Each step down halves the image, rounding down, until its smaller side is below 8; each step up
    restores the size that it had, and sees both the coarse image and the one of that size on the
    way down. The last step sees the input itself.

    Args:
        x_shape: (channels, height, width) of the input, with sides from 8 to 128.
        out_shape: of the output; the same height and width.
        channels: of the first convolution; they double up to 256.

    Raises:
        ModelError: for other image shapes.

    Source: Ronneberger, Fischer and Brox, U-Net (2015).
    """

    def __init__(
        self, x_shape: tuple[int, ...], out_shape: tuple[int, ...], channels: int = 32
    ) -> None:
        super().__init__()
        self.x_shape, self.out_shape = tuple(x_shape), tuple(out_shape)
        shapes = pyramid(self.x_shape, channels)
        if len(self.out_shape) != 3 or self.out_shape[1:] != self.x_shape[1:]:
            raise ModelError(
                f"This network keeps the size of an image: the output of {self.x_shape} cannot be "
                f"{self.out_shape}."
            )
        gain = GAINS["relu"]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for (before, *_), (after, *_) in pairwise(shapes):
            step = nn.Conv2d(before, after, KERNEL, STRIDE, PADDING)
            self.down.append(init_weights_(step, before * KERNEL**2, gain))
        deep = shapes[-1][0]
        for (after, *large), (_, *small) in pairwise(shapes):
            rest = (large[0] - 2 * small[0], large[1] - 2 * small[1])
            above = deep if small == list(shapes[-1][1:]) else 2 * shapes[len(self.up) + 1][0]
            width = channels if not len(self.up) else after
            transposed = nn.ConvTranspose2d(above, width, KERNEL, STRIDE, PADDING, rest)
            self.up.append(init_weights_(transposed, above * (KERNEL // STRIDE) ** 2, gain))
        last = channels + self.x_shape[0]
        self.last = init_weights_(nn.Conv2d(last, self.out_shape[0], 3, padding=1), last * 9, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """From shape (*batch, *x_shape) to (*batch, *out_shape)."""
        batch = batch_shape(self, x, self.x_shape)
        image = x.reshape((math.prod(batch), *self.x_shape))
        passed = [image]
        for step in self.down:
            image = torch.relu(step(image))
            passed.append(image)
        for step, shortcut in zip(reversed(self.up), reversed(passed[:-1]), strict=True):
            image = torch.cat([torch.relu(step(image)), shortcut], dim=1)
        return self.last(image).reshape((*batch, *self.out_shape))
