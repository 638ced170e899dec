"""Whether seen data tell what an intervention does, by which formula, and if not, why not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from plausible.fairness.causal.formulas import Formula, Product, Ratio, Seen, Sum, summed, value
from plausible.fairness.causal.graph import Graph, Projection
from plausible.inference.errors import DataError

__all__ = [
    "Hedge",
    "Identification",
    "ancestors",
    "district_factor",
    "districts",
    "identify",
    "narrowed",
]

Array = NDArray[np.float64]
Way = Literal["no effect", "back door", "front door", "general", "not identified"]
_MOST_MEDIATORS = 4  # of a front door


class Hedge(Exception):
    """Why an effect is not identified: two sets, one in the other, that share unseen causes."""

    def __init__(self, inner: frozenset[str], outer: frozenset[str]) -> None:
        super().__init__(inner, outer)
        self.inner, self.outer = inner, outer


@dataclass(frozen=True)
class Identification:
    """What seen data tell of P(outcome | do(cause)).

    Attributes:
        graph: of which it holds.
        cause: what is set from outside.
        outcome: what is asked for.
        way: how it is identified, or that it is not.
        by: the variables that are adjusted for (back door), or that carry the effect (front door).
        formula: in the distribution of the seen variables; None where it is not identified.
        hedge: the two sets that stand in the way; None where it is identified.
    """

    graph: Graph
    cause: str
    outcome: str
    way: Way
    by: tuple[str, ...] = ()
    formula: Formula | None = None
    hedge: tuple[frozenset[str], frozenset[str]] | None = None

    @property
    def identified(self) -> bool:
        """Whether there is a formula."""
        return self.formula is not None

    @property
    def why(self) -> str:
        """The reason as a sentence."""
        x, y = self.cause, self.outcome
        if self.way == "no effect":
            return f"No arrow leads from {x} to {y}: setting {x} does nothing to it."
        if self.way == "back door":
            if not self.by:
                return f"Nothing acts on both {x} and {y}: what is seen is what setting {x} does."
            return (
                f"Every way from {x} to {y} that begins with an arrow into {x} is blocked by "
                f"{_listed(self.by)} (the back-door criterion)."
            )
        if self.way == "front door":
            return (
                f"All that {x} does to {y} goes through {_listed(self.by)}, and no unseen cause of "
                f"{x} acts on it (the front-door criterion)."
            )
        if self.way == "general":
            return f"The graph determines the effect of {x} on {y}, though by no simple adjustment."
        assert self.hedge is not None
        inner, outer = self.hedge
        alone = f", and so do {_listed(inner)} alone" if len(inner) > 1 else ""
        return (
            f"{_listed(outer)} share unseen causes{alone}: what {x} does to {y} cannot be told "
            "from what those causes do (a hedge)."
        )

    def effect(self, joint: Array) -> Array:
        """P(outcome | do(cause)) for every value of the cause.

        Args:
            joint: the distribution of the seen variables, shape (..., size of each in the order of
                `graph.seen`); leading axes are draws.

        Returns:
            An array of shape (..., values of the cause, values of the outcome).

        Raises:
            DataError: if the effect is not identified, or a combination that the formula needs
                never occurs.
        """
        if self.formula is None:
            raise DataError(f"The effect is not identified. {self.why}")
        names = self.graph.seen
        sizes = tuple(self.graph.size(v) for v in names)
        seen = np.asarray(joint, dtype=np.float64)
        if seen.ndim < len(sizes) or seen.shape[seen.ndim - len(sizes) :] != sizes:
            raise DataError(
                f"The distribution of {', '.join(names)} needs the shape (..., "
                f"{', '.join(map(str, sizes))}), but has {seen.shape}."
            )
        every = value(self.formula, seen, names)
        if not np.isfinite(every).all():
            raise DataError(
                f"The formula {self.formula} divides by a probability of 0: a combination of "
                "values that it needs never occurs. Join values, or leave those out."
            )
        return self._of_cause_and_outcome(every, seen)

    def _of_cause_and_outcome(self, every: Array, seen: Array) -> Array:
        """The mean over other variables, on which only tables that break the graph depend."""
        names = self.graph.seen
        x, y = (names.index(v) - len(names) for v in (self.cause, self.outcome))
        wide = list(np.broadcast_shapes(every.shape, (1,) * seen.ndim))
        wide[x], wide[y] = seen.shape[x], seen.shape[y]
        full = np.broadcast_to(every, wide)
        others = tuple(i for i in range(-len(names), 0) if i not in (x, y))
        table: Array = full.mean(others)
        return np.asarray(np.swapaxes(table, -1, -2) if x > y else table)


def identify(graph: Graph, cause: str, outcome: str) -> Identification:
    r"""Whether, and by which formula, seen data give the effect of a cause on an outcome.

    The formula is in the distribution P of the seen variables:

    .. math:: P(y \mid \mathrm{do}(x)) = \sum_z P(z)\, P(y \mid x, z)

    where z blocks all back doors, another one where mediators carry the effect (front door), and
    what Tian's algorithm gives elsewhere. That is complete: where it finds none there is none.

    Args:
        graph: who acts on whom, and what is unseen.
        cause: the variable that is set from outside.
        outcome: the variable that is asked for.

    Raises:
        UnknownName: for a variable that is not in the graph.
        DataError: if one of the two is unseen, or they are the same.

    Source: Tian and Pearl, A general identification condition for causal effects (2002); Shpitser
    and Pearl, Identification of joint interventional distributions (2006); Pearl, Causality (2009),
    sections 3.3.1 and 3.3.2.
    """
    graph.check(cause, outcome)
    if cause == outcome:
        raise DataError(f"The cause and the outcome are both {cause!r}: name two variables.")
    for name in (cause, outcome):
        if name not in graph.seen:
            raise DataError(f"{name!r} is unseen: an effect is one of a seen variable on another.")
    if outcome not in graph.descendants(cause):
        return Identification(graph, cause, outcome, "no effect", (), Seen(frozenset({outcome})))
    adjusted = _back_door(graph, cause, outcome)
    if adjusted is not None:
        formula = _adjusted(cause, outcome, adjusted)
        return Identification(graph, cause, outcome, "back door", adjusted, formula)
    projection = graph.projected()
    try:
        formula = _general(projection, cause, outcome)
    except Hedge as hedge:
        sets = (hedge.inner, hedge.outer)
        return Identification(graph, cause, outcome, "not identified", hedge=sets)
    mediators = _front_door(graph, cause, outcome)
    if mediators is None:
        return Identification(graph, cause, outcome, "general", (), formula)
    return Identification(graph, cause, outcome, "front door", mediators, formula)


def districts(nodes: Iterable[str], projection: Projection) -> list[frozenset[str]]:
    """The sets of variables that unseen common causes tie together, among these."""
    inside = frozenset(nodes)
    ties = nx.Graph()
    ties.add_nodes_from(v for v in projection.order if v in inside)
    ties.add_edges_from(tuple(pair) for pair in projection.confounded if pair <= inside)
    return [frozenset(part) for part in nx.connected_components(ties)]


def ancestors(of: Iterable[str], nodes: Iterable[str], projection: Projection) -> frozenset[str]:
    """These and all that acts on them through arrows among the nodes."""
    inside, reached = frozenset(nodes), frozenset(of)
    while True:
        more = {a for a, b in projection.directed if b in reached and a in inside} - reached
        if not more:
            return reached
        reached |= more


def district_factor(
    district: frozenset[str], nodes: frozenset[str], formula: Formula, order: Sequence[str]
) -> Formula:
    """Q of a district from that of the set of which it is one (Tian and Pearl 2002, lemma 4)."""
    inside = [v for v in order if v in nodes]
    parts: list[Formula] = []
    for i, v in enumerate(inside):
        if v in district:
            top = summed(formula, inside[i + 1 :])
            parts.append(top if i == 0 else Ratio(top, summed(formula, inside[i:])))
    return parts[0] if len(parts) == 1 else Product(tuple(parts))


def _general(projection: Projection, cause: str, outcome: str) -> Formula:
    every = frozenset(projection.order)
    kept = ancestors({outcome}, every, projection)
    formula = summed(Seen(every), every - kept)
    order = [v for v in projection.order if v in kept]
    needed = ancestors({outcome}, kept - {cause}, projection)
    outer = districts(kept, projection)
    parts = []
    for district in districts(needed, projection):
        around = next(whole for whole in outer if district <= whole)
        start = district_factor(around, kept, formula, order)
        parts.append(narrowed(district, around, start, projection, order))
    whole = parts[0] if len(parts) == 1 else Product(tuple(parts))
    return summed(whole, needed - {outcome})


def narrowed(
    district: frozenset[str],
    around: frozenset[str],
    formula: Formula,
    projection: Projection,
    order: Sequence[str],
) -> Formula:
    """Q of a district from Q of a larger set that unseen causes tie together."""
    kept = ancestors(district, around, projection)
    if kept == district:
        return summed(formula, around - district)
    if kept == around:
        raise Hedge(district, around)
    smaller = summed(formula, around - kept)
    inner = next(part for part in districts(kept, projection) if district <= part)
    factor = district_factor(inner, kept, smaller, order)
    return narrowed(district, inner, factor, projection, order)


def _adjusted(cause: str, outcome: str, given: Sequence[str]) -> Formula:
    z = frozenset(given)
    conditional = Ratio(Seen(z | {cause, outcome}), Seen(z | {cause}))
    return Sum(z, Product((Seen(z), conditional))) if z else conditional


def _back_door(graph: Graph, cause: str, outcome: str) -> tuple[str, ...] | None:
    """Seen variables that block all back doors, none of them in vain; None without any."""
    network = graph.network.copy()
    network.remove_edges_from(list(network.out_edges(cause)))
    may = set(graph.seen) - graph.descendants(cause) - {cause, outcome}
    blocking: Any = nx.find_minimal_d_separator(network, {cause}, {outcome}, restricted=may)
    return None if blocking is None else tuple(v for v in graph.order if v in blocking)


def _front_door(graph: Graph, cause: str, outcome: str) -> tuple[str, ...] | None:
    """A smallest set of seen mediators that carries the whole effect; None without one."""
    upstream = nx.ancestors(graph.network, outcome)
    between = [v for v in graph.seen if v in graph.descendants(cause) and v in upstream]
    without_cause = graph.network.copy()
    without_cause.remove_edges_from(list(graph.network.out_edges(cause)))
    for count in range(1, min(len(between), _MOST_MEDIATORS) + 1):
        for chosen in combinations(between, count):
            left = graph.network.copy()
            left.remove_nodes_from(chosen)
            if nx.has_path(left, cause, outcome):
                continue
            if not nx.is_d_separator(without_cause, {cause}, set(chosen), set()):
                continue
            cut = graph.network.copy()
            cut.remove_edges_from([edge for v in chosen for edge in cut.out_edges(v)])
            if nx.is_d_separator(cut, set(chosen), {outcome}, {cause}):
                return chosen
    return None


def _listed(names: Iterable[str]) -> str:
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}" if most else last
