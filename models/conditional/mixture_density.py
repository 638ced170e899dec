"""The mixture density network: regression whose answer may have several values."""

import torch
from torch import Tensor, nn

from plausible.models.conditional.conditional_network import ConditionalNetwork
from plausible.models.distributions.normal_mixture import NormalMixture
from plausible.models.likelihoods.mixture import Covariance, MixtureOfNormals
from plausible.models.networks.mlp import MLP

__all__ = ["MixtureDensityNetwork"]


class MixtureDensityNetwork(ConditionalNetwork, name="mixture-density-network"):
    r"""A network that outputs a mixture of normals.

    .. math:: y \sim \sum_k \pi_k(x)\, N(\mu_k(x), \Sigma_k(x))

    The centres start spread over the range of the (standardised) targets, with weights and scales
    alike, so that each component begins with data of its own and none is idle.

    Args:
        x_shape: shape of one input.
        y_shape: shape of one output; () is a number.
        components: number of normals.
        covariance: "diagonal" or "full".
        shared: whether all components of one input have the same covariance.
        hidden: widths of the hidden layers.
        activation: nonlinearity of the hidden layers.
        scale_activation: "exp" or "softplus".
        min_scale: floor of the scales, in standard deviations of the targets after `standardise`.

    Raises:
        UnknownName: for another covariance or activation.
        ModelError: for fewer than one component or sizes below 1.

    Source: Bishop, Mixture Density Networks (1994).
    """

    likelihood: MixtureOfNormals

    def __init__(
        self,
        x_shape: tuple[int, ...],
        y_shape: tuple[int, ...] = (),
        components: int = 5,
        covariance: Covariance = "diagonal",
        shared: bool = False,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "tanh",
        scale_activation: str = "exp",
        min_scale: float = 1e-3,
    ) -> None:
        kind = MixtureOfNormals(components, covariance, shared, scale_activation, min_scale)
        network = MLP(x_shape, kind.param_shape(tuple(y_shape)), tuple(hidden), activation)
        super().__init__(network, x_shape, y_shape, kind)
        _spread_components(network, kind, self.y_shape)

    def predict(self, x: Tensor) -> NormalMixture:
        """p(y given x): batch shape of `x`, event shape `y_shape`."""
        distribution = super().predict(x)
        assert isinstance(distribution, NormalMixture)
        return distribution

    @torch.no_grad()
    def mode(self, x: Tensor) -> Tensor:
        """The most probable answer, shape (*batch, *y_shape).

        It is the centre of a component: that at which the density of the whole mixture is highest.
        Bishop takes the centre of the largest weight, which may be that of a wide, low component.
        """
        return self.predict(x).mode

    @torch.no_grad()
    def components(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the mixture is made of, in the unit of the data.

        Returns:
            Weights (*batch, K), centres (*batch, K, d), and standard deviations (*batch, K, d) or,
            for a full covariance, Cholesky factors (*batch, K, d, d); d is the size of an output.
        """
        mixture = self.predict(x)
        own = mixture.scale.shape[-2 if mixture.full else -1 :]
        scale = mixture.scale.expand(mixture.loc.shape[:-1] + own)
        return mixture.weights, mixture.loc, scale


@torch.no_grad()
def _spread_components(network: MLP, kind: MixtureOfNormals, y_shape: tuple[int, ...]) -> None:
    """Start the last layer so that its biases say where the components are."""
    last = network.layers[-1]
    assert isinstance(last, nn.Linear)
    last.weight.mul_(0.1)
    logits, loc, scale = last.bias.split(kind.sizes(y_shape))
    K = kind.components
    logits.zero_()
    centres = loc.view(K, -1)
    if centres.shape[1] == 1:
        centres.copy_(torch.special.ndtri((torch.arange(K) + 0.5) / K).unsqueeze(-1))
    else:
        centres.normal_()
    # as wide as the distance to the next centre: K^(-1/d) of the whole
    width = torch.tensor(K ** (-1.0 / centres.shape[1])).clamp(min=0.1)
    scale.zero_()
    each = scale.view(1 if kind.shared else K, -1)
    raw = width.log() if kind.activation == "exp" else width.expm1().log()
    each[:, : centres.shape[1]].fill_(raw)
