"""The parts of the VAE's training step, and the limit that the device sets for it."""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from svi_cases.vae import EPOCH, HIDDEN, LATENT, PIXELS, binary_data
from svi_peers import wait_for
from svi_timing import FIT, Peer, Result, figure, quartiles, stopwatch
from torch.nn import functional

from plausible.inference.graphs.products import MANY, PRODUCT

__all__ = ["RATES", "limit", "parts"]

# A layer's inputs and outputs; the first layer's inputs are data and need no gradient.
LAYERS = [(PIXELS, HIDDEN), (HIDDEN, LATENT), (HIDDEN, LATENT), (LATENT, HIDDEN), (HIDDEN, PIXELS)]
LARGE_PRODUCT, LARGE_COPY = "a large product", "a large copy"
RATES = (
    LARGE_PRODUCT,
    LARGE_COPY,
)  # not parts of a step, but tell the device's rates


class Part(Peer):
    """A function that is called once a step."""

    def __init__(self, function: Callable[[], Any], device: torch.device) -> None:
        self.function, self.device = function, device

    def run(self, steps: int) -> float:
        clock = stopwatch()
        for _ in range(steps):
            self.function()
        wait_for(self.device)
        return clock()


def parts(device: torch.device, batch: int) -> dict[str, Callable[[], Peer]]:
    """The step's parts, each on tensors of its own, and what tells the device's rates."""
    inputs = [torch.randn(batch, i, device=device) for i, _ in LAYERS]
    weights = [torch.randn(o, i, device=device) for i, o in LAYERS]
    gradients = [torch.randn(batch, o, device=device) for _, o in LAYERS]
    outputs = [torch.empty_like(g) for g in gradients]
    weight_gradients = [torch.empty_like(w) for w in weights]
    input_gradients = [torch.empty_like(x) for x in inputs]

    def products() -> None:
        """Forward, for the weights, and for the inputs except the data."""
        for i, weight in enumerate(weights):
            torch.mm(inputs[i], weight.t(), out=outputs[i])
            torch.mm(gradients[i].t(), inputs[i], out=weight_gradients[i])
            if i > 0:
                torch.mm(gradients[i], weight, out=input_gradients[i])

    def products_as_compiled() -> None:
        """The same; oneDNN does the large ones forward and for the inputs."""
        for i, weight in enumerate(weights):
            large = batch * weight.numel() >= MANY
            multiply = PRODUCT if large else torch.mm
            multiply(inputs[i], weight.t())
            torch.mm(gradients[i].t(), inputs[i], out=weight_gradients[i])
            if i > 0:
                multiply(gradients[i], weight)

    def products_of_jax() -> Peer:
        import jax
        import jax.numpy as jnp

        x, w, g = (
            [jnp.asarray(t.cpu().numpy()) for t in tensors]
            for tensors in (inputs, weights, gradients)
        )
        w = [weight.T.copy() for weight in w]  # JAX's layers keep (inputs, outputs)

        def every(x: Any, w: Any, g: Any) -> Any:
            forward = [a @ b for a, b in zip(x, w, strict=True)]
            of_weights = [a.T @ b for a, b in zip(x, g, strict=True)]
            of_inputs = [a @ b.T for a, b in zip(g[1:], w[1:], strict=True)]
            return forward, of_weights, of_inputs

        compiled = jax.jit(every).lower(x, w, g).compile()
        return part(lambda: jax.block_until_ready(compiled(x, w, g)))

    leaves = [
        torch.nn.Parameter(torch.randn(s, device=device)) for i, o in LAYERS for s in ((o, i), (o,))
    ]
    for leaf in leaves:
        leaf.grad = torch.randn_like(leaf)
    adam = torch.optim.Adam(leaves, fused=True)

    hidden = [torch.randn(batch, HIDDEN, device=device, requires_grad=True) for _ in range(2)]
    logits = torch.randn(batch, PIXELS, device=device, requires_grad=True)
    data = binary_data(EPOCH * batch, PIXELS).to(device)

    def elementwise() -> None:
        """Activations, likelihood, and the sums over the batch that are the biases' gradients."""
        pixels = data[:batch]
        loss = functional.binary_cross_entropy_with_logits(logits, pixels, reduction="sum")
        loss = loss + sum(functional.softplus(h).sum() for h in hidden)
        for gradient in torch.autograd.grad(loss, [*hidden, logits]):
            gradient.sum(0)

    def gather() -> None:
        data[torch.randint(len(data), (batch,), device=device)]

    def part(function: Callable[[], Any]) -> Part:
        return Part(function, device)

    side, copied = _large(device)
    square, product = (torch.randn(side, side, device=device) for _ in range(2))
    source = torch.randn(copied, device=device)
    target = torch.empty_like(source)
    measured = {
        "matrix products alone, PyTorch": lambda: part(products),
        "matrix products alone, as compiled code does them": lambda: part(products_as_compiled),
        "matrix products alone, JAX": products_of_jax,
        "fused Adam alone": lambda: part(adam.step),
        "elementwise alone, eager": lambda: part(elementwise),
        "batch from the data": lambda: part(gather),
        LARGE_PRODUCT: lambda: part(lambda: torch.mm(square, square, out=product)),
        LARGE_COPY: lambda: part(lambda: target.copy_(source)),
    }
    if device.type == "cuda":  # JAX may be another device's, and compiled code multiplies as eager
        del measured["matrix products alone, as compiled code does them"]
        del measured["matrix products alone, JAX"]
    return measured


def _large(device: torch.device) -> tuple[int, int]:
    """The side of a square product and the numbers in a copy that show the device's rates."""
    return (8192, 2**27) if device.type == "cuda" else (1024, 2**24)


def limit(result: Result, device: torch.device, batch: int) -> str:
    """The device's limit for a step, and how much of it `fit` reaches, in one sentence."""
    side, copied = _large(device)
    forward = sum(i * o for i, o in LAYERS)
    operations = 2 * batch * (3 * forward - LAYERS[0][0] * LAYERS[0][1])
    numbers = forward + sum(o for _, o in LAYERS)
    # Read and write each parameter and Adam's two averages of it; gather the batch.
    moved = 4 * (6 * numbers + 2 * batch * PIXELS)
    by_product = [t * operations / (2 * side**3) for t in result.milliseconds[LARGE_PRODUCT]]
    by_copy = [t * moved / (8 * copied) for t in result.milliseconds[LARGE_COPY]]
    limits = [max(pair) for pair in zip(by_product, by_copy, strict=True)]
    shares = [100 * a / b for a, b in zip(limits, result.milliseconds[FIT], strict=True)]
    rate = 2e-9 * side**3 / median(result.milliseconds[LARGE_PRODUCT])
    speed = 8e-6 * copied / median(result.milliseconds[LARGE_COPY])
    return (
        f"\nThe products of a step are {figure(operations / 1e9)} GFLOP: "
        f"{figure(median(by_product))} ms at the {figure(rate)} TFLOP/s of a product of "
        f"{side} x {side}. The step moves {figure(moved / 1e6)} MB: {figure(median(by_copy))} ms "
        f"at the {figure(speed)} GB/s of a large copy. `fit` reaches {quartiles(shares)} % of the "
        f"limit, the longer of the two."
    )
