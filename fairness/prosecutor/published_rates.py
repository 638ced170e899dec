"""Bayes' rule with uncertain inputs, for rates that are published rather than counted (G4)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from plausible.fairness.estimation.estimates import estimate
from plausible.fairness.estimation.posteriors import Draws, inference_data
from plausible.fairness.estimation.rounded import Rate
from plausible.fairness.prosecutor.prosecutor import every_search, innocent, of_thousand, roles
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.framing import framed
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
    if swapped.direction == 0:
        verdict = (
            f"The ratio of the two, {swapped}, covers 1: these rates do not tell which is larger"
        )
    else:
        word = "overstates" if swapped.direction > 0 else "understates"
        verdict = f"Whoever takes the first for the second {word} it, {swapped}"
    if weight.direction == 0:
        moved = "These rates do not tell whether that makes it more or less likely"
    else:
        word = "raises" if weight.direction > 0 else "lowers"
        moved = f"That {word} the odds, {weight}, starting from {spoken(before)}"
    return Analysis(
        **framed(
            "prosecutor_from_rates", sources=sources, evidence=evidence, hypothesis=hypothesis
        ),
        findings=[
            Finding(
                f"Of {people_asked:,} {people} who are {evidence}, {number} are {hypothesis}. "
                f"Whoever takes being {evidence} as reason enough is wrong about all others.",
                estimate=answer,
            ),
            Finding(
                f"Of {hypothesis}, {spoken(forward)} are {evidence}; of {people} who are "
                f"{evidence}, {spoken(answer)} are {hypothesis}. {verdict}.",
                estimate=swapped,
            ),
            Finding(
                f"Someone turns out to be {evidence}. {moved}.",
                caveat="Evidence can be strong and its hypothesis still be improbable.",
                estimate=weight,
            ),
        ],
        estimates=[answer, forward, before, swapped, weight],
        assumptions=[
            f"The evidence is being {evidence}; the hypothesis is being among the {hypothesis}.",
            f"P(hypothesis): {base_rate}. P(evidence given hypothesis): {if_true}. P(evidence "
            f"given not the hypothesis): {if_false}.",
            "The three are independent, and every value that rounds to a given figure is as "
            "likely as another. A rate without rounding or error is taken as exact.",
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
            f"The evidence is the {group}; the hypothesis is being among the {hypothesis}.",
            *(f"Rate of {hypothesis}, {name}: {rate}." for name, rate in rates.items()),
            "Every value that rounds to a given figure is as likely as another, survey errors are "
            "normal, and errors of different groups are independent.",
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
