"""Stopped for one crime and found out for another: who gets away with it, by group (G11)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.estimation.rounded import Rate
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    basis,
    cause,
    clearly,
    compared,
    counted_gap,
    extremes,
    left_out,
    needs,
    reference_of,
    sensitivity,
    spoken,
    with_cases,
)
from plausible.inference.errors import DataError

__all__ = ["found_out"]

Array = NDArray[np.float64]


@analysis("found-out", answers="representative", needs=("trials", "events", "hits", "people"))
def found_out(
    counts: Counts,
    offenders: Mapping[str, Rate] | None = None,
    *,
    other: str = "the other offence",
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    r"""How likely someone is to be found out for Y in a stop that was made for X, by group.

    .. math:: P(\text{found out} \mid g) \sim \mathrm{Beta}(a + y_g,\; b + n_g - y_g), \quad
              P(\text{found out} \mid Y, g) = \frac{P(\text{found out} \mid g)}{P(Y \mid g)}

    Args:
        counts: trials are people, events are stops for X, and hits are arrests for Y in them.
        offenders: P(Y given g) by a survey, for each group; without it, nothing is said about
            those who do Y.
        other: Y in the user's word, such as "marijuana possession".
        reference: the group that others are compared with; the largest by default.
        prior: of the rate of arrests for Y among people.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "found_out" and, with `offenders`, "found_out_given_y", by
        group.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: if there are no people, or a shown group has no rate of Y, one of 0, or
            one below that of its arrests.
    """
    needs(counts, "trials", "events", "hits")
    n, names = counts["trials"], counts.groups
    people, stops = counts.label_of("trials"), counts.label_of("events")
    known = with_cases(counts, n, people)
    ref = reference_of(counts, n, reference)
    rates = Rates(counts["hits"], n, prior, seed)
    shown = extremes(rates, known, ref)
    label = f"rate of arrests for {other} in {stops}"
    chance = {i: rates.draws_of(i) for i in shown}
    draws, named = {f"{label} among {people}": chance}, {"found_out": chance}
    if offenders is not None:
        named["found_out_given_y"] = draws[f"{label} among those who do it"] = {
            i: _of_offenders(chance[i], offenders, names[i], other, [seed + 1, i]) for i in shown
        }
    whoms = [what.removeprefix(f"{label} ") for what in reversed(draws)]
    findings: list[Finding] = []
    estimates: list[Estimate] = []
    for what, drawn in reversed(draws.items()):
        counted = {i: counted_gap(rates, i, ref) if drawn is chance else None for i in shown}
        said, numbers = _by_group(what, counts, drawn, ref, counted)
        findings += said
        estimates += numbers
    assumptions = basis(counts, prior)
    if offenders is not None:
        assumptions += [f"Who does {other}, {names[i]}: {offenders[names[i]]}." for i in shown]
        assumptions.append(
            f"Rates of {other} do not depend on the counts, and nobody is arrested for it twice."
        )
    if others := [i for i in shown if i != ref]:
        first = max(others, key=lambda i: abs(float(np.median(chance[i] - chance[ref]))))
        gap = f"{label} among {people}, {names[first]} − {names[ref]}"
        assumptions.append(
            sensitivity(lambda p: Rates(counts["hits"], n, p).difference(gap, first, ref))
        )
    return Analysis(
        name="found-out",
        title="Found out for something else",
        question=f"Whoever is stopped for one thing can be arrested for another: how likely is an "
        f"arrest for {other}, and does that differ by {counts.group}?",
        findings=[*findings, *left_out(counts, n, people, shown)],
        estimates=estimates,
        assumptions=assumptions,
        cannot_show=[
            cause(counts),
            f"Why the {stops} were made, and whether their reason holds as often in every "
            f"{counts.group}.",
            f"How much of {other} should go undetected: how far detection may go is for a society "
            "to say. The numbers only show whether it says the same to everybody.",
        ],
        sources=[counts.source] if counts.source else [],
        counts=counts,
        posterior=inference_data(
            {name: np.stack(list(x.values()), axis=1) for name, x in named.items()},
            {name: ["group"] for name in named},
            {"group": [names[i] for i in shown]},
        ),
        draw=lambda: [
            intervals(
                "found-out",
                [e for e in estimates if e.unit == "share"],
                f"How often people are arrested for {other} in {stops}.",
                [f"{names[i]}, {whom}" for whom in whoms for i in shown],
            )
        ],
        details={"reference": names[ref], "shown": len(shown)},
    )


def _of_offenders(
    chance: Array, offenders: Mapping[str, Rate], name: str, other: str, seed: Sequence[int]
) -> Array:
    """Draws of P(found out given Y) in one group, given that no more are found out than do Y."""
    if name not in offenders:
        raise DataError(f"There is no rate of {other} for {name!r}; give one for each group.")
    if offenders[name].value == 0:
        raise DataError(f"The rate of {other} for {name!r} is 0 and cannot be divided by.")
    share = chance / offenders[name].draws(*seed)
    possible = share[share <= 1]
    if len(possible) < len(share) / 1000:
        raise DataError(
            f"More people of {name!r} are arrested for {other} than do it ({offenders[name]}). "
            "Arrests must count people who do it, each once, and both must be of the same people "
            "and time."
        )
    if len(possible) == len(share):
        return share
    return np.random.default_rng(seed).choice(possible, len(share))


def _by_group(
    what: str,
    counts: Counts,
    draws: Mapping[int, Array],
    ref: int,
    counted: Mapping[int, float | None],
) -> tuple[list[Finding], list[Estimate]]:
    """The rates of all shown groups, and the sentences that compare them with the reference."""
    names = counts.groups
    each = {i: estimate(f"{what}, {names[i]}", x) for i, x in draws.items()}
    others = [i for i in draws if i != ref]
    gaps, ratios = {}, {}
    for i in others:
        difference, quotient = draws[i] - draws[ref], draws[i] / draws[ref]
        gaps[i] = estimate(f"{what}, {names[i]} − {names[ref]}", difference, "difference")
        ratios[i] = estimate(f"{what}, {names[i]} / {names[ref]}", quotient, "ratio")
    findings = [
        compared(
            f"The {what}",
            names[i],
            names[ref],
            (each[i], each[ref]),
            gaps[i],
            ratios[i],
            counted[i],
        )
        for i in sorted(others, key=lambda i: -clearly(gaps[i]))
    ]
    if not others:
        text = f"The {what} is {spoken(each[ref])} for {names[ref]}."
        findings.append(Finding(text, estimate=each[ref]))
    return findings, [*each.values(), *gaps.values(), *ratios.values()]
