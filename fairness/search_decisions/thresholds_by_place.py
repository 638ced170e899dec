"""The threshold test: at what probability of a hit people of each group are searched (Pyro)."""

from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.special import log_ndtr

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import needs
from plausible.inference.errors import DataError

__all__ = ["threshold_program", "threshold_test"]


def threshold_program(
    stops: Tensor,
    searches: Tensor,
    hits: Tensor,
    *,
    group_scale: float = 0.1,
    place_scale: float = 0.1,
    pinned: bool = False,
) -> None:
    r"""Officers search whoever is likelier than a threshold to have something, group by group.

    What they see of a person is one number x, distributed as N(0, 1) for those without and as
    N(δ, 1) for those with contraband, who are a share φ of the people who are stopped:

    .. math:: x \sim \phi\, N(\delta, 1) + (1 - \phi)\, N(0, 1), \quad
              \text{search} \iff x > t

    .. math:: \mathrm{logit}\,\phi_{gd} = \mu + a_g + b_d, \quad
              \log \delta_{gd} = \nu + c_g + e_d, \quad t_{gd} \sim N(t_g, \sigma)

    with a probability of contraband at the threshold of
    :math:`\mathrm{logit}\, p = \mathrm{logit}\,\phi + \delta t - \delta^2 / 2`.

    Args:
        stops: of every group and place, shape (groups, places).
        searches: the same.
        hits: the same.
        group_scale: standard deviation of a and c.
        place_scale: of b and e.
        pinned: whether b and e are 0 in the first place, as in the published analysis.

    Sites: "threshold", the probability at which each group is searched, averaged over places as
    all stops are spread; "threshold_own", as the group's own stops are.

    Source: Simoiu, Corbett-Davies and Goel, The problem of infra-marginality in outcome tests for
    discrimination (2017); in the form of Pierson, Corbett-Davies and Goel, Fast threshold tests for
    detecting discrimination (2018).
    """
    groups, places = stops.shape
    spread = pyro.sample("spread", dist.HalfNormal(1.0))
    mu = pyro.sample("mu_share", dist.Normal(0.0, 1.0))
    nu = pyro.sample("mu_signal", dist.Normal(0.0, 1.0))
    of_group = pyro.plate("group", groups, dim=-2)
    of_place = pyro.plate("place", places, dim=-1)
    free = places - pinned
    with of_group:
        a = pyro.sample("share_of_group", dist.Normal(0.0, 1.0))
        c = pyro.sample("signal_of_group", dist.Normal(0.0, 1.0))
        center = pyro.sample("threshold_of_group", dist.Normal(0.0, 1.0))
    with pyro.plate("free_place", free, dim=-1):
        b = pyro.sample("share_of_place", dist.Normal(0.0, 1.0))
        e = pyro.sample("signal_of_place", dist.Normal(0.0, 1.0))
    if pinned:
        b, e = F.pad(b, (1, 0)), F.pad(e, (1, 0))
    with of_group, of_place:
        t = center + spread * pyro.sample("offset", dist.Normal(0.0, 1.0))
        logit = mu + group_scale * a + place_scale * b
        signal = (nu + group_scale * c + place_scale * e).exp()
        yes, no = F.logsigmoid(logit), F.logsigmoid(-logit)
        guilty, innocent = yes + log_ndtr(signal - t), no + log_ndtr(-t)
        passed = torch.logaddexp(yes + log_ndtr(t - signal), no + log_ndtr(t))
        chance = torch.logaddexp(guilty, innocent) - passed
        pyro.sample("searches", dist.Binomial(stops, logits=chance), obs=searches)
        pyro.sample("hits", dist.Binomial(searches, logits=guilty - innocent), obs=hits)
    at = torch.sigmoid(logit + signal * t - signal.square() / 2)
    weights = stops.sum(0) / stops.sum()
    pyro.deterministic("threshold", (at * weights).sum(-1))
    pyro.deterministic("threshold_own", (at * stops).sum(-1) / stops.sum(-1))


def threshold_test(
    counts: Counts,
    *,
    group_scale: float = 0.1,
    place_scale: float = 0.1,
    pinned: bool = False,
    chains: int = 4,
    draws: int = 1000,
    tune: int = 800,
    seed: int = 0,
    progress: bool = False,
) -> Any:
    """The posterior of `threshold_program` by NUTS, as ArviZ data.

    Args:
        counts: stops as trials, searches as events, hits, by place.
        group_scale: see `threshold_program`.
        place_scale: see `threshold_program`.
        pinned: see `threshold_program`; the first place is the one with the most stops.
        chains: of NUTS.
        draws: kept of each chain, at least.
        tune: draws for adaptation before those.
        seed: of everything.
        progress: whether to show a bar.

    Returns:
        Its posterior has "threshold" and "threshold_own" by group.

    Raises:
        UnknownName: for a measure that is not there.
        DataError: without places, with fewer than three groups (the counts then leave the
            thresholds to the prior), or a group without stops somewhere.
    """
    from plausible.inference.posterior.sampling import sample_posterior

    needs(counts, "trials", "events", "hits")
    if counts.by is None:
        raise DataError("The threshold test needs places: give counts with a column `by`.")
    n, k, h = (counts.cells(measure).T for measure in ("trials", "events", "hits"))
    groups, places = n.shape
    if places * (groups - 2) < 2 * groups - 2:
        raise DataError(
            f"With {groups} groups in {places} places the counts leave the thresholds to the "
            "prior: the test needs D (R − 2) ≥ 2 R − 2 for R groups and D places, so three groups "
            "at least."
        )
    if not (n > 0).all():
        g, p = np.argwhere(n == 0)[0]
        raise DataError(
            f"There are no stops of {counts.groups[g]} in {counts.by} {counts.strata[p]}. Leave "
            "out places where a group has none."
        )
    order = np.argsort(-n.sum(0), kind="stable")
    data = tuple(torch.tensor(x[:, order], dtype=torch.float64) for x in (n, k, h))
    scales = {"group_scale": group_scale, "place_scale": place_scale, "pinned": pinned}
    return sample_posterior(
        lambda s, k, h: threshold_program(s, k, h, **scales),  # type: ignore[arg-type]
        data,
        chains=chains,
        draws=draws,
        tune=tune,
        seed=seed,
        dims={"threshold": ["group_name"], "threshold_own": ["group_name"]},
        coords={"group_name": list(counts.groups)},
        progress=progress,
    )
