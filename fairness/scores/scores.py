"""Risk scores audited: error rates and predictive values by group, and why they clash (G13)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.estimates import DRAWS, Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    basis,
    cause,
    compared,
    counted_gap,
    extremes,
    left_out,
    needs,
    reference_of,
    sensitivity,
    widest,
    with_cases,
)
from plausible.fairness.scores.impossibility import clash
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["RATES", "cell_rates", "scores"]

Array = NDArray[np.float64]

# Every rate is the cells that count over those and the others, with its meaning in words.
RATES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "false-positive rate": (
        ("false_positive",),
        ("true_negative",),
        "flagged among those without the outcome",
    ),
    "false-negative rate": (
        ("false_negative",),
        ("true_positive",),
        "not flagged among those with the outcome",
    ),
    "positive predictive value": (
        ("true_positive",),
        ("false_positive",),
        "with the outcome among the flagged",
    ),
    "negative predictive value": (
        ("true_negative",),
        ("false_negative",),
        "without the outcome among those not flagged",
    ),
    "base rate": (
        ("false_negative", "true_positive"),
        ("true_negative", "false_positive"),
        "with the outcome among all",
    ),
    "selection rate": (
        ("false_positive", "true_positive"),
        ("true_negative", "false_negative"),
        "flagged among all",
    ),
}
_SOURCES = (
    "Chouldechova, Fair prediction with disparate impact (2017), "
    "https://doi.org/10.1089/big.2016.0047",
    "Kleinberg, Mullainathan and Raghavan, Inherent trade-offs in the fair determination of risk "
    "scores (2017), https://doi.org/10.4230/LIPIcs.ITCS.2017.43",
)


def cell_rates(cells: Mapping[str, Array]) -> dict[str, Array]:
    """The six `RATES` of the four cells, which are counts, shares or draws of any one shape."""
    found = {}
    for name, (counted, others, _) in RATES.items():
        part = np.sum([cells[c] for c in counted], axis=0)
        found[name] = part / (part + np.sum([cells[c] for c in others], axis=0))
    return found


@analysis("scores", answers="bayes", needs=("decisions",), label="errors of decisions")
def scores(
    counts: Counts,
    *,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    r"""Error rates, predictive values, base and selection rates of a decision, by group.

    One Dirichlet posterior holds the four cells of a group,

    .. math:: \pi_g \mid k_g \sim \mathrm{Dirichlet}(\alpha + k_g)

    Its margins are the rates: with α = 1 each of FPR, FNR, PPV and NPV has a uniform prior and
    its own Beta posterior, as in published audits, and every single draw obeys the identity of
    `implied_false_positive_rate`. Base and selection rate then have the prior Beta(2α, 2α).

    Args:
        counts: with the four cells, where positive means flagged or having the outcome.
        reference: the group that others are compared with; the largest by default.
        prior: Beta(α, α) of the four conditional rates.
        seed: of the draws.

    Returns:
        The analysis; its posterior has the six rates, by group.

    Raises:
        UnknownName: for a cell or reference that is not there.
        DataError: if there is nobody, nobody of the reference, or the prior has unequal numbers.
    """
    if prior.events != prior.others:
        raise DataError(
            f"The rates of a score share their cells, so that the prior of one fixes the others: "
            f"it needs two equal numbers, but got {prior}."
        )
    needs(counts, *CONFUSION)
    cells = {cell: counts[cell] for cell in CONFUSION}
    people = np.sum(list(cells.values()), axis=0)
    known = with_cases(counts, people, "people")
    ref = reference_of(counts, people, reference)
    exact = {rate: _exact(cells, rate, prior) for rate in RATES}
    shown = extremes(exact["false-positive rate"][0], known, ref)
    names = counts.groups
    each = {
        rate: {i: found.estimate(f"{rate}, {names[i]}", i) for i in shown if sizes[i]}
        for rate, (found, sizes) in exact.items()
    }
    gaps = {
        rate: {
            i: found.difference(f"{rate}, {names[i]} − {names[ref]}", i, ref)
            for i in each[rate]
            if i != ref and ref in each[rate]
        }
        for rate, (found, _) in exact.items()
    }
    draws = _draws(cells, shown, prior, seed)
    clashing, implied = clash(counts, shown, ref, draws, people, gaps)
    findings = [
        *(_widest(rate, names, ref, exact[rate][0], gaps[rate]) for rate in RATES if gaps[rate]),
        *clashing,
        *_alone(counts, ref, each, gaps),
        *_without(counts, shown, exact),
        *left_out(counts, people, "people", shown),
    ]
    assumptions = basis(counts, prior)
    assumptions.insert(
        1,
        "The four cells of a group have one Dirichlet prior, so that the rates of every draw fit "
        f"together. Its margins are the prior above for error rates and predictive values, and "
        f"{_wider(prior)} for base and selection rates.",
    )
    if far := gaps["false-positive rate"]:
        i = widest(far)
        assumptions.append(
            sensitivity(
                lambda other: _exact(cells, "false-positive rate", other)[0].difference(
                    far[i].label, i, ref
                )
            )
        )
    return Analysis(
        name="scores",
        title="Errors of a score, by group",
        question=f"Does the score err as often, and mean the same, for every {counts.group}?",
        findings=findings,
        estimates=[
            *(e for found in each.values() for e in found.values()),
            *(e for found in gaps.values() for e in found.values()),
            *implied,
        ],
        assumptions=assumptions,
        cannot_show=[
            cause(counts),
            "Whether the outcome is what it stands for. An arrest is no crime, and who is watched "
            "more is found out more; all rates here take the recorded outcome for the truth.",
            "Which of the rates should be equal. That is a question of what the decision does to "
            "people, not of data.",
            "What the decision did to the outcome: people who were held could not reoffend.",
        ],
        sources=[*([counts.source] if counts.source else []), *_SOURCES],
        counts=counts,
        posterior=inference_data(
            {rate.replace(" ", "_").replace("-", "_"): x for rate, x in draws.items()},
            {rate.replace(" ", "_").replace("-", "_"): ["group"] for rate in draws},
            {"group": [names[i] for i in shown]},
        ),
        draw=lambda: _pictures(names, ref, each, gaps),
        details={"reference": names[ref], "groups": len(names), "shown": len(shown)},
    )


def _pictures(
    names: tuple[str, ...],
    ref: int,
    each: Mapping[str, Mapping[int, Estimate]],
    gaps: Mapping[str, Mapping[int, Estimate]],
) -> list[Picture]:
    """One of each error rate and predictive value, and one of the widest differences."""
    drawn = [
        intervals(
            rate.replace(" ", "-"),
            list(each[rate].values()),
            f"The {rate}: {RATES[rate][2]}.",
            [names[i] for i in each[rate]],
        )
        for rate in list(RATES)[:4]
        if each[rate]
    ]
    if far := [found[widest(found)] for found in gaps.values() if found]:
        caption = f"The clearest differences from {names[ref]}; the line is no difference."
        drawn.append(intervals("differences", far, caption))
    return drawn


def _wider(prior: Prior) -> Prior:
    """What a rate of two cells over four inherits from the prior of one cell over two."""
    return Prior(2 * prior.events, 2 * prior.others)


def _exact(
    cells: Mapping[str, NDArray[np.int64]], rate: str, prior: Prior
) -> tuple[Rates, NDArray[np.int64]]:
    """The exact posteriors of one rate in every group, and what it divides by."""
    counted, others, _ = RATES[rate]
    k = np.sum([cells[c] for c in counted], axis=0)
    n = k + np.sum([cells[c] for c in others], axis=0)
    return Rates(k, n, prior if len(counted) == 1 else _wider(prior)), n


def _draws(
    cells: Mapping[str, NDArray[np.int64]], shown: Sequence[int], prior: Prior, seed: int
) -> dict[str, Array]:
    """Joint draws of the six rates of the groups that are shown, each (DRAWS, shown)."""
    random = np.random.default_rng(seed)
    return cell_rates(
        {
            cell: random.gamma(prior.events + k[list(shown)], size=(DRAWS, len(shown)))
            for cell, k in cells.items()
        }
    )


def _widest(
    rate: str,
    names: tuple[str, ...],
    ref: int,
    exact: Rates,
    gaps: Mapping[int, Estimate],
) -> Finding:
    """The sentence on the group that lies most clearly apart from the reference in this rate."""
    i = widest(gaps)
    finding = compared(
        f"The {rate} ({RATES[rate][2]})",
        names[i],
        names[ref],
        (exact.estimate("", i), exact.estimate("", ref)),
        gaps[i],
        counted=counted_gap(exact, i, ref),
    )
    if len(gaps) > 1:
        more = (
            f"Of {len(gaps)} groups the one whose interval lies farthest from {names[ref]}; the "
            "table has all."
        )
        return replace(finding, caveat=more)
    return finding


def _alone(
    counts: Counts,
    ref: int,
    each: Mapping[str, Mapping[int, Estimate]],
    gaps: Mapping[str, Mapping[int, Estimate]],
) -> list[Finding]:
    """Of a single group its rates, since there is nothing to compare them with."""
    if any(gaps.values()):
        return []
    name = counts.groups[ref]
    said = [
        Finding(f"The {rate} ({RATES[rate][2]}) is {found[ref]} for {name}.", estimate=found[ref])
        for rate, found in each.items()
        if ref in found
    ]
    return [*said, Finding(f"There is no other {counts.group} to compare {name} with.")]


def _without(
    counts: Counts,
    shown: Sequence[int],
    exact: Mapping[str, tuple[Rates, NDArray[np.int64]]],
) -> list[Finding]:
    """Rates of groups that have nobody to divide by."""
    said = []
    for rate, (_, sizes) in exact.items():
        if missing := [counts.groups[i] for i in shown if not sizes[i]]:
            said.append(
                Finding(
                    f"There is no {rate} ({RATES[rate][2]}) for {', '.join(missing)}: nobody to "
                    "divide by. No rate is not an equal rate."
                )
            )
    return said
