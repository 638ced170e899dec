"""The fully connected network, with any number of leading batch dimensions."""

import math
from itertools import pairwise

from torch import Tensor, nn

from plausible.models.errors import ModelError, UnknownName
from plausible.models.networks.init import GAINS, init_weights_

__all__ = ["MLP", "batch_shape"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


class MLP(nn.Module):
    """Fully connected network from tensors of one shape to tensors of another.

    Weights start as He normal draws (fan-in, the activation's gain; gain 1 in the last layer), so
    that a signal keeps its size through any depth; biases start uniform within 1 / √inputs, because
    a tanh network without any is odd: its decodings of z and -z would be mirror images.

    Args:
        in_shape: shape of one input; () is a scalar.
        out_shape: shape of one output; () is a scalar.
        hidden: widths of the hidden layers; () gives a linear map.
        activation: "relu", "softplus" or "tanh".

    Raises:
        UnknownName: for another activation.
        ModelError: for a size or width below 1.

    Source: He et al., Delving deep into rectifiers (2015), for the initial weights.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        hidden: tuple[int, ...] = (400,),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise UnknownName("activation", str(activation), _ACTIVATIONS)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        self.hidden = tuple(hidden)
        self.activation = activation
        if min((*self.in_shape, *self.out_shape, *self.hidden), default=1) < 1:
            raise ModelError(
                f"All sizes of an MLP must be at least 1, but got in_shape={self.in_shape}, "
                f"out_shape={self.out_shape}, hidden={self.hidden}."
            )
        widths = [math.prod(self.in_shape), *self.hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [init_weights_(nn.Linear(inputs, outputs), inputs, GAINS[activation])]
            layers += [_ACTIVATIONS[activation]()]
        layers += [init_weights_(nn.Linear(widths[-1], math.prod(self.out_shape)), widths[-1], 1.0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """From shape (*batch, *in_shape) to (*batch, *out_shape)."""
        batch = batch_shape(self, x, self.in_shape)
        flat = x.reshape((*batch, math.prod(self.in_shape)))
        return self.layers(flat).reshape((*batch, *self.out_shape))


def batch_shape(network: nn.Module, x: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions of an input in front of those that the network takes.

    Raises:
        ModelError: for an input of another shape.
    """
    leading = x.dim() - len(shape)
    if leading < 0 or tuple(x.shape[leading:]) != shape:
        raise ModelError(
            f"This {type(network).__name__} takes shape (*batch, {', '.join(map(str, shape))}), "
            f"but got {tuple(x.shape)}."
        )
    return tuple(x.shape[:leading])
