"""Times peers that alternate in one run, and compares each with one of them within every round."""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = [
    "FIT",
    "Case",
    "Peer",
    "Result",
    "Target",
    "figure",
    "limit_cores",
    "measure",
    "quartiles",
    "stopwatch",
    "table",
    "targets",
]

FIT = "plausible fit"


class Peer:
    """One way to train the same model.

    Attributes:
        compile_seconds: time that compiling took; None where nothing is compiled.
        setup_seconds: time of the last `run` before its first step; None where there is none.
        note: what the table has to add about the last `run`.
    """

    compile_seconds: float | None = None
    setup_seconds: float | None = None
    note: str = ""

    def run(self, steps: int) -> float:
        """Do a number of steps, from where the last run ended; returns the seconds of the loop."""
        raise NotImplementedError


@dataclass(frozen=True)
class Target:
    """How many times as fast as a peer `fit` is to be.

    Attributes:
        least: the ratio asked for.
        peers: whom it is compared with: the fastest of them, by its median.
    """

    least: float
    peers: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A model with the peers that train it.

    Attributes:
        title: what it is.
        unit: all peers do a multiple of this number of steps, an epoch where there are minibatches.
        peers: builds each peer, by name; one of them is `FIT`. A peer that is not installed raises
            `ModuleNotFoundError`.
        targets: what `fit` is to reach.
    """

    title: str
    unit: int
    peers: dict[str, Callable[[], Peer]]
    targets: tuple[Target, ...]


@dataclass
class Result:
    """Measurements of one case, by peer; lists have one number for each round."""

    case: Case
    steps: dict[str, int] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    setup: dict[str, list[float]] = field(default_factory=dict)
    compile_seconds: dict[str, float | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def ratios(self, peer: str) -> list[float]:
        """How many times as fast as this peer `fit` was, in every round."""
        pairs = zip(self.milliseconds[peer], self.milliseconds[FIT], strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def fastest(self, peers: Sequence[str]) -> str | None:
        """Which of these peers has the smallest median time; None where none was measured."""
        measured = [peer for peer in peers if peer in self.milliseconds]
        medians = {peer: statistics.median(self.milliseconds[peer]) for peer in measured}
        return min(medians, key=medians.__getitem__) if medians else None


def limit_cores(count: int) -> int:
    """Keep this process and all its threads on `count` cores; returns how many it may now use.

    Call it before torch or JAX is imported: XLA makes a thread for each core that it may use, and
    has no option for their number that holds in every version. Without an affinity call, as on
    macOS, XLA uses all cores.
    """
    os.environ["OMP_NUM_THREADS"] = str(count)
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:count])
    return min(count, len(cores))


def measure(case: Case, rounds: int, seconds: float, say: Callable[[str], None]) -> Result:
    """Alternate the peers for some rounds, in an order that rotates.

    Args:
        case: what to measure.
        rounds: number of rounds, at least 2.
        seconds: how long one peer runs in one round, about; it fixes each peer's number of steps.
        say: told what is going on.

    Returns:
        The measurements; peers that are not installed are missing, with the reason.
    """
    result, peers = Result(case), {}
    for name, build in case.peers.items():
        try:
            peers[name] = build()
        except ModuleNotFoundError as error:
            result.skipped[name] = f"{error.name} is not installed"
            say(f"{name} is left out: {result.skipped[name]}.")
            continue
        result.steps[name] = _calibrated(peers[name], case.unit, seconds)
        peers[name].run(result.steps[name])
        result.milliseconds[name], result.setup[name] = [], []
        say(f"{name}: {result.steps[name]:,} steps a round.")
    names = list(peers)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            taken = peers[name].run(result.steps[name])
            result.milliseconds[name].append(1000 * taken / result.steps[name])
            before = peers[name].setup_seconds
            if before is not None:
                result.setup[name].append(before)
        say(f"round {number + 1} of {rounds} is done.")
    result.compile_seconds = {name: peer.compile_seconds for name, peer in peers.items()}
    result.notes = {name: peer.note for name, peer in peers.items() if peer.note}
    return result


def _calibrated(peer: Peer, unit: int, seconds: float) -> int:
    """The number of steps, a multiple of `unit`, that takes about so long."""
    peer.run(unit)
    units = 1
    for share in (0.1, 0.3, 1.0):
        taken = max(peer.run(units * unit), 1e-6)
        units = max(1, round(units * share * seconds / taken))
    return units * unit


def table(result: Result) -> str:
    """The case's measurements as a Markdown table."""
    rows = [
        f"### {result.case.title}",
        "",
        f"| peer | steps a round | ms per step | {FIT} against it | compile, s | set-up, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in result.milliseconds.items():
        compiled, setup = result.compile_seconds[name], result.setup[name]
        cells = [
            name,
            f"{result.steps[name]:,}",
            quartiles(values),
            "" if name == FIT else f"{quartiles(result.ratios(name))} x",
            "" if compiled is None else figure(compiled),
            figure(statistics.median(setup)) if setup else "",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    rows += [f"| {name} | left out: {why} | | | | |" for name, why in result.skipped.items()]
    rows += [f"\n{name}: {note}" for name, note in result.notes.items()]
    return "\n".join(rows)


def targets(results: Sequence[Result]) -> str:
    """What was to be reached and what was, as a Markdown table."""
    rows = ["| target | reached: median (quartiles) | met? |", "|---|---|---|"]
    for result in results:
        name = result.case.title.partition(":")[0]
        for target in result.case.targets:
            peer = result.fastest(target.peers)
            if peer is None:
                asked = f"{name}: >= {target.least:g} x {' or '.join(target.peers)}"
                rows.append(f"| {asked} | not measured | |")
                continue
            ratios = result.ratios(peer)
            met = "yes" if statistics.median(ratios) >= target.least else "no"
            asked = f"{name}: >= {target.least:g} x {peer}"
            rows.append(f"| {asked} | {quartiles(ratios)} x | {met} |")
    return "\n".join(rows)


def stopwatch() -> Callable[[], float]:
    """A clock that tells the seconds since it was made."""
    began = time.perf_counter()
    return lambda: time.perf_counter() - began


def figure(value: float) -> str:
    """A positive number with three significant digits, and never an exponent."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(digits, 6)}f}"


def quartiles(values: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{figure(middle)} ({figure(low)}-{figure(high)})"
