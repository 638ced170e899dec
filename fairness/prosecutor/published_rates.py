"""Bayes' rule with uncertain inputs, for rates that are published rather than counted (G4)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from plausible.fairness.estimation.estimates import estimate
from plausible.fairness.estimation.posteriors import Draws, inference_data
from plausible.fairness.estimation.rounded import Rate
from plausible.fairness.prosecutor.prosecutor import every_search, innocent, of_thousand, roles
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import natural, spoken
from plausible.inference.errors import DataError

__all__ = ["profile", "prosecutor_from_rates"]


@analysis("prosecutor-from-rates", answers="bayes", needs=("rates",))
def prosecutor_from_rates(
    base_rate: Rate,
    if_true: Rate,
    if_false: Rate,
    *,
    hypothesis: str,
    evidence: str,
    people: str = "people",
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    r"""Bayes' rule with uncertain inputs: from P(evidence given hypothesis) to the reverse.

    .. math:: P(H \mid E) = \frac{P(E \mid H)\, P(H)}
              {P(E \mid H)\, P(H) + P(E \mid \neg H)\, (1 - P(H))}

    Args:
        base_rate: P(H).
        if_true: P(E given H).
        if_false: P(E given not H).
        hypothesis: H in words that follow "are", such as "professional basketball players".
        evidence: E in words that follow "are", such as "very tall".
        people: who they are.
        sources: of the rates.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "hypothesis_given_evidence".

    Raises:
        DataError: if the evidence is never seen.
    """
    h, yes, no = (rate.draws(seed, i) for i, rate in enumerate((base_rate, if_true, if_false)))
    seen = yes * h + no * (1 - h)
    if (seen == 0).any() or (no == 0).any():
        raise DataError(
            f"With these rates nobody, or nobody who is not {hypothesis}, is {evidence}. A rate of "
            "exactly 0 is a certainty that data do not give: state its rounding."
        )
    reverse = yes * h / seen
    answer = estimate("hypothesis_given_evidence", reverse, words=f"{hypothesis} given {evidence}")
    forward = estimate("evidence_given_hypothesis", yes, words=f"{evidence} given {hypothesis}")
    before = estimate("hypothesis", h, words=f"{hypothesis}, among all")
    swapped = estimate(
        "evidence_given_hypothesis_over_reverse",
        np.divide(yes, reverse, out=np.full_like(yes, np.inf), where=reverse > 0),
        "ratio",
        words=f"{evidence} given {hypothesis}, over the reverse",
    )
    weight = estimate("weight", yes / no, "ratio", words=f"weight of being {evidence} for the odds")
    people_asked, number = natural(answer)
    of = {"evidence": evidence, "hypothesis": hypothesis, "people": people}
    forth, back, start = spoken(forward), spoken(answer), spoken(before)
    return Analysis(
        **framed(
            "prosecutor_from_rates", sources=sources, evidence=evidence, hypothesis=hypothesis
        ),
        findings=[
            worded("prosecutor_from_rates.asked", answer, asked=people_asked, number=number, **of),
            worded("prosecutor_from_rates.both_ways", swapped, forth=forth, back=back, **of),
            worded("prosecutor_from_rates.weight", weight, before=start, **of),
        ],
        estimates=[answer, forward, before, swapped, weight],
        assumptions=[
            *assumed("prosecutor_from_rates", base=base_rate, yes=if_true, no=if_false, **of)
        ],
        posterior=inference_data({"hypothesis_given_evidence": reverse}),
        draw=lambda: [
            of_thousand(
                "forward",
                [forward],
                evidence,
                f"Of 1,000 {hypothesis}, those who are {evidence}.",
                f"1,000 {hypothesis}",
            ),
            of_thousand(
                "reverse",
                [answer],
                hypothesis,
                f"Of 1,000 {people} who are {evidence}, those who are {hypothesis}"
                + ("." if answer.value >= 0.0005 else ": fewer than one."),
                f"1,000 {people} who are {evidence}",
            ),
        ],
        tables=[roles(f"being {evidence}", f"being among the {hypothesis}")],
    )


@analysis("profile", answers="bayes", needs=("rates",))
def profile(
    rates: Mapping[str, Rate],
    *,
    hypothesis: str,
    group: str = "group",
    people: str = "people",
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    """Published rates of several groups: how many who fit a profile are innocent of it.

    Args:
        rates: P(hypothesis given group), for each group.
        hypothesis: in words that follow "are", such as "drug users".
        group: what the groups are.
        people: who they are.
        sources: of the rates.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "hypothesis_given_group", by group.

    Raises:
        DataError: without rates.
    """
    if not rates:
        raise DataError("A profile needs the rate of at least one group.")
    names = list(rates)
    draws = Draws({i: rates[name].draws(seed, i) for i, name in enumerate(names)}, names)
    quantity, words = "hypothesis_given_group", f"{hypothesis} given the {group}"
    ordered = sorted(range(len(names)), key=lambda i: -rates[names[i]].value)
    each = {i: draws.estimate(quantity, i, words) for i in range(len(names))}
    top = ordered[0]
    wrong = estimate(
        "no_hypothesis_given_group",
        1 - draws.draws_of(top),
        group=names[top],
        words=f"not {hypothesis}",
    )
    whose = f"{people} of {group} {names[top]}"
    findings = [innocent(whose, hypothesis, group, each[top], wrong)]
    estimates = [*each.values(), wrong]
    if len(names) > 1:
        rest = ordered[1]
        counted = rates[names[top]].value - rates[names[rest]].value
        gap = replace(draws.difference(quantity, top, rest, words), counted=counted)
        findings.append(every_search((each[top], each[rest]), gap, hypothesis))
        estimates.append(gap)
    return Analysis(
        **framed("profile", sources=sources, group=group, hypothesis=hypothesis),
        findings=findings,
        estimates=estimates,
        assumptions=[
            phrase("profile.roles", group=group, hypothesis=hypothesis),
            *(f"Rate of {hypothesis}, {name}: {rate}." for name, rate in rates.items()),
            phrase("profile.rounding"),
        ],
        posterior=inference_data(
            {quantity: np.stack([draws.draws_of(i) for i in each], axis=1)}, group=names
        ),
        draw=lambda: [
            of_thousand(
                "people",
                [each[i] for i in ordered],
                hypothesis,
                f"Of 1,000 {people} of each {group}, those who count as {hypothesis}.",
            )
        ],
        tables=[roles(f"the {group}", f"being among the {hypothesis}")],
        details={"singled_out": names[top]},
    )
