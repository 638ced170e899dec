"""Profiling, arrests, poverty, use, and profiling again: a loop in time, as a Pyro program."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor

from plausible.inference.errors import DataError, UnknownName

__all__ = ["POLICIES", "Policy", "Society", "expected", "loop", "simulated"]

Policy = Literal["uniform", "in proportion", "profile", "audited"]
POLICIES: tuple[Policy, ...] = ("uniform", "in proportion", "profile", "audited")
Range = tuple[float, float]


@dataclass(frozen=True)
class Society:
    """Two groups and how poverty, use and arrests depend on each other; every number is assumed.

    Attributes:
        people: in each group.
        poverty: share of poor people in each group at first.
        use: chance that someone who is not poor uses the drug, in any step.
        use_of_poverty: how much higher it is for a poor person.
        stays: chance that a poor person is poor in the next step.
        becomes: chance that another person is.
        arrest: how much an arrest raises that chance.
        stops: stops a person in each step, over all.
        memory: share of the record that is kept from step to step.
        audit: share of stops at random, under the policy "audited".

    A pair of numbers is a uniform range, from which every simulation draws.

    Raises:
        DataError: for chances outside of 0 to 1, or more stops than people.
    """

    people: tuple[int, int] = (20_000, 80_000)
    poverty: tuple[float, float] = (0.25, 0.10)
    use: Range = (0.07, 0.09)
    use_of_poverty: Range = (0.08, 0.16)
    stays: Range = (0.62, 0.70)
    becomes: Range = (0.05, 0.07)
    arrest: Range = (0.8, 0.9)
    stops: float = 0.1
    memory: float = 0.9
    audit: float = 0.3

    def __post_init__(self) -> None:
        for name in ("poverty", "use", "use_of_poverty", "stays", "becomes", "arrest"):
            low, high = getattr(self, name)
            if not 0 <= min(low, high) <= max(low, high) <= 1:
                raise DataError(f"{name!r} holds chances from 0 to 1, but is {(low, high)}.")
        for name in ("stops", "memory", "audit"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name!r} is a share from 0 to 1, but is {getattr(self, name)}.")
        if min(self.people) < 1:
            raise DataError(f"Both groups need people, but have {self.people}.")


def loop(
    society: Society, policy: Policy, steps: int, *, own_arrests: bool = True, runs: int = 1
) -> dict[str, Tensor]:
    r"""The Pyro program: what happens in each step depends on the arrests of those before.

    .. math:: u_g = a + b\, p_g, \quad A_g \sim \mathrm{Binomial}(N_g, s_g u_g), \quad
              P'_g \sim \mathrm{Binomial}(N_g,\; c + (d - c)\, p_g + k A_g / N_g)

    with stops s that the policy spreads over the groups g by what is on record: arrests, or with
    `own_arrests=False` arrests per stop, which do not grow with the number of stops. The record
    begins with what stops at random find.

    Args:
        society: the numbers.
        policy: "uniform": everyone is as likely to be stopped; "in proportion": stops go to groups
            as the record has it; "profile": to the group with the larger record a person first;
            "audited": as in proportion, with a share at random.
        steps: of time, such as years.
        own_arrests: whether the record is arrests as such.
        runs: independent simulations.

    Returns:
        "poverty", "use", "stops" and "arrests": shares of each group, (steps, runs, groups).

    Raises:
        UnknownName: for another policy.
        DataError: for fewer than one step or run.
    """
    if policy not in POLICIES:
        raise UnknownName("policy", str(policy), list(POLICIES))
    if steps < 1 or runs < 1:
        raise DataError(f"Give at least one step and one run; got {steps} and {runs}.")
    people = torch.tensor(society.people, dtype=torch.float64)
    poverty = torch.tensor(society.poverty, dtype=torch.float64).expand(runs, 2)
    kept: dict[str, list[Tensor]] = {name: [] for name in ("poverty", "use", "stops", "arrests")}
    with pyro.plate("runs", runs, dim=-2):
        a, b, d, c, k = (
            _drawn(name, getattr(society, name))
            for name in ("use", "use_of_poverty", "stays", "becomes", "arrest")
        )
        with pyro.plate("groups", 2, dim=-1):
            for step in range(steps):
                use = a + b * poverty
                if not step:  # of a time when everyone was as likely to be stopped
                    record = (society.stops * use).expand(runs, 2)
                stops = _stops(society, policy, record, people)
                arrested = pyro.sample(f"arrests_{step}", dist.Binomial(people, use * stops))
                arrests = arrested / people
                for name, value in zip(kept, (poverty, use, stops, arrests), strict=True):
                    kept[name].append(value)
                chance = (c + (d - c) * poverty + k * arrests).clamp(0, 1)
                poverty = pyro.sample(f"poor_{step}", dist.Binomial(people, chance)) / people
                seen = arrests
                if not own_arrests:  # without stops the record has nothing new
                    rate = society.stops * arrests / stops.clamp(min=1e-12)
                    seen = torch.where(stops > 0, rate, record)
                record = society.memory * record + (1 - society.memory) * seen
    return {name: torch.stack(values) for name, values in kept.items()}


def simulated(
    society: Society, policy: Policy, steps: int, *, seed: int = 0, **options: Any
) -> dict[str, Tensor]:
    """A run of `loop` with a seed of its own; the caller's random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        pyro.set_rng_seed(seed)
        return loop(society, policy, steps, **options)


def expected(society: Society, policy: Policy, steps: int, **options: Any) -> dict[str, Tensor]:
    """The same without chance: every sample is its mean."""
    program: Callable[..., Any] = _Means()(loop)
    result: dict[str, Tensor] = program(society, policy, steps, **options)
    return result


class _Means(Messenger):
    def _pyro_sample(self, site: Any) -> None:
        if not poutine.util.site_is_subsample(site):
            site["value"], site["done"] = site["fn"].mean, True


def _drawn(name: str, ends: Range) -> Tensor:
    low, high = (torch.tensor(x, dtype=torch.float64) for x in ends)
    return low if low == high else pyro.sample(name, dist.Uniform(low, high))


def _stops(society: Society, policy: Policy, record: Tensor, people: Tensor) -> Tensor:
    """Stops a person in each group; all add up to the same number, as far as people last."""
    every = society.stops * people.sum()
    even = torch.full_like(record, society.stops)
    if policy == "uniform":
        return even
    weights = record * people
    share = weights / weights.sum(-1, keepdim=True)
    if policy == "profile":
        share = (record == record.amax(-1, keepdim=True)).to(record)
        share = share * people / (share * people).sum(-1, keepdim=True)
    wanted = every * share / people
    if policy == "audited":
        wanted = (1 - society.audit) * wanted + society.audit * even
    stopped = wanted.clamp(max=1.0)
    left = every - (stopped * people).sum(-1, keepdim=True)
    room = (1 - stopped) * people
    return stopped + (left * room / room.sum(-1, keepdim=True).clamp(min=1e-12)) / people
