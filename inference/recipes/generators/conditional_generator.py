"""The recipe `conditional-generator`: one input, many outputs."""

from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from plausible.inference.data import load
from plausible.inference.evaluation.bounds import Bound
from plausible.inference.isolation import evaluating
from plausible.inference.pictures.numbers import per_cent
from plausible.inference.pictures.regression import image_rows
from plausible.inference.recipes.common import Device, Trainer, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.recipes.outputs.regress_images import halves
from plausible.inference.training.progress import stage
from plausible.models import ELBO, Adam, CosineDecay, DiagonalNormal
from plausible.models.generators.generator import ConditionalGenerator
from plausible.models.likelihoods.likelihood import positive_scale
from plausible.models.networks.mlp import MLP

__all__ = ["Recognition", "ancestral", "conditional_generator"]

_NARROWEST = 0.1  # of the range of greys: no bound grows without end on pixels that never change
_OUTPUTS, _SHOWN, _DRAWS = 6, 10, 200


class Recognition(nn.Module):
    """The guide of a conditional generator: q(z given c, x), a diagonal normal.

    Args:
        condition_shape, x_shape, latent_size: those of the generator.
        hidden: widths of the hidden layers.
    """

    def __init__(
        self,
        condition_shape: tuple[int, ...],
        x_shape: tuple[int, ...],
        latent_size: int,
        hidden: tuple[int, ...],
    ) -> None:
        super().__init__()
        inputs = torch.Size(condition_shape).numel() + torch.Size(x_shape).numel()
        self.network = MLP((inputs,), (latent_size, 2), hidden)

    def encode(self, condition: Tensor, x: Tensor) -> dist.TorchDistribution:
        """q(z given c, x) for each pair."""
        outputs = self.network(torch.cat([condition.flatten(1), x.flatten(1)], dim=1))
        loc, raw = outputs.unbind(-1)
        return dist.Normal(loc, positive_scale(raw, "softplus", 1e-3)).to_event(1)

    def forward(self, condition: Tensor, x: Tensor) -> None:
        """The site "z", as Pyro's SVI wants it."""
        with pyro.plate("data", len(x)):
            pyro.sample("z", self.encode(condition, x))


def conditional_generator(
    *,
    data: str = "digits",
    latent_size: int = 8,
    hidden: tuple[int, ...] = (256, 256),
    epochs: int = 30,
    lr: float = 1e-3,
    device: Device = "auto",
    seed: int = 0,
    out: Path = Path("runs/conditional-generator"),
) -> Outcome:
    """Conditional generator: one input, many outputs, each drawn through its latents.

    The input c is the upper half of an image, the output its lower half: z ~ N(0, I), then
    x ~ N(μ(z, c), σ(z, c)). A network q(z given c, x) is trained with it by the variational bound
    and not needed to draw.

    Args:
        data: digits, mnist, fashion-mnist, or a folder of grey images or of IDX files.
        latent_size: dimensions of z.
        hidden: widths of the hidden layers of both networks.
        epochs: passes over the training images.
        lr: first learning rate of Adam, which falls to zero.
        device: where to train.
        seed: seed of the split, the initial weights, the batches and the draws.
        out: folder for the checkpoint, the pictures and the page.
    """
    stage("loading")
    images = load(data, seed=seed)
    (c, x), (held_c, held_x) = halves(images.train), halves(images.test)
    torch.manual_seed(seed)
    shape = tuple(x.shape[1:])
    likelihood = DiagonalNormal("softplus", min_scale=_NARROWEST)
    model = ConditionalGenerator(shape, shape, latent_size, likelihood, hidden=tuple(hidden))
    guide = Recognition(shape, shape, latent_size, tuple(hidden))
    steps = epochs * -(-len(x) // model.batch_size)
    run = Trainer(seed, device).fit(
        model,
        (c, x),
        guide=guide,
        objective=ELBO(optimizer=Adam(CosineDecay(lr, steps))),
        epochs=epochs,
        out=out,
    )
    guide.to("cpu")
    facts = {
        "Data": f"{images.name}: {len(x):,} training and {len(held_x):,} held-out images; the "
        "lower half from the upper one",
        **_facts(model, guide, held_c, held_x, seed),
        **training_fact(run),
    }
    stage("drawing")
    return Outcome("conditional-generator", out, run, facts, _pictures(model, held_c, held_x, seed))


def ancestral(model: ConditionalGenerator, condition: Tensor, seed: int) -> dict[str, Tensor]:
    """Draw z, then x given z, by running the model: one output for each condition.

    Returns:
        Mean and scale of p(x given z, c) at the drawn z, and the x that was drawn, by name.
    """
    with evaluating(model, seed):
        site = pyro.poutine.trace(model.model).get_trace(condition).nodes["x"]
        p: Any = site["fn"]
        one = p.base_dist
        return {"mean": one.loc, "scale": one.scale, "x": site["value"]}


def _facts(
    model: ConditionalGenerator, guide: Recognition, c: Tensor, x: Tensor, seed: int
) -> dict[str, str]:
    with evaluating(model, seed):
        q = guide.encode(c, x)
        kl = kl_divergence(q, model.prior(len(x)))
        bound = model.decode(q.sample(), c).log_prob(x) - kl
    means = torch.stack([ancestral(model, c[:_DRAWS], seed + k)["mean"] for k in range(_DRAWS)])
    seen = x[:_DRAWS]
    average = means.mean(0)
    within = float(means.var(0).mean() / (seen - average).square().mean())
    distance = (means - seen).square().mean((2, 3, 4)).sqrt()
    nearest = float(distance.amin(0).mean() / distance.mean())
    return {
        "Held-out bound on ln p(x given c)": f"{Bound.of(bound)} nats per image",
        "of which KL": f"{Bound.of(kl)} nats",
        "Variance among outputs for one input": f"{per_cent(within)} of that of the true lower "
        f"halves around the average output ({_DRAWS} outputs for each of {_DRAWS} inputs)",
        f"Nearest of {_DRAWS} outputs to the truth": f"{per_cent(nearest)} of the distance of a "
        "single output, on average",
        "Floor of the scales": f"{_NARROWEST} of the range of greys",
    }


def _pictures(model: ConditionalGenerator, c: Tensor, x: Tensor, seed: int) -> list[Picture]:
    chosen = torch.linspace(0, len(x) - 1, _SHOWN).long()
    inputs, truth = c[chosen], x[chosen]
    rows = [
        ("input", torch.cat([inputs, torch.zeros_like(inputs)], dim=2)),
        ("truth", torch.cat([inputs, truth], dim=2)),
    ]
    for k in range(_OUTPUTS):
        drawn = ancestral(model, inputs, seed + k)["mean"].clamp(0, 1)
        rows.append((f"output {k + 1}", torch.cat([inputs, drawn], dim=2)))
    upper = inputs[:1].expand(_SHOWN, *inputs.shape[1:])
    many = ancestral(model, upper, seed)
    below = {
        "mean": torch.cat([upper, many["mean"].clamp(0, 1)], dim=2),
        "scale": torch.cat([torch.zeros_like(upper), many["scale"]], dim=2),
        "drawn x": torch.cat([upper, many["x"].clamp(0, 1)], dim=2),
    }
    return [
        Picture(
            "samples",
            image_rows(rows),
            "Each column is one held-out input, the upper half of an image. Below it are the image "
            f"that it belongs to and {_OUTPUTS} outputs: lower halves, the means of p(x given z, "
            "c) for latents drawn from the prior. Where the upper half leaves the digit open, the "
            "outputs differ.",
            f"Ten columns of digits: an upper half, the true digit, and {_OUTPUTS} digits with the "
            "same upper half and different lower halves.",
        ),
        Picture(
            "ancestral",
            image_rows(list(below.items())),
            "Ancestral sampling for one input, the leftmost above, whose upper half is repeated: "
            "ten times the model draws z, and the network makes a mean and a scale for every "
            "pixel below from it, from which x is drawn. The noise of x is that of single pixels; "
            "what makes a stroke is in z.",
            "Three rows of ten digits with one upper half: means, scales, and noisy draws below.",
        ),
    ]
