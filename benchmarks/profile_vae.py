"""Where the time of the VAE's training step goes, beside the floor of its matrix products.

    python benchmarks/profile_vae.py [--rounds 15] [--seconds 0.5] [--threads 2] 2>/dev/null

The parts of the step run alone, on tensors of the same shapes, and alternate with the whole step.
A compiled engine fuses the elementwise part and spares its calls, so the parts need not add up to
`fit`'s step; what it cannot go below are the matrix products.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from typing import Any

from svi_timing import FIT, Case, Peer, figure, limit_cores, measure, quartiles, stopwatch


class Part(Peer):
    """A function that is called once a step."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def run(self, steps: int) -> float:
        clock = stopwatch()
        for _ in range(steps):
            self.function()
        return clock()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each part in each round")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    limit_cores(arguments.threads)
    os.environ.setdefault("FORCE_COLOR", "1")
    os.environ["JAX_PLATFORMS"] = "cpu"

    import torch  # only now, when the threads are limited
    from svi_cases import case

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    vae = case("vae", torch.device("cpu"))
    wholes = ("PyTorch, eager, fused Adam", "NumPyro, lax.scan", FIT)
    peers = {**parts(), **{f"whole step, {n}" if n != FIT else n: vae.peers[n] for n in wholes}}
    timed = Case("profile of the VAE's step", vae.unit, peers, ())
    result = measure(
        timed, arguments.rounds, arguments.seconds, lambda text: print(text, file=sys.stderr)
    )
    print("| part | ms per step | of fit's step |\n|---|---|---|")
    for name, values in result.milliseconds.items():
        share = figure(100 * statistics.median(result.ratios(name)))
        print(f"| {name} | {quartiles(values)} | {share} % |")


def parts() -> dict[str, Callable[[], Peer]]:
    """The step's parts, each on tensors of its own."""
    import torch
    from svi_cases.vae import BATCH, HIDDEN, LATENT, PIXELS, TOTAL, binary_data
    from torch.nn import functional

    from plausible.inference.compiled.products import MANY, PRODUCT

    shapes = [
        (PIXELS, HIDDEN),
        (HIDDEN, LATENT),
        (HIDDEN, LATENT),
        (LATENT, HIDDEN),
        (HIDDEN, PIXELS),
    ]
    inputs = [torch.randn(BATCH, i) for i, _ in shapes]
    weights = [torch.randn(o, i) for i, o in shapes]
    gradients = [torch.randn(BATCH, o) for _, o in shapes]
    outputs = [torch.empty(BATCH, o) for _, o in shapes]
    weight_gradients = [torch.empty(o, i) for i, o in shapes]
    input_gradients = [torch.empty(BATCH, i) for i, _ in shapes]

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
            large = BATCH * weight.numel() >= MANY
            multiply = PRODUCT if large else torch.mm
            multiply(inputs[i], weight.t())
            torch.mm(gradients[i].t(), inputs[i], out=weight_gradients[i])
            if i > 0:
                multiply(gradients[i], weight)

    def products_of_jax() -> Peer:
        import jax
        import jax.numpy as jnp

        x, w, g = (
            [jnp.asarray(t.numpy()) for t in tensors] for tensors in (inputs, weights, gradients)
        )
        w = [weight.T.copy() for weight in w]  # JAX's layers keep (inputs, outputs)

        def every(x: Any, w: Any, g: Any) -> Any:
            forward = [a @ b for a, b in zip(x, w, strict=True)]
            of_weights = [a.T @ b for a, b in zip(x, g, strict=True)]
            of_inputs = [a @ b.T for a, b in zip(g[1:], w[1:], strict=True)]
            return forward, of_weights, of_inputs

        compiled = jax.jit(every).lower(x, w, g).compile()
        return Part(lambda: jax.block_until_ready(compiled(x, w, g)))

    leaves = [torch.nn.Parameter(torch.randn(s)) for i, o in shapes for s in ((o, i), (o,))]
    for leaf in leaves:
        leaf.grad = torch.randn_like(leaf)
    adam = torch.optim.Adam(leaves, fused=True)

    hidden = [torch.randn(BATCH, HIDDEN, requires_grad=True) for _ in range(2)]
    logits = torch.randn(BATCH, PIXELS, requires_grad=True)
    x = binary_data(BATCH, PIXELS)

    def elementwise() -> None:
        """Activations, likelihood, and the sums over the batch that are the biases' gradients."""
        loss = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        loss = loss + sum(functional.softplus(h).sum() for h in hidden)
        for gradient in torch.autograd.grad(loss, [*hidden, logits]):
            gradient.sum(0)

    data = binary_data(TOTAL, PIXELS)
    return {
        "matrix products alone, PyTorch": lambda: Part(products),
        "matrix products alone, as compiled code does them": lambda: Part(products_as_compiled),
        "matrix products alone, JAX": products_of_jax,
        "fused Adam alone": lambda: Part(adam.step),
        "elementwise alone, eager": lambda: Part(elementwise),
        "batch from the data": lambda: Part(lambda: data[torch.randint(TOTAL, (BATCH,))]),
    }


if __name__ == "__main__":
    main()
