"""A prediction is not an action: expected costs of any number of actions (G5)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.decisions.costs import Costs
from plausible.fairness.decisions.decision_figures import draw_decisions
from plausible.fairness.decisions.value_of_information import (
    value_of_cases,
    value_of_costs,
    value_of_outcome,
    value_of_probabilities,
)
from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import under_each
from plausible.inference.errors import DataError

__all__ = ["decisions"]

Array = NDArray[np.float64]
_PRIORS = (1.0, 0.5, 2.0)


@analysis("decisions", answers="actions", needs=("costs",), label="prediction and action")
def decisions(
    costs: Costs,
    probabilities: Mapping[str, float] | None = None,
    *,
    counts: Mapping[str, int] | None = None,
    further: int = 100,
    prior: float = 1.0,
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    r"""Which action has the lowest expected cost, and how far that depends on what nobody knows.

    .. math:: \ell_a = \sum_o \theta_o\, C_{ao}, \qquad C_{ao} \sim U(\text{low}, \text{high}),
              \qquad \theta \sim \mathrm{Dirichlet}(\alpha + k)

    Args:
        costs: of every action at every outcome, as ranges.
        probabilities: θ, of the outcomes, where they are known.
        counts: k, how often each outcome was seen, where they are not.
        further: cases whose value is asked for; used with counts.
        prior: α of the Dirichlet prior of θ; used with counts.
        sources: of the figures.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "cost" by action and "probability" by outcome.

    Raises:
        DataError: unless either probabilities or counts are given, for the outcomes of the costs,
            and probabilities add up to 1.

    Source: Raiffa and Schlaifer, Applied Statistical Decision Theory (1961), chapters 4 and 5.
    """
    known = _known(costs, probabilities, counts)
    alpha = None if counts is None else prior + known
    mean = known if alpha is None else alpha / alpha.sum()
    theta = _theta(known, alpha, seed)
    drawn = costs.draws([seed, 1])
    loss = np.einsum("no,nao->na", theta, drawn)
    expected = costs.mean @ mean
    best = int(expected.argmin())
    wins = _wins(costs, mean, drawn)
    each = [
        replace(estimate("cost", loss[:, i], "count", group=a), value=float(expected[i]))
        for i, a in enumerate(costs.actions)
    ]
    extra = {
        i: estimate(
            "cost", loss[:, i] - loss[:, best], "count", group=a, reference=costs.actions[best]
        )
        for i, a in enumerate(costs.actions)
        if i != best
    }
    values = {
        "the outcome of each case": value_of_outcome(mean, costs.mean),
        "the costs": value_of_costs(mean, drawn),
    }
    if alpha is not None:
        values["the probabilities"] = value_of_probabilities(theta, costs.mean)
        values[f"{further:,} further cases"] = value_of_cases(alpha, costs.mean, further, seed)
    summary = {"action": costs.actions, "expected cost": expected, "share": wins}
    worths = {"what is known": list(values), "value": list(values.values())}
    return Analysis(
        **framed("decisions", sources=sources),
        findings=[
            _choice(costs, mean, best, each, extra, alpha is not None),
            _sensitive(costs, wins, best),
            *_mixtures(costs, expected),
            _worth(values, float(expected[best])),
        ],
        estimates=[*each, *extra.values()],
        assumptions=[
            _belief(costs, mean, alpha, prior),
            *assumed("decisions", unit=costs.unit),
            *([costs.note] if costs.note else []),
            *([_prior_sensitivity(costs, known)] if alpha is not None else []),
        ],
        posterior=inference_data(
            {"cost": loss, "probability": theta}, action=costs.actions, outcome=costs.outcomes
        ),
        tables=[
            costs.table(),
            Table(phrase("decisions.summary", unit=costs.unit), pd.DataFrame(summary)),
            Table(phrase("decisions.worths", unit=costs.unit), pd.DataFrame(worths)),
        ],
        draw=partial(draw_decisions, costs, mean),
        details={"best": costs.actions[best], "value_of_knowing": values},
    )


def _known(
    costs: Costs, probabilities: Mapping[str, float] | None, counts: Mapping[str, int] | None
) -> Array:
    given = counts if probabilities is None else probabilities
    if given is None or (counts is not None and probabilities is not None):
        raise DataError("Give either the probabilities of the outcomes or counts of them.")
    if set(given) != set(costs.outcomes):
        raise DataError(
            f"The outcomes are {', '.join(costs.outcomes)}, but got {', '.join(given) or 'none'}."
        )
    known = np.array([given[o] for o in costs.outcomes], dtype=np.float64)
    if not (np.isfinite(known) & (known >= 0)).all():
        raise DataError(f"Probabilities and counts are 0 or more, but got {dict(given)}.")
    if probabilities is not None and abs(known.sum() - 1) > 1e-9:
        raise DataError(f"The probabilities add up to {known.sum():g} instead of 1.")
    return known


def _theta(known: Array, alpha: Array | None, seed: int) -> Array:
    if alpha is None:
        return np.tile(known, (DRAWS, 1))
    return np.random.default_rng([seed, 0]).dirichlet(alpha, size=DRAWS)


def _wins(costs: Costs, mean: Array, drawn: Array) -> Array:
    """For which share of the cost ranges each action has the lowest expected cost."""
    best = (drawn @ mean).argmin(1)
    return np.bincount(best, minlength=len(costs.actions)) / len(best)


def _choice(
    costs: Costs,
    mean: Array,
    best: int,
    each: Sequence[Estimate],
    extra: Mapping[int, Estimate],
    learned: bool,
) -> Finding:
    likely = int(mean.argmax())
    values = {
        "likely": costs.outcomes[likely],
        "probability": 100 * mean[likely],
        "cost": each[best],
        "best": costs.actions[best],
        "unknown": "probabilities and costs" if learned else "costs",
    }
    pure = [i for i in extra if i < len(costs.cells)]
    if not pure:
        return worded("decisions.choice", each[best], "only", **values)
    second = min(pure, key=lambda i: each[i].value)
    case = "clear" if extra[second].low > 0 else "unclear"
    return worded("decisions.choice", extra[second], case, **values)


def _sensitive(costs: Costs, wins: Array, best: int) -> Finding:
    others = [
        f"“{costs.actions[i]}” in {100 * wins[i]:.1f} %"
        for i in np.argsort(-wins)
        if wins[i] > 0 and i != best
    ]
    rest = f"; {', '.join(others)}" if others else ", and no other action in any"
    share = 100 * wins[best]
    return worded("decisions.sensitive", best=costs.actions[best], share=share, rest=rest)


def _mixtures(costs: Costs, expected: Array) -> list[Finding]:
    of = dict(zip(costs.actions, expected, strict=True))
    findings = []
    for name, parts in costs.mixtures.items():
        pure = min(parts, key=lambda action: of[action])
        values = {"name": name, "cost": _plain(of[name]), "more": _plain(of[name] - of[pure])}
        findings.append(worded("decisions.mixture", pure=pure, **values))
    return findings


def _worth(values: Mapping[str, float], cost: float) -> Finding:
    listed = "; ".join(f"{value:.3g} for {what}" for what, value in values.items())
    return worded("decisions.worth", cost=_plain(cost), listed=listed)


def _plain(cost: float) -> str:
    return f"{cost:.3g}".replace("-", "−")


def _belief(costs: Costs, mean: Array, alpha: Array | None, prior: float) -> str:
    shown = ", ".join(f"{o} {100 * m:.4g} %" for o, m in zip(costs.outcomes, mean, strict=True))
    place = "decisions.given" if alpha is None else "decisions.learned"
    return phrase(place, prior=prior, shown=shown)


def _prior_sensitivity(costs: Costs, known: Array) -> str:
    each = {}
    for prior in _PRIORS:
        expected = costs.mean @ ((prior + known) / (prior + known).sum())
        best = int(expected.argmin())
        each[f"Dirichlet({prior:g})"] = f"{costs.actions[best]}, {_plain(expected[best])}"
    return under_each("the best action and its cost", each)
