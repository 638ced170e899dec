"""Small models, objectives and runs that several tests, and processes they start, train."""

import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from pyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from pyro.nn import PyroModule, PyroParam
from torch import Tensor, nn

from plausible.inference import Progress, fit
from plausible.inference.data.pixels import DynamicBinarisation
from plausible.inference.training.checkpoints import read_checkpoint
from plausible.models import (
    ELBO,
    VAE,
    Adam,
    Annealing,
    CheckpointError,
    GenerativeModel,
    ImportanceWeighted,
    Objective,
    Player,
)
from plausible.models.objectives.batch import Batch


def mean_model(x: Tensor) -> None:
    """A normal of unknown mean with a known scale: its posterior is known exactly."""
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def mean_guide(x: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.0))
    scale = pyro.param("scale", torch.tensor(0.5), constraint=constraints.positive)
    pyro.sample("mu", dist.Normal(loc, scale))


def switch_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(0.3))
        pyro.sample("x", dist.Normal(3.0 * k, 1.0), obs=x)


def switch_guide(x: Tensor) -> None:
    slope = pyro.param("slope", torch.tensor(0.1))
    with pyro.plate("data", len(x)):
        pyro.sample("k", dist.Bernoulli(logits=slope * x))


class Noisy(nn.Module):
    """A regression with batch norm, whose averages move, and dropout, which draws."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
        )

    def forward(self, x: Tensor, y: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(self.net(x)[:, 0], 1.0), obs=y)


class Shifted(GenerativeModel):
    """A generator x = shift + z with z ~ N(0, 1), and a critic."""

    batch_size = 32

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))
        self.critic = nn.Linear(1, 1)

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        count = len(x) if x is not None else size
        with pyro.plate("data", count):
            z = pyro.sample("z", dist.Normal(torch.zeros(count, 1), 1.0).to_event(1))
            return pyro.deterministic("generated", self.shift + z, event_dim=1)


class Average(nn.Module):
    """A moving average of the generator's shift."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.zeros(1))


class TwoPlayers(Objective):
    """A critic that tells data from draws, and a generator that follows it.

    The critic's slope w is held at the difference of the means by the penalty w²/2, so that the
    generator's shift is moved straight to the mean of the data.
    """

    def __init__(self, updates: int = 2, every: int = 3, lr: float = 0.02) -> None:
        self.updates, self.every, self.lr = updates, every, lr

    def __repr__(self) -> str:
        return f"TwoPlayers({self.updates}, {self.every}, {self.lr})"

    def players(self) -> tuple[Player, ...]:
        critic = Player(
            "critic", self.critics, self.critic_loss, Adam(self.lr), updates=self.updates
        )
        generator = Player(
            "generator", self.generators, self.generator_loss, Adam(self.lr), every=self.every
        )
        return critic, generator

    def state(self, model: Shifted) -> nn.Module:
        return Average()

    def critics(self, model: Shifted, state: nn.Module) -> Iterable[nn.Parameter]:
        return model.critic.parameters()

    def generators(self, model: Shifted, state: nn.Module) -> Iterable[nn.Parameter]:
        return [model.shift]

    def critic_loss(self, model: Shifted, batch: Batch, state: nn.Module) -> Tensor:
        with torch.no_grad():
            fake = model.model(size=batch.size)
        gap = model.critic(fake).mean() - model.critic(batch.args[0]).mean()
        return gap + 0.5 * model.critic.weight.square().sum()

    def generator_loss(self, model: Shifted, batch: Batch, state: nn.Module) -> Tensor:
        return -model.critic(model.model(size=batch.size)).mean()

    def after_step(self, model: Shifted, state: Any) -> None:
        state.average.lerp_(model.shift.detach(), 0.01)


def bytes_of_images(count: int = 20) -> Tensor:
    return torch.randint(0, 256, (count, 1, 4, 4), generator=seeded(1)).to(torch.uint8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal_data(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=seeded(2)) + 1.5


def tiny_vae(likelihood: str = "bernoulli") -> VAE:
    torch.manual_seed(3)
    return VAE((1, 4, 4), latent_size=2, likelihood=likelihood, hidden=(8,))


def greys() -> Tensor:
    return bytes_of_images().float() / 255


def noisy() -> dict[str, Any]:
    torch.manual_seed(3)
    return {"model": Noisy(), "data": (normal_data(23, 2), normal_data(23)), "batch_size": 7}


ROWS = torch.randn(40, 8, generator=seeded(6))


def level_local(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(mu, 1.0))
        pyro.sample("x", dist.Normal(z[:, None], 1.0).expand([len(x), 8]).to_event(1), obs=x)


class Averaged:
    """Means of quantities over the steps after the first `skip`: less noisy than the last ones."""

    def __init__(self, read: Callable[[], tuple[Tensor, ...]], skip: int) -> None:
        self.read, self.skip, self.count = read, skip, 0
        self.means: list[Tensor] = []

    def __call__(self, progress: Progress) -> None:
        if progress.step > self.skip:
            self.count += 1
            values = [value.detach().clone() for value in self.read()]
            self.means = self.means or values
            for mean, value in zip(self.means, values, strict=True):
                mean += (value - mean) / self.count


def regression_data(count: int = 80) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 2, generator=seeded(4))
    y = x @ torch.tensor([1.0, -2.0]) + 0.5 * torch.randn(count, generator=seeded(5))
    return x, y


def closed_over(net: nn.Module) -> Callable[[Tensor, Tensor], None]:
    def model(x: Tensor, y: Tensor) -> None:
        pyro.module("net", net)
        scale = pyro.param("scale", torch.tensor(2.0), constraint=constraints.greater_than(0.1))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(net(x)[:, 0], scale), obs=y)

    return model


class Heteroscedastic(PyroModule):
    """A module of Pyro's with a constrained parameter; nothing is latent."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.linear = PyroModule[nn.Linear](2, 1)
        self.scale = PyroParam(torch.tensor(2.0), constraint=constraints.positive)

    def forward(self, x: Tensor, y: Tensor) -> None:
        mean = self.linear(x)[:, 0]
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(mean, self.scale), obs=y)


# Every case has a short last batch, and something of its own that a checkpoint could forget.
CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "shuffled minibatches": lambda: {
        "model": tiny_vae("continuous-bernoulli"),
        "data": greys(),
        "batch_size": 8,
    },
    "importance weighted": lambda: {
        "model": tiny_vae("normal"),
        "data": greys(),
        "batch_size": 8,
        "objective": ImportanceWeighted(3),
    },
    "a source that draws": lambda: {
        "model": tiny_vae(),
        "data": DynamicBinarisation(bytes_of_images()),
        "batch_size": 8,
    },
    "annealing": lambda: {
        "model": tiny_vae("continuous-bernoulli"),
        "data": greys(),
        "batch_size": 8,
        "objective": ELBO(beta=Annealing(0.0, 1.0, 25)),
    },
    "pyro.param": lambda: {
        "model": mean_model,
        "guide": mean_guide,
        "data": normal_data(23),
        "batch_size": 7,
    },
    "AutoNormal": lambda: {
        "model": mean_model,
        "guide": AutoNormal(mean_model),
        "data": normal_data(23),
        "batch_size": 7,
    },
    "AutoMultivariateNormal": lambda: {
        "model": mean_model,
        "guide": AutoMultivariateNormal(mean_model),
        "data": normal_data(23),
    },
    "discrete latents": lambda: {
        "model": switch_model,
        "guide": switch_guide,
        "data": normal_data(23),
        "batch_size": 7,
    },
    "batch norm and dropout": noisy,
    "two players": lambda: {
        "model": Shifted(),
        "data": normal_data(23, 1),
        "batch_size": 7,
        "objective": TwoPlayers(),
    },
}


def run(case: str, folder: Path, steps: int, resume: bool = False, **more: Any) -> Any:
    """Train a case from its first weights, or go on, with a checkpoint after every step."""
    torch.set_num_threads(1)
    pyro.set_rng_seed(5 + resume)  # weights and draws of the process that resumes are its own
    arguments = CASES[case]()
    started = {"resume": folder} if resume else {"out": folder}
    return fit(**arguments, **started, steps=steps, checkpoint_seconds=0, device="cpu", **more)


def interrupted_run(folder: Path, answer: Any) -> None:
    """Train until someone interrupts, and say how it ended."""
    result = run("pyro.param", folder, 100_000)
    answer.send((result.interrupted, result.steps, len(result.loss)))


def run_on_a_full_disk(folder: Path, answer: Any) -> None:
    """Go on in a process that may write no file above 1 kB: refused as a full disk refuses."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        run("pyro.param", folder, 9, resume=True)
    except CheckpointError as error:
        answer.send(str(error))


def content(folder: Path) -> dict[str, Any]:
    """A checkpoint without the time that it took."""
    return {k: v for k, v in read_checkpoint(folder).items() if k != "seconds"}


def assert_same(one: Any, other: Any, where: str = "checkpoint") -> None:
    """Bitwise equality of nested dictionaries, lists and tensors."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{i}]")
    elif isinstance(one, Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other), where
    else:
        assert one == other, where
