"""Causal graphs of variables with few values: who is a parent of whom, and what no table holds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx

from plausible.inference.errors import DataError, UnknownName

__all__ = ["Graph", "Projection"]

_ARROWS = re.compile(r"(<->|↔|->|→|<-|←)")
_YES_OR_NO = (0, 1)


@dataclass(frozen=True)
class Projection:
    """What an unseen variable leaves behind among the seen ones.

    Attributes:
        order: the seen variables, causes before effects.
        directed: arrows, those that lead through unseen variables included.
        confounded: pairs with an unseen common cause.
    """

    order: tuple[str, ...]
    directed: frozenset[tuple[str, str]]
    confounded: frozenset[frozenset[str]]


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed graph without loops: an arrow says that one variable acts on another.

    Attributes:
        parents: for every variable those that act on it.
        values: what a variable can be, by its name; 0 and 1 where nothing else is given.
        unseen: variables that no table holds.

    Raises:
        DataError: for a loop, or a variable without values.
        UnknownName: for parents, values or unseen variables that are not in the graph.

    Source: Pearl, Causality (2009), chapter 1.
    """

    parents: Mapping[str, Sequence[str]]
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    unseen: Iterable[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", {v: tuple(ps) for v, ps in self.parents.items()})
        object.__setattr__(self, "values", {v: tuple(k) for v, k in self.values.items()})
        object.__setattr__(self, "unseen", frozenset(self.unseen))
        for name in (*self.values, *self.unseen, *(p for ps in self.parents.values() for p in ps)):
            self.check(name)
        for name, values in self.values.items():
            if not values or len(set(values)) < len(values):
                raise DataError(f"{name!r} needs different values, but has {list(values)}.")
        if not nx.is_directed_acyclic_graph(self.network):
            loop = [cause for cause, _ in nx.find_cycle(self.network)]
            raise DataError(
                f"{' → '.join([*loop, loop[0]])} is a loop, and nothing acts on itself at the same "
                f"time. Leave out the arrow {loop[-1]} → {loop[0]}, and repeat the graph in time: "
                f".unrolled(3, carry={{{loop[-1]!r}: [{loop[0]!r}]}})."
            )

    @classmethod
    def of(
        cls, text: str, *, unseen: Iterable[str] = (), values: Mapping[str, Sequence[Any]] = {}
    ) -> "Graph":
        """A graph from arrows, such as "race -> poverty -> use; race -> use".

        Args:
            text: chains of names with "->" (or "<-") between them; semicolons or new lines end a
                chain. "a <-> b" stands for an unseen common cause.
            unseen: variables that no table holds.
            values: of the variables, where they are others than 0 and 1.

        Raises:
            DataError: for text without a name, or with a name missing next to an arrow.
        """
        parents: dict[str, list[str]] = {}
        hidden = list(unseen)
        for chain in re.split(r"[;\n]", text):
            if not chain.strip():
                continue
            parts = [part.strip() for part in _ARROWS.split(chain)]
            if not all(parts):
                raise DataError(f"A name is missing in {chain.strip()!r}: write a -> b -> c.")
            for name in parts[::2]:
                parents.setdefault(name, [])
            for one, arrow, other in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
                if arrow in ("<->", "↔"):
                    common = f"cause of {one} and {other}"
                    hidden.append(common)
                    parents[common] = []
                    pairs = [(common, one), (common, other)]
                else:
                    pairs = [(one, other) if arrow in ("->", "→") else (other, one)]
                for cause, effect in pairs:
                    if cause not in parents[effect]:
                        parents[effect].append(cause)
        if not parents:
            raise DataError(f"There is no variable in {text!r}: write a -> b.")
        return cls(parents, values, hidden)

    def check(self, *names: str) -> None:
        """Raise unless these are variables of the graph."""
        for name in names:
            if name not in self.parents:
                raise UnknownName("variable", name, list(self.parents))

    @cached_property
    def network(self) -> Any:
        """The same as a graph of networkx."""
        network = nx.DiGraph()
        network.add_nodes_from(self.parents)
        network.add_edges_from((p, v) for v, ps in self.parents.items() for p in ps)
        return network

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The variables, causes before effects, else as they were given."""
        position = list(self.parents).index
        return tuple(nx.lexicographical_topological_sort(self.network, key=position))

    @property
    def seen(self) -> tuple[str, ...]:
        """The variables that a table holds, in this order."""
        return tuple(v for v in self.order if v not in frozenset(self.unseen))

    def values_of(self, name: str) -> tuple[Any, ...]:
        """What a variable can be."""
        self.check(name)
        return tuple(self.values.get(name, _YES_OR_NO))

    def size(self, name: str) -> int:
        """Of how many values a variable is one."""
        return len(self.values_of(name))

    def index(self, name: str, value: Any) -> int:
        """The position of a value.

        Raises:
            UnknownName: if the variable cannot be that.
        """
        values = self.values_of(name)
        if value not in values:
            raise UnknownName(f"value of {name}", str(value), [str(v) for v in values])
        return values.index(value)

    def separated(self, one: str, other: str, given: Iterable[str] = ()) -> bool:
        """Whether two variables are independent given others in every table of the graph.

        Source: Pearl, Causality (2009), section 1.2.3 (d-separation).
        """
        known = set(given)
        self.check(one, other, *known)
        return bool(nx.is_d_separator(self.network, {one}, {other}, known - {one, other}))

    def descendants(self, name: str) -> frozenset[str]:
        """What a variable acts on, directly or through others."""
        self.check(name)
        return frozenset(nx.descendants(self.network, name))

    def projected(self) -> Projection:
        """The graph among the seen variables, with unseen common causes as pairs.

        Source: Tian and Pearl, A general identification condition for causal effects (2002),
        section 5.
        """
        reached = {v: self._reached(v) for v in self.order}
        directed = {(v, w) for v in self.seen for w in reached[v]}
        confounded = {
            frozenset((a, b))
            for u in frozenset(self.unseen)
            for a in reached[u]
            for b in reached[u]
            if a != b
        }
        return Projection(self.seen, frozenset(directed), frozenset(confounded))

    def unrolled(
        self, steps: int, carry: Mapping[str, Sequence[str]], fixed: Iterable[str] = ()
    ) -> "Graph":
        """The graph once for every step of time, with arrows from each step to the next.

        Args:
            steps: of time, from 1 on; "poverty" becomes "poverty 1", "poverty 2", ...
            carry: on which variables of the next step a variable acts.
            fixed: variables that stay as they are, such as a birth year; there is one of each.

        Raises:
            DataError: for fewer than one step, or a fixed variable that others act on.
        """
        if steps < 1:
            raise DataError(f"Time has at least one step; got {steps}.")
        still = frozenset(fixed)
        self.check(*still, *carry, *(w for ws in carry.values() for w in ws))
        for v in still:
            if acting := [p for p in self.parents[v] if p not in still]:
                raise DataError(f"{v!r} cannot be fixed while {acting[0]!r} acts on it.")

        def at(v: str, step: int) -> str:
            return v if v in still else f"{v} {step}"

        parents: dict[str, list[str]] = {}
        for step in range(1, steps + 1):
            for v in self.order:
                own = [at(p, step) for p in self.parents[v]]
                if step > 1 and v not in still:
                    own += [at(p, step - 1) for p, effects in carry.items() if v in effects]
                parents[at(v, step)] = list(dict.fromkeys(own))
        every = [(v, step) for v in self.order for step in range(1, steps + 1)]
        values = {at(v, step): self.values[v] for v, step in every if v in self.values}
        hidden = {at(v, step) for v, step in every if v in frozenset(self.unseen)}
        return Graph(parents, values, hidden)

    def in_words(self) -> list[str]:
        """The arrows as sentences, for those who cannot see a picture."""
        sentences = []
        for v in self.order:
            if effects := [w for w in self.order if v in self.parents[w]]:
                note = ", which no table holds," if v in frozenset(self.unseen) else ""
                *most, last = effects
                several = f"{', '.join(most)} and {last}" if most else last
                sentences.append(f"{v}{note} acts on {several}.")
        return sentences

    def _reached(self, name: str) -> list[str]:
        """Seen variables that one acts on through unseen ones only, or directly."""
        hidden = frozenset(self.unseen)
        reached, ahead = [], list(self.network.successors(name))
        while ahead:
            v = ahead.pop()
            if v in hidden:
                ahead += self.network.successors(v)
            elif v not in reached:
                reached.append(v)
        return reached
