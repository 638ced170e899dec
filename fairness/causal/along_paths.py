"""A difference between groups split along the arrows of a graph: an analysis (G14)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plausible.fairness.causal.effects import Effects, effects
from plausible.fairness.causal.fitting import fitted
from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.graph_picture import graph_picture
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import index_of, needs
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, worded
from plausible.fairness.reporting.registry import analysis
from plausible.inference.errors import DataError

__all__ = ["along_paths"]

_PARTS = ("total", "direct", "indirect", "reverse")
_DRAWS = 20_000


@analysis("along-paths", answers="causes", needs=("trials", "events", "strata", "graph"), groups=2)
def along_paths(
    counts: Counts,
    first: str,
    second: str,
    *,
    prior: float = 1.0,
    seed: int = 0,
) -> Analysis:
    """Split the difference of two groups by a graph: group → stratum → event, and group → event.

    The direct effect is what would differ if the second group came to the strata as the first does;
    the indirect one, what differs by the strata alone.

    Args:
        counts: with trials and events, by stratum.
        first: the group from which.
        second: the group to which; effects are the second less the first.
        prior: of every value, as Dirichlet(prior).
        seed: of the draws.

    Returns:
        The analysis; it holds if the graph does.

    Raises:
        UnknownName: for a measure or group that is not there.
        DataError: without strata, or if both groups are the same.

    Source: Pearl, Direct and indirect effects (2001).
    """
    needs(counts, "trials", "events")
    if counts.by is None:
        raise DataError("Effects along paths need strata: give counts with a column `by`.")
    for name in (first, second):
        index_of(counts.group, name, counts.groups)
    if first == second:
        raise DataError(f"Both groups are {first!r}: name two.")
    kind, by, event = counts.group, counts.by, counts.label_of("events")
    names = (kind, by, event)
    if len(set(names)) < 3:
        raise DataError(f"The three variables need names of their own, but are {names}.")
    graph = Graph(
        {kind: (), by: (kind,), event: (kind, by)},
        {kind: (first, second), by: counts.strata, event: ("no", "yes")},
    )
    tables = fitted(graph, _cells(counts, names, (first, second)), prior=prior, draws=_DRAWS,
                    seed=seed)  # fmt: skip
    parts = effects(tables, kind, event, (first, second))
    estimates = {name: _part(name, parts, (first, second), event) for name in _PARTS}
    values = {"first": first, "second": second, "by": by, "event": event, "kind": kind}
    findings = [
        worded("along_paths.total", estimates["total"], **values),
        worded("along_paths.direct", estimates["direct"], **values),
        worded("along_paths.indirect", estimates["indirect"], **values),
        worded("along_paths.sum", estimates["reverse"], direct=estimates["direct"], **values),
    ]
    caption = (
        f"The graph that is assumed: {kind} acts on {by} and on {event}, {by} on {event}. Nothing "
        "unseen acts on two of them."
    )
    return Analysis(
        **framed("along_paths", counts, **values),
        findings=findings,
        estimates=list(estimates.values()),
        assumptions=assumed(
            "along_paths", prior=prior, arrows="; ".join(w[:-1] for w in graph.in_words()), **values
        ),
        counts=counts,
        draw=lambda: [graph_picture("along-paths", graph, caption)],
        details={"first": first, "second": second},
    )


def _cells(counts: Counts, names: tuple[str, str, str], pair: Sequence[str]) -> pd.DataFrame:
    """How many of each group had the event and how many not, in each stratum."""
    n, k = counts.cells("trials"), counts.cells("events")
    rows = []
    for group in pair:
        g = counts.groups.index(group)
        for s, stratum in enumerate(counts.strata):
            rows.append((group, stratum, "yes", k[s, g]))
            rows.append((group, stratum, "no", n[s, g] - k[s, g]))
    return pd.DataFrame(np.array(rows, dtype=object), columns=[*names, "count"])


def _part(name: str, parts: Effects, pair: tuple[str, str], event: str) -> Estimate:
    return estimate(
        f"{name}_effect",
        getattr(parts, name),
        "difference",
        group=pair[1],
        reference=pair[0],
        words=f"{name} effect on {event}",
    )
