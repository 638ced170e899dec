"""Random causal graphs with tables, and an oracle that shares no code with ours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.tables import Tables

UNSEEN = 3  # values of an unseen variable of the oracle


@dataclass
class Case:
    """A graph with tables, and two of its seen variables, the first before the second."""

    graph: Graph
    tables: Tables
    cause: str
    outcome: str

    def truth(self) -> np.ndarray:
        """P(outcome | do(cause)), by sums over all variables, unseen ones too."""
        values = range(self.graph.size(self.cause))
        return np.stack([self.tables.joint([self.outcome], {self.cause: x}) for x in values])

    def seen(self) -> np.ndarray:
        return self.tables.joint(self.graph.seen)


def random_tables(graph: Graph, random: np.random.Generator) -> Tables:
    def table(v: str) -> np.ndarray:
        sizes = tuple(graph.size(p) for p in graph.parents[v])
        return random.dirichlet(np.ones(graph.size(v)), size=sizes)

    return Tables(graph, {v: table(v) for v in graph.order})


def random_case(seed: int, least: int = 3, most: int = 5) -> Case:
    random = np.random.default_rng(seed)
    n = int(random.integers(least, most + 1))
    names = [f"V{i}" for i in range(n)]
    parents: dict[str, list[str]] = {
        v: [names[j] for j in range(i) if random.random() < 0.5] for i, v in enumerate(names)
    }
    hidden = []
    for j in range(int(random.integers(0, 4))):
        hidden.append(f"U{j}")
        effects = random.choice(n, min(n, 2 if random.random() < 0.75 else 3), replace=False)
        early = int(min(effects))
        from_seen = early > 0 and random.random() < 0.2
        parents[f"U{j}"] = [names[int(random.integers(0, early))]] if from_seen else []
        for i in effects:
            parents[names[i]].append(f"U{j}")
    graph = Graph(parents, unseen=hidden)
    i, j = sorted(random.choice(n, 2, replace=False))
    return Case(graph, random_tables(graph, random), names[i], names[j])


def identified_by_rank(case: Case, seed: int = 0) -> bool:
    """Whether the effect moves only where what is seen moves, at random tables.

    Its gradient in all tables' logits must lie in the span of the gradients of what is seen.
    """
    graph = case.graph
    sizes = {v: UNSEEN if v in graph.unseen else 2 for v in graph.order}
    shapes = {v: (*(sizes[p] for p in graph.parents[v]), sizes[v]) for v in graph.order}
    counts = {v: int(np.prod(shape)) for v, shape in shapes.items()}
    letters = {v: chr(97 + i) for i, v in enumerate(graph.order)}
    random = np.random.default_rng(seed)
    at = torch.tensor(random.normal(size=sum(counts.values())))

    def probabilities(flat: torch.Tensor, of: Any, do: dict[str, int]) -> torch.Tensor:
        parts = dict(zip(graph.order, flat.split(list(counts.values())), strict=True))
        terms, operands = [], []
        for v in graph.order:
            if v in do:
                terms.append(letters[v])
                operands.append(torch.eye(2, dtype=flat.dtype)[do[v]])
            else:
                terms.append("".join(letters[p] for p in (*graph.parents[v], v)))
                operands.append(parts[v].reshape(shapes[v]).softmax(-1))
        out = "".join(letters[v] for v in of)
        return torch.einsum(f"{','.join(terms)}->{out}", *operands).reshape(-1)

    jacobian = torch.autograd.functional.jacobian
    seen = jacobian(lambda flat: probabilities(flat, graph.seen, {}), at)
    effect = torch.stack(
        [
            jacobian(lambda flat, x=x: probabilities(flat, [case.outcome], {case.cause: x})[1], at)
            for x in (0, 1)
        ]
    )
    _, singular, rows = torch.linalg.svd(seen, full_matrices=False)
    span = rows[singular > 1e-9 * singular[0]]
    left = effect - effect @ span.T @ span
    return bool(left.norm() <= 1e-7 * max(float(effect.norm()), 1e-12))
