"""The threshold test: at which probability of contraband drivers of each group are searched."""

import csv
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.special import log_ndtr

COUNTS = Path(__file__).parents[4] / "shared" / "data" / "nc_threshold_counts.csv"
# Group thresholds with 95 % intervals, as published for these counts from another variant.
PUBLISHED = {
    "White": (0.230, 0.222, 0.238),
    "Black": (0.206, 0.197, 0.215),
    "Hispanic": (0.137, 0.130, 0.144),
}


def read_counts(path: Path) -> tuple[list[str], Tensor]:
    """Names of the groups; stops, searches and hits, shape (3, groups, departments)."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    groups = sorted({row["driver_race"] for row in rows})
    places = sorted({row["department"] for row in rows})
    counts = torch.zeros(3, len(groups), len(places))
    for row in rows:
        group, place = groups.index(row["driver_race"]), places.index(row["department"])
        for k, name in enumerate(("num_stops", "num_searches", "num_hits")):
            counts[k, group, place] = float(row[name])
    return groups, counts


def threshold_test(stops: Tensor, searches: Tensor, hits: Tensor) -> None:
    r"""Searches and hits of every group in every department.

    Officers see a signal, N(0, 1) without contraband and N(delta, 1) with it, and search above a
    threshold t. With the share phi of drivers who carry some,

        P(search) = phi P(Z > t - delta) + (1 - phi) P(Z > t)
        P(hit | search) = phi P(Z > t - delta) / P(search).

    The site "threshold" is the probability of contraband at the threshold, weighted over
    departments by their stops of all groups.

    Args:
        stops: counts, shape (groups, departments); so are `searches` and `hits`.

    Source: Pierson, Corbett-Davies and Goel, Fast threshold tests for detecting discrimination
        (2018); the question is that of Simoiu, Corbett-Davies and Goel (2017).
    """
    groups, departments = stops.shape
    spread = pyro.sample("spread", dist.HalfNormal(1.0))
    phi_centre = pyro.sample("phi_centre", dist.Normal(0.0, 1.0))
    delta_centre = pyro.sample("delta_centre", dist.Normal(0.0, 1.0))
    columns = pyro.plate("department", departments, dim=-1)
    rows = pyro.plate("group", groups, dim=-2)
    with rows:
        phi_group = pyro.sample("phi_group", dist.Normal(0.0, 1.0))
        delta_group = pyro.sample("delta_group", dist.Normal(0.0, 1.0))
        t_group = pyro.sample("t_group", dist.Normal(0.0, 1.0))
    with pyro.plate("other_department", departments - 1, dim=-1):  # the first one's are zero
        phi_others = pyro.sample("phi_place", dist.Normal(phi_centre, 0.1))
        delta_others = pyro.sample("delta_place", dist.Normal(delta_centre, 0.1))
    phi_place = F.pad(phi_others, (1, 0))
    delta_place = F.pad(delta_others, (1, 0))
    with rows, columns:
        t_place = pyro.sample("t_place", dist.Normal(0.0, 1.0))
        t = t_group + spread * t_place
        logit = phi_group + phi_place
        delta = (delta_group + delta_place).exp()
        carries, clean = F.logsigmoid(logit), F.logsigmoid(-logit)
        guilty, innocent = carries + log_ndtr(delta - t), clean + log_ndtr(-t)
        left = torch.logaddexp(carries + log_ndtr(t - delta), clean + log_ndtr(t))
        search = torch.logaddexp(guilty, innocent) - left
        pyro.sample("searches", dist.Binomial(stops, logits=search), obs=searches)
        pyro.sample("hits", dist.Binomial(searches, logits=guilty - innocent), obs=hits)
    weights: Any = stops.sum(0) / stops.sum()
    at = torch.sigmoid(logit + delta * t - delta.square() / 2)
    pyro.deterministic("threshold", (at * weights).sum(-1))
