"""Makes the checkpoints of `old_checkpoints/`: run with the code of version 0.1.0, commit 988e0ae.

They are kept to show that later versions load them; `expected.json` holds what the models answered
to that version. A later version must not make them anew.
"""

import gzip
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyro
import torch
from old_models import (
    ANSWERS,
    GIVEN,
    LABELS,
    LARGE,
    OWN,
    RESUMED,
    SMALL,
    Line,
    Named,
    OwnVAE,
    Stack,
    X,
    Y,
    bits,
    greys,
    mean_guide,
    mean_model,
    numbers,
    own_network,
    wave,
)
from torch import Tensor, nn

from plausible.inference import fit, load
from plausible.models import (
    SGD,
    VAE,
    BinaryCrossEntropy,
    Categorical,
    Classifier,
    ConditionalGenerator,
    DiagonalNormal,
    GeneratorNetwork,
    Laplace,
    MixtureDensityNetwork,
    MixtureOfNormals,
    Normal,
    Objective,
    Player,
    Regressor,
)

FOLDER = Path(__file__).parent / "old_checkpoints"
STEPS, LATER = 3, 5


class Squares(Objective):
    """Least squares at fixed latents: a generator without likelihood has no other loss."""

    def players(self) -> tuple[Player, ...]:
        return (Player("squares", self.parameters, self.loss, SGD(0.01)),)

    def parameters(self, model: Any) -> Iterable[nn.Parameter]:
        return model.parameters()

    def loss(self, model: Any, batch: Any, state: nn.Module) -> Tensor:
        *condition, x = batch.args
        return (model.generate(wave(len(x), 2), *condition) - x).square().mean()


def from_prior(model: Any, events: int = 0) -> Callable[..., None]:
    """A guide that draws the latents from the prior."""

    def guide(first: Tensor, *others: Tensor) -> None:
        with pyro.plate("data", len(first)):
            pyro.sample("z", model.prior(len(first)))

    return guide


def generator(model: Any, *data: Tensor) -> dict[str, Any]:
    """How a generator is trained: by its likelihood, or by `Squares` at fixed latents."""
    if model.likelihood is None:
        return {"model": model, "data": data, "objective": Squares()}
    return {"model": model, "data": data, "guide": from_prior(model)}


def coarse(model: Any) -> Any:
    """The model with its wide layers rounded to eighths and frozen, so that its file is small."""
    for parameter in model.parameters():
        if parameter.numel() > 200:
            parameter.requires_grad_(False).mul_(8).round_().div_(8)
    return model


def conditional(model: Any, x: Tensor, y: Tensor, **more: Any) -> dict[str, Any]:
    return {"model": model, "data": (x, y), **more}


def runs() -> dict[str, Callable[[], dict[str, Any]]]:
    own = Normal("learned", min_scale=0.01)
    three, full = wave(5, 3), MixtureOfNormals(2, "full", shared=True, activation="softplus")
    return {
        "vae-mlp": lambda: {
            "model": VAE(SMALL, 2, "bernoulli", hidden=(4, 3), activation="tanh"),
            "data": bits(5, *SMALL),
            "batch_size": 2,
        },
        "vae-linear": lambda: {"model": VAE((3,), 2, own, hidden=()), "data": three},
        "vae-convolutional": lambda: {
            "model": coarse(VAE(LARGE, 2, "continuous-bernoulli", "convolutional", hidden=(2,))),
            "data": greys(5, *LARGE),
        },
        "vae-laplace": lambda: {
            "model": VAE((3,), latent_size=2, likelihood=Laplace(0.3), hidden=(3,)),
            "data": three,
        },
        "vae-diagonal-normal": lambda: {
            "model": VAE((3,), 2, DiagonalNormal("softplus", 0.02), "mlp", (3,), "softplus"),
            "data": three,
        },
        "vae-mixture": lambda: {"model": VAE((2,), 2, full, hidden=(3,)), "data": wave(5, 2)},
        "vae-binary-cross-entropy": lambda: {
            "model": VAE(SMALL, 2, BinaryCrossEntropy(), hidden=(3,)),
            "data": greys(5, *SMALL),
        },
        "classifier-two": lambda: conditional(
            Classifier((2,), hidden=(3,)).standardise(X), X, (LABELS > 0).long()
        ),
        "classifier-convolutional": lambda: conditional(
            coarse(Classifier((1, 8, 8), 3, "convolutional", (2,))),
            greys(5, 1, 8, 8),
            LABELS,
        ),
        "regressor": lambda: conditional(
            Regressor((2,), hidden=(3,)).standardise(X, 3 + 2 * Y), X, Y
        ),
        "regressor-softplus": lambda: conditional(
            Regressor((2,), (2,), DiagonalNormal("softplus", 0.05), hidden=(), activation="relu"),
            X,
            wave(5, 2, shift=0.9),
        ),
        "regressor-categorical": lambda: conditional(
            Regressor((2,), (), Categorical(3), hidden=(3,)), X, LABELS
        ),
        "regressor-from-images": lambda: conditional(
            coarse(Regressor(LARGE, (2,), Normal("learned"), "convolutional", (2,))),
            greys(5, *LARGE),
            wave(5, 2),
        ),
        "regressor-to-images": lambda: conditional(
            coarse(Regressor((2,), LARGE, "normal", "convolutional", (2,))),
            X,
            greys(5, *LARGE),
        ),
        "regressor-between-images": lambda: conditional(
            coarse(Regressor((1, 8, 8), (1, 8, 8), "laplace", "convolutional")),
            greys(5, 1, 8, 8),
            wave(5, 1, 8, 8),
        ),
        "mixture-density": lambda: conditional(
            MixtureDensityNetwork((2,), components=3, hidden=(3,)), X, Y
        ),
        "mixture-density-full": lambda: conditional(
            MixtureDensityNetwork(
                (2,), (2,), 2, "full", True, (3,), "softplus", "softplus", 0.01
            ).standardise(X, wave(5, 2)),
            X,
            wave(5, 2, shift=0.9),
        ),
        "generator": lambda: generator(
            GeneratorNetwork((3,), 2, Normal(0.2), hidden=(3,), start="glorot"), three
        ),
        "generator-without-likelihood": lambda: generator(
            GeneratorNetwork((3,), 2, hidden=(3,), activation="softplus"), three
        ),
        "generator-transposed": lambda: generator(
            coarse(GeneratorNetwork((1, 8, 8), 2, "continuous-bernoulli", "transposed", (2,))),
            greys(5, 1, 8, 8),
        ),
        "generator-upsample": lambda: generator(
            coarse(GeneratorNetwork((1, 8, 8), 2, None, "upsample", (2,), start="glorot")),
            greys(5, 1, 8, 8),
        ),
        "conditional-generator": lambda: generator(
            ConditionalGenerator((3,), (2,), 2, "laplace", hidden=(3,)), three, wave(5, 2)
        ),
        "conditional-generator-without-likelihood": lambda: generator(
            ConditionalGenerator((), (3,), 2, hidden=(3,)), Y, three
        ),
        "own-subclass": lambda: {
            "model": Named((3, 7), likelihood=own, note="kept"),
            "data": three,
        },
        "own-stack": lambda: conditional(Stack(2, 3, 1, scale=0.5), X, Y[:, None]),
        "own-vae": lambda: {"model": OwnVAE(SMALL, 2, hidden=(3,)), "data": bits(5, *SMALL)},
        "own-network": lambda: conditional(own_network(), X, Y),
        "pyro-module": lambda: conditional(Line(), X, Y),
        "pyro-functions": lambda: {"model": mean_model, "data": Y, "guide": mean_guide},
    }


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    expected: dict[str, Any] = {}
    common: dict[str, Any] = {"device": "cpu", "compile": False}
    for i, (name, make) in enumerate(runs().items()):
        pyro.set_rng_seed(i)
        with tempfile.TemporaryDirectory() as out:
            fit(**make(), **common, steps=STEPS, out=out)
            packed = gzip.compress((Path(out) / "checkpoint.pt").read_bytes(), mtime=0)
            (FOLDER / f"{name}.pt.gz").write_bytes(packed)
            if name in GIVEN:
                build, answer = GIVEN[name]
                expected[name] = numbers(answer, load(out, model=build()))
            elif name in ANSWERS or name in OWN:
                expected[name] = numbers({**ANSWERS, **OWN}[name], load(out))
            if name in RESUMED:
                run = fit(**make(), **common, steps=LATER, resume=out)
                params = {key: float(value) for key, value in run.params.items()}
                expected[f"{name} resumed"] = {"loss": run.loss.tolist(), "params": params}
    text = json.dumps(expected).replace("], ", "],\n")
    (FOLDER / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
