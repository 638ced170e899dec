"""A profile for one crime and what it does to the detection of another, in closed form (G11)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from plausible.fairness.estimation.comparison import Contrasts, index_of
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.estimation.rounded import Rate
from plausible.fairness.reporting.analysis import Analysis, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import comparisons
from plausible.inference.errors import DataError

__all__ = ["found_out_under_profile", "stopped_share"]

Array = NDArray[np.float64]
_PEOPLE = 1_000_000  # of the simulation, in each group


def stopped_share(x_rate: Array, believed: Array, separation: float, threshold: float) -> Array:
    r"""The share of a group that a profile for X stops.

    An officer sees a signal s ~ N(0, 1) of people without X and N(δ, 1) of people with it, and
    stops where P(X given s) is above τ, believing that a share q of the group does X:

    .. math:: P(\text{stop}) = p\, \Phi(\delta - t) + (1 - p)\, \Phi(-t), \quad
              t = \frac{\delta}{2} + \frac{\operatorname{logit} \tau - \operatorname{logit} q}
              {\delta}

    Args:
        x_rate: p, the share that does X, any shape.
        believed: q, the same shape.
        separation: δ, above 0.
        threshold: τ, between 0 and 1.
    """
    at = separation / 2 + (special.logit(threshold) - special.logit(believed)) / separation
    return x_rate * special.ndtr(separation - at) + (1 - x_rate) * special.ndtr(-at)


@analysis("found-out-under-profile", answers="representative", needs=("rates",), rates=2)
def found_out_under_profile(
    x_rates: Mapping[str, Rate],
    *,
    shares: Mapping[str, float] | None = None,
    separation: float = 2.0,
    threshold: float = 0.2,
    stop_reveals: float = 1.0,
    target: str = "the crime",
    other: str = "the other crime",
    group: str = "group",
    reference: str | None = None,
    seed: int = 0,
) -> Analysis:
    r"""Detection of Y by group when people are stopped by a profile for X.

    Within a group, who does Y has nothing to do with X or its signal, so that

    .. math:: P(\text{found out} \mid Y, g) = P(\text{stop} \mid g)\, r

    with the group as a feature (each group's own rate in the profile) and without it (the rate of
    all in the profile of everyone).

    Args:
        x_rates: P(X given g), for each of two or more groups.
        shares: of the groups among all people; equal by default.
        separation: how far the signal separates people with X from others, in standard deviations.
        threshold: probability of X above which someone is stopped.
        stop_reveals: r, the chance that a stop brings Y to light.
        target: X in the user's word, such as "car theft".
        other: Y in the user's word, such as "marijuana possession".
        group: what the groups are.
        reference: the group that others are compared with; the last by default.
        seed: of draws and simulation.

    Returns:
        The analysis; its posterior has "with_group" and "without_group", by group. A table holds
        a simulation of people next to the closed form.

    Raises:
        UnknownName: for a reference that is not there.
        DataError: for fewer than two groups, rates of 0 or 1, or numbers out of range.
    """
    names, weights = _checked(x_rates, shares, separation, threshold, stop_reveals)
    ref = len(names) - 1 if reference is None else index_of(group, reference, names)
    p = np.stack([x_rates[name].draws(seed, i) for i, name in enumerate(names)], axis=1)
    p = p.clip(1e-12, 1 - 1e-12)
    overall = np.broadcast_to((p * weights).sum(axis=1, keepdims=True), p.shape)
    rules = {
        how: stop_reveals * stopped_share(p, believed, separation, threshold)
        for how, believed in (("with", p), ("without", overall))
    }
    contrasts = {
        how: Contrasts.of_draws(
            f"found_out_{how}_group",
            f"chance that {other} is found out, profile {how} the {group}",
            dict(zip(names, draws.T, strict=True)),
            names[ref],
        )
        for how, draws in rules.items()
    }
    sentences = {
        how: f"By a profile for {target} {how} the {group}, the chance that {other} is found out"
        for how in rules
    }
    named = {"target": target, "other": other, "group": group}
    model = {"separation": separation, "threshold": threshold}
    return Analysis(
        **framed("found_out_under_profile", target=target, other=other),
        findings=[
            finding for how, c in contrasts.items() for finding in comparisons(sentences[how], c)
        ],
        estimates=[e for c in contrasts.values() for e in c.estimates],
        assumptions=[
            *(f"Rate of {target}, {name}: {rate}." for name, rate in x_rates.items()),
            *assumed("found_out_under_profile", reveals=stop_reveals, **named, **model),
        ],
        posterior=inference_data({f"{how}_group": x for how, x in rules.items()}, group=names),
        tables=[_simulated(x_rates, weights, separation, threshold, stop_reveals, seed)],
        draw=lambda: [
            intervals(
                "found-out",
                [e for c in contrasts.values() for e in c.each.values()],
                f"The chance that {other} is found out in a stop for {target}.",
                [f"{name}, {how} the {group}" for how in rules for name in names],
            )
        ],
        details={"reference": names[ref], **model},
    )


def _checked(
    rates: Mapping[str, Rate],
    shares: Mapping[str, float] | None,
    separation: float,
    threshold: float,
    reveals: float,
) -> tuple[list[str], Array]:
    names = list(rates)
    if len(names) < 2:
        raise DataError("A profile by group needs two groups or more.")
    if not separation > 0 or not 0 < threshold < 1 or not 0 < reveals <= 1:
        raise DataError(
            "Needed: a separation above 0, a threshold between 0 and 1, and a chance up to 1 that "
            f"a stop reveals; given: {separation:g}, {threshold:g} and {reveals:g}."
        )
    for name, rate in rates.items():
        if not 0 < rate.value < 1:
            raise DataError(
                f"The rate of {name!r} is {rate.value:g}; it has to be between 0 and 1."
            )
    given = dict.fromkeys(names, 1.0) if shares is None else shares
    if set(given) != set(names) or min(given.values()) <= 0:
        raise DataError(f"Shares are needed, above 0, for each of {', '.join(names)}.")
    weights = np.array([given[name] for name in names])
    return names, weights / weights.sum()


def _simulated(
    rates: Mapping[str, Rate],
    weights: Array,
    separation: float,
    threshold: float,
    reveals: float,
    seed: int,
) -> Table:
    """Simulated people who do Y, and how many of them are found out, next to the closed form."""
    random = np.random.default_rng(seed)
    p = np.array([rate.value for rate in rates.values()])
    rows = []
    for i, name in enumerate(rates):
        signal = random.standard_normal(_PEOPLE) + separation * (random.random(_PEOPLE) < p[i])
        open_eyes = random.random(_PEOPLE) < reveals
        for rule, believed in (("with", p[i]), ("without", float(p @ weights))):
            odds = special.logit(believed) + separation * (signal - separation / 2)
            rows.append(
                {
                    "group": name,
                    "profile": f"{rule} the group",
                    "simulated": float((open_eyes & (special.expit(odds) > threshold)).mean()),
                    "closed form": float(
                        reveals * stopped_share(p[i], np.array(believed), separation, threshold)
                    ),
                }
            )
    caption = f"Share found out of {_PEOPLE:,} simulated people of each group, at the given rates"
    return Table(caption, pd.DataFrame(rows))
