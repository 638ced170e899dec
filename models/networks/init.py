"""Initial weights that keep a signal's size through any depth, and the gains that they need."""

import math

from torch import nn

__all__ = ["GAINS", "glorot_", "init_weights_"]

# By which an activation shrinks a signal of unit variance, and the next weights must enlarge it.
GAINS = {"relu": math.sqrt(2), "softplus": math.sqrt(2), "tanh": 5 / 3}


def init_weights_(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, inputs: int, gain: float
) -> nn.Module:
    """The layer with its initial weights; `inputs` is how many numbers each output sums."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(inputs))
    if layer.bias is not None:
        nn.init.uniform_(layer.bias, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
    return layer


def glorot_(network: nn.Module) -> nn.Module:
    r"""Draw all weights anew by Glorot's rule, in place, and set all biases to zero.

    .. math:: w \sim U(-a, a), \quad a = \sqrt{6 / (n_\text{in} + n_\text{out})},
              \quad \mathrm{Var}\, w = 2 / (n_\text{in} + n_\text{out})

    A ReLU network without biases is homogeneous: twice the input gives twice the output.

    Args:
        network: whose linear and convolutional layers are drawn; a convolution counts inputs and
            outputs once for each pixel of its kernel.

    Returns:
        The network.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks (2010), equation 16.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
