"""Where patrols end that follow their own records: an analysis of urns (G10)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.feedback.urns import audited_limit, corrected_limit, urn
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, worded
from plausible.fairness.reporting.registry import analysis
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, INK, styled

__all__ = ["patrols"]

Array = NDArray[np.float64]
_MARKS = 24  # times that are drawn
_RUNS = 1000


@analysis("patrols", answers="amplification")
def patrols(
    rates: tuple[float, float],
    start: tuple[float, float],
    *,
    places: tuple[str, str] = ("the first place", "the second place"),
    steps: int = 3000,
    audit: float = 0.25,
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    """Patrols go where incidents are on record: as they are, corrected, and with random audits.

    Args:
        rates: probability that a patrol finds an incident, in either place; the first is higher.
        start: what is on record of either place at first.
        places: what they are called.
        steps: patrols.
        audit: share of patrols at random, in the third of the policies.
        sources: of the rates and the record.
        seed: of the simulations.

    Returns:
        The analysis; its estimates are of the share of patrols in the first place, over runs.

    Raises:
        DataError: for rates that are not in this order, records that are not above 0, or fewer than
            ten patrols.

    Source: Ensign et al., Runaway feedback loops in predictive policing (2018).
    """
    if rates[0] < rates[1] or steps < 10:
        raise DataError(
            f"Name the place with the higher rate first, and ten patrols or more; got {rates} and "
            f"{steps}."
        )
    times = np.unique(np.geomspace(10, steps, _MARKS).astype(int)).tolist()
    policies = {
        "as recorded": {"audit": 0.0, "corrected": False},
        "corrected": {"audit": 0.0, "corrected": True},
        f"{audit:.0%} at random".replace("%", " %"): {"audit": audit, "corrected": False},
    }
    truth = corrected_limit(rates)
    limits = dict(
        zip(policies, (audited_limit(rates, 0.0), truth, audited_limit(rates, audit)), strict=True)
    )
    shares = {
        label: urn(start, rates, runs=_RUNS, at=times, seed=seed, **how)  # type: ignore[arg-type]
        for label, how in policies.items()
    }
    estimates = [_share(places[0], label, drawn[-1]) for label, drawn in shares.items()]
    values = {"place": places[0], "steps": steps, "truth": 100 * truth}
    findings = [
        worded("patrols.share", e, policy, limit=100 * limits[label], audit=100 * audit, **values)
        for e, label, policy in zip(
            estimates, policies, ("recorded", "corrected", "audited"), strict=True
        )
    ]
    return Analysis(
        **framed("patrols", sources=sources, places=places),
        findings=findings,
        estimates=estimates,
        assumptions=assumed("patrols", runs=_RUNS, rates=rates, start=start, places=places),
        draw=partial(_pictures, places[0], times, shares, limits, truth),
        details={"steps": steps, "rates": list(rates), "start": list(start), "limits": limits},
    )


def _share(place: str, label: str, drawn: Array) -> Estimate:
    words = f"share of patrols, {label}"
    return estimate("share_of_patrols", drawn, "share", group=place, stratum=label, words=words)


def _pictures(
    place: str,
    times: Sequence[int],
    shares: dict[str, Array],
    limits: dict[str, float],
    truth: float,
) -> list[Picture]:
    ends = "; ".join(
        f"{label}: {100 * drawn[-1].mean():.0f} % after {times[-1]:,} patrols, "
        f"{100 * limits[label]:.1f} % in the end"
        for label, drawn in shares.items()
    )
    return [
        Picture(
            "patrols",
            _figure(times, shares, limits, truth),
            f"The share of patrols in {place}: mean of the simulations, and the band that holds "
            "95 % of them. Dashed: its share of all incidents. Dotted: where it ends.",
            f"Three panels of a share over the number of patrols. {ends}.",
        )
    ]


@styled
def _figure(
    times: Sequence[int], shares: dict[str, Array], limits: dict[str, float], truth: float
) -> Figure:
    figure = Figure(figsize=(7, 2.9), layout="constrained")
    panels = figure.subplots(1, len(shares), sharey=True)
    for axes, (label, drawn), colour in zip(panels, shares.items(), CLASS_COLOURS, strict=False):
        low, high = np.quantile(drawn, (0.025, 0.975), axis=1)
        axes.fill_between(times, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(times, drawn.mean(1), color=colour)
        axes.axhline(truth, color=INK, linewidth=1, linestyle=(0, (5, 3)))
        axes.axhline(limits[label], color=colour, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xscale("log")
        axes.set_title(label, loc="left", fontsize=9.5)
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f} %")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axes.set_xlabel("patrols")
    panels[0].set_ylabel("share of patrols")
    return figure
