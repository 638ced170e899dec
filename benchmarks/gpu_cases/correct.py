"""Whether training on a GPU is right: against the CPU, against closed forms, against itself.

Each check takes the device and returns what it measured; `passes` says whether that is as it
should be.
"""

import contextlib
import tempfile
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pyro
import pyro.distributions as dist
import torch
from pyro.infer.autoguide import AutoNormal
from torch import Tensor
from torch.distributions import constraints

from plausible.inference import Fit, Progress, fit, load
from plausible.inference.graphs.capture import Refused
from plausible.models import (
    ELBO,
    SGD,
    VAE,
    Adam,
    AdamW,
    ClippedAdam,
    CosineDecay,
    MixtureDensityNetwork,
    TrainingError,
)

__all__ = ["CHECKS", "images", "vae"]

Result = dict[str, Any]
RECORD = "plausible.inference.engines.recorded.record"


def vae(hidden: int = 400) -> VAE:
    torch.manual_seed(0)
    return VAE((784,), 20, hidden=(hidden,))


def images(count: int, *shape: int) -> Tensor:
    """Binary images; flat ones unless a shape is given."""
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(count, *(shape or (784,)), generator=generator) < 0.2).float()


def trained(model: Any, data: Any, device: str, **settings: Any) -> Fit:
    """`fit`, by recorded graphs on a GPU; on a CPU a compiler is not waited for."""
    return fit(model, data, **{"device": device, "compile": device == "cuda" or "auto", **settings})


def steps_for(device: str, steps: int) -> int:
    """So many on a GPU; on a CPU a tenth, to see that the check runs."""
    return steps if device == "cuda" else steps // 10


def engine_of(run: Fit, device: str) -> Result:
    """What trained, and whether it was the recorded graph where there is a GPU."""
    backend = run.backend
    right = not backend.fallback and (backend.engine == "compiled" or device == "cpu")
    return {"passes": right, "engine": backend.engine, "reason": backend.reason}


def equals_cpu(device: str) -> Result:
    """A mixture density network draws nothing, so both devices give the same losses.

    Rounding grows along a run, from 1e-7 to 1e-5 in 200 steps and without end after them: a CPU in
    float64 is not nearer to a CPU in float32.
    """
    torch.manual_seed(0)
    y = torch.rand(1000, 1)
    x = y + 0.3 * (2 * torch.pi * y).sin() + 0.2 * torch.rand(1000, 1) - 0.1
    losses = []
    for where in ("cpu", device):
        torch.manual_seed(0)
        model = MixtureDensityNetwork((1,), (1,), components=5)
        run = trained(model, (x, y), where, steps=500, batch_size=128)
        losses.append(run.loss)
    result, apart = engine_of(run, device), (losses[0] - losses[1]).abs()
    first, last = float(apart[:200].max()), float(apart.max())
    right = result["passes"] and first < 1e-4
    return result | {"passes": right, "apart in 200 steps, in 500": (first, last)}


def noise_is_right(device: str) -> Result:
    """A VAE's mean loss is the same on both devices, whose draws differ."""
    means = []
    for where in ("cpu", device):
        run = trained(vae(100), images(1280), where, steps=steps_for(device, 1000), batch_size=128)
        means.append(float(run.loss[-200:].mean()))
    return {"passes": abs(means[0] - means[1]) < 0.005 * means[0], "CPU, device": means}


def posterior_is_exact(device: str) -> Result:
    """A conjugate normal with minibatches, whose scale would be twice as large without N/B."""
    torch.manual_seed(0)
    x = torch.randn(1000) + 3.0

    def model(x: Tensor) -> None:
        loc = pyro.sample("loc", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    objective = ELBO(particles=4, optimizer=Adam(CosineDecay(0.02, 2500)))
    guide = AutoNormal(model)
    run = trained(model, x, device, guide=guide, objective=objective, steps=2500, batch_size=250)
    mean, scale, exact = guide.locs.loc.item(), guide.scales.loc.item(), float(x.sum()) / 1001
    right = abs(mean - exact) < 0.01 and abs(scale * 1001**0.5 - 1) < 0.25
    result = engine_of(run, device)
    return result | {
        "passes": result["passes"] and right,
        "loc, exact": (mean, exact),
        "scale, exact": (scale, 1001**-0.5),
    }


def plain_numbers(device: str) -> Result:
    """A model that says Normal(0.0, 1.0) and names no device."""

    def model(x: Tensor) -> None:
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        with pyro.plate("groups", 4):
            e = pyro.sample("e", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc + 0.1 * e.sum(), scale), obs=x)

    run = trained(model, torch.randn(100) + 1.0, device, guide=AutoNormal(model), steps=600)
    return engine_of(run, device)


def default_device(device: str) -> Result:
    """A caller who has made the GPU PyTorch's default device."""
    before = torch.get_default_device()
    try:
        torch.set_default_device(device)
        x = (torch.rand(640, 784) < 0.2).float()
        run = trained(vae(64), x, device, steps=600, batch_size=128)
    finally:
        torch.set_default_device(before)
    return engine_of(run, device)


def draws_inside(device: str) -> Result:
    """Gamma draws are made in the graph; the posterior of a Poisson rate is known."""

    def model(x: Tensor) -> None:
        rate = pyro.sample("rate", dist.Gamma(x.new_tensor(2.0), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Poisson(rate), obs=x)

    def guide(x: Tensor) -> None:
        one = x.new_ones(())
        a = pyro.param("a", 100 * one, constraint=constraints.positive)
        b = pyro.param("b", 30 * one, constraint=constraints.positive)
        pyro.sample("rate", dist.Gamma(a, b))

    objective = ELBO(optimizer=Adam(CosineDecay(0.01, 1500)))
    x = torch.full((50,), 3.0)
    run = trained(model, x, device, guide=guide, objective=objective, steps=1500)
    result, rate = engine_of(run, device), float(run.params["a"] / run.params["b"])
    right = result["passes"] and abs(rate - 152 / 51) < 0.1
    return result | {"passes": right, "rate, exact": (rate, 152 / 51)}


def engines_agree(device: str) -> Result:
    """Recorded rounds against captured ones, for every optimiser: the same noise, one rounding."""
    apart = {}
    for optimizer in (
        Adam(CosineDecay(1e-3, 300), clip_norm=1.0),
        AdamW(1e-3),
        ClippedAdam(1e-3, decay=0.999),
        SGD(1e-4, momentum=0.9),
    ):
        losses = []
        for recorded in (True, False):
            with contextlib.nullcontext() if recorded else patch(RECORD, side_effect=_refuse):
                run = trained(
                    vae(64),
                    images(1000),
                    device,
                    objective=ELBO(optimizer=optimizer),
                    steps=steps_for(device, 300),
                    batch_size=128,
                )
            losses.append(run.loss)
        apart[type(optimizer).__name__] = float(((losses[0] - losses[1]) / losses[1]).abs().max())
    return {"passes": max(apart.values()) < 1e-3, "relative differences": apart}


def _refuse(*arguments: Any) -> None:
    raise Refused("it is to be captured only")


def resumed(device: str) -> Result:
    """A run that was stopped half-way ends as one that was not."""
    x = images(1000)
    steps = steps_for(device, 1200)
    whole = trained(vae(64), x, device, steps=steps, batch_size=128)
    with tempfile.TemporaryDirectory() as folder:
        trained(vae(64), x, device, steps=steps // 2, batch_size=128, out=folder)
        rest = trained(vae(64), x, device, steps=steps, batch_size=128, resume=folder)
        again = load(folder)
    apart = float((whole.loss - rest.loss).abs().max())
    weights = zip(again.parameters(), whole.model.parameters(), strict=True)
    moved = max((p.cpu() - q.cpu()).abs().max().item() for p, q in weights)
    return {
        "passes": apart < 1e-3,
        "bit-identical": torch.equal(whole.loss, rest.loss) and moved == 0.0,
        "apart": apart,
        "weights apart": moved,
    }


def memory_stays(device: str) -> Result:
    """One run after another needs no more memory than the second."""
    reserved = []
    for _ in range(5):
        trained(vae(), images(1000), device, steps=100, batch_size=128)
        reserved.append(torch.cuda.memory_reserved() / 2**20 if device == "cuda" else 0.0)
    return {"passes": reserved[-1] <= 1.1 * reserved[1], "MiB reserved": reserved}


def convolutions(device: str) -> Result:
    """Convolutions, in TF32 as PyTorch has it; a graph of them may be replayed."""
    x = images(1280, 1, 28, 28)
    result: Result = {"passes": True}
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        model = VAE((1, 28, 28), 8, network="convolutional")
        steps = steps_for(device, 300)
        run = trained(model, x, device, steps=steps, batch_size=128, precision=precision)
        part = engine_of(run, device) | {"ms a step": 1000 * run.seconds / run.steps}
        result[precision] = part
        result["passes"] &= part["passes"]
    return result


def tensor_float(device: str) -> Result:
    """With TF32 in matrix products the graphs are still trusted; what it gains."""
    result: Result = {"passes": True}
    before = torch.get_float32_matmul_precision()
    try:
        for kind in ("highest", "high"):
            torch.set_float32_matmul_precision(kind)
            steps = steps_for(device, 400)
            run = trained(vae(1000), images(4096), device, steps=steps, batch_size=1024)
            part = engine_of(run, device) | {"ms a step": 1000 * run.seconds / run.steps}
            result[kind] = part
            result["passes"] &= part["passes"]
    finally:
        torch.set_float32_matmul_precision(before)
    return result


def stops_at_nan(device: str) -> Result:
    """A loss that is not finite ends the run, by name of the site."""
    x = images(512)
    objective = ELBO(optimizer=SGD(1e6))
    try:
        trained(vae(64), x, device, objective=objective, steps=600, batch_size=128)
    except TrainingError as error:
        return {"passes": True, "message": str(error)[:300]}
    return {"passes": False, "message": "the run went on"}


def watched(device: str) -> Result:
    """Callbacks look on, so a call is one round."""
    steps = []

    def callback(progress: Progress) -> None:
        steps.append(progress.step)

    settings: dict[str, Any] = {"steps": 600, "batch_size": 128, "callbacks": [callback]}
    run = trained(vae(64), images(640), device, **settings)
    result = engine_of(run, device)
    return result | {
        "passes": result["passes"] and len(steps) == 600,
        "ms a step": 1000 * run.seconds / run.steps,
    }


CHECKS: dict[str, Callable[[str], Result]] = {
    check.__name__: check
    for check in (
        equals_cpu, noise_is_right, posterior_is_exact, engines_agree, resumed, draws_inside,
        convolutions, tensor_float, plain_numbers, default_device, stops_at_nan, watched,
        memory_stays,
    )
}  # fmt: skip
