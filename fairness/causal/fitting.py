"""The tables of a graph from counts: a posterior for every row, exactly."""

from typing import Any

import numpy as np
import pandas as pd

from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.tables import Tables
from plausible.inference.errors import DataError, UnknownName

__all__ = ["fitted"]


def fitted(
    graph: Graph, cells: pd.DataFrame, *, prior: float = 1.0, draws: int = 4000, seed: int = 0
) -> Tables:
    r"""The posterior of the tables of a graph whose variables are all seen.

    .. math:: P(v \mid \mathrm{parents} = p) \sim
              \mathrm{Dirichlet}(a + n_{p, 1}, \dots, a + n_{p, k})

    independently for every variable v and every combination p of its parents' values.

    Args:
        graph: with the values of its variables.
        cells: one row for every combination that was counted: a column for each variable, and
            "count", whole numbers from 0 up.
        prior: a, of every value.
        draws: of the posterior.
        seed: of the draws.

    Raises:
        UnknownName: for a column that is missing, or a value that the graph does not have.
        DataError: if a variable is unseen, counts are not whole, or the prior is not above 0.

    Source: Heckerman, A tutorial on learning with Bayesian networks (1995), section 4.
    """
    if hidden := [v for v in graph.order if v not in graph.seen]:
        raise DataError(f"{hidden[0]!r} is unseen, so that counts do not determine its tables.")
    if not prior > 0:
        raise DataError(f"The prior is a number above 0; got {prior}.")
    for name in (*graph.order, "count"):
        if name not in cells:
            raise UnknownName("column", name, [str(c) for c in cells.columns])
    counts = pd.to_numeric(cells["count"], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts % 1 != 0).any():
        raise DataError("Counts are whole numbers from 0 up; the column 'count' has others.")
    at = {v: [graph.index(v, value) for value in cells[v]] for v in graph.order}
    random, tables = np.random.default_rng(seed), dict[str, Any]()
    for v in graph.order:
        names = (*graph.parents[v], v)
        total = np.zeros([graph.size(name) for name in names])
        np.add.at(total, tuple(at[name] for name in names), counts)
        gamma = random.standard_gamma(np.broadcast_to(prior + total, (draws, *total.shape)))
        tables[v] = gamma / gamma.sum(-1, keepdims=True)
    return Tables(graph, tables)
