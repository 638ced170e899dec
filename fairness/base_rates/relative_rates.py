"""Arrests relative to use: published rates compared with their rounding and survey error (G1)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.comparison import index_of
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.estimation.rounded import CountedRate, Rate, RoundedRate
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase
from plausible.fairness.reporting.registry import analysis
from plausible.inference.errors import DataError

__all__ = ["relative_rates"]


@analysis("relative-rates", answers="representative", needs=("rates",))
def relative_rates(
    use: Mapping[str, Rate],
    arrests: Mapping[str, Rate],
    *,
    reference: str | None = None,
    group: str = "group",
    use_called: str = "use",
    arrests_called: str = "arrests",
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    r"""Arrests relative to use, compared between groups, from published rates.

    .. math:: \frac{a_g / u_g}{a_r / u_r}

    The arithmetic on the published figures comes with the range that their rounding leaves open;
    the posterior adds the error of the surveys.

    Args:
        use: u, how common the conduct is in each group.
        arrests: a, how common arrests are, for the same groups.
        reference: r, the group that others are compared with; the last by default.
        group: what the groups are.
        use_called: the conduct in the user's word.
        arrests_called: what follows it in the user's word.
        sources: of the figures.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "relative", a_g / u_g, by group.

    Raises:
        DataError: if the two are not for the same two or more groups, or one to divide by is 0.
        UnknownName: if there is no such reference group.
    """
    names, ref = _groups(use, arrests, reference, group)
    of_arrests, of_use = (
        {g: rates[g].draws(seed, 2 * i + odd) for i, g in enumerate(names)}
        for rates, odd in ((arrests, 1), (use, 0))
    )
    relative = {g: of_arrests[g] / of_use[g] for g in names}
    what = f"rate of {arrests_called} relative to {use_called}"
    findings, estimates = [], []
    for g in (name for name in names if name != ref):
        at = {"group": g, "reference": ref}
        by_arrests = _quotient("arrests", arrests, words=f"rate of {arrests_called}", **at)
        by_use = _quotient("use", use, words=f"rate of {use_called}", **at)
        both = replace(
            by_arrests,
            quantity="relative",
            words=what,
            value=by_arrests.value / by_use.value,
            low=by_arrests.low / by_use.high,
            high=by_arrests.high / by_use.low if by_use.low > 0 else np.inf,
        )
        drawn = _posterior(both, relative)
        findings.append(Finding(_times(both, drawn), phrase("relative_rates.two"), drawn))
        estimates += [both, drawn]
        for quotient, rates, draws in ((by_arrests, arrests, of_arrests), (by_use, use, of_use)):
            # Where there is more to it than rounding.
            uncertain = any(
                isinstance(r, CountedRate) or r.error > 0 for r in (rates[g], rates[ref])
            )
            alone = [_posterior(quotient, draws)] if uncertain else []
            bare = not alone and quotient.low == quotient.high
            caveat = phrase("relative_rates.no_interval") if bare else ""
            findings.append(Finding(_times(quotient, *alone), caveat, [quotient, *alone][-1]))
            estimates += [quotient, *alone]
    return Analysis(
        **framed(
            "relative_rates",
            sources=sources,
            title=f"{arrests_called} relative to {use_called}".capitalize(),
            arrests=arrests_called,
            use=use_called,
            group=group,
        ),
        findings=findings,
        estimates=estimates,
        assumptions=_assumptions(use, arrests, use_called, arrests_called),
        posterior=inference_data(
            {"relative": np.stack([relative[g] for g in names], axis=1)}, group=names
        ),
        draw=lambda: [
            intervals(
                "relative-rates",
                estimates,
                "Ratios of groups. A posterior has its 95 % interval; the others have the range "
                "that rounding of the published figures leaves, or none. The line is equality.",
            )
        ],
        details={"reference": ref},
    )


def _groups(
    use: Mapping[str, Rate], arrests: Mapping[str, Rate], reference: str | None, group: str
) -> tuple[list[str], str]:
    names = list(use)
    if set(names) != set(arrests) or len(names) < 2:
        raise DataError(
            f"Both rates are needed for the same two groups or more, but there are "
            f"{', '.join(use) or 'none'} and {', '.join(arrests) or 'none'}."
        )
    ref = names[-1] if reference is None else names[index_of(group, reference, names)]
    for name, rate in [*use.items(), (ref, arrests[ref])]:
        if rate.value == 0:
            raise DataError(
                f"A rate of {name!r} is 0 and cannot be divided by. Give it with its counts as "
                "a CountedRate, or with more digits."
            )
    return names, ref


def _quotient(
    quantity: str, rates: Mapping[str, Rate], *, group: str, reference: str, words: str
) -> Estimate:
    """The ratio of two published figures and the range that their rounding leaves."""
    one, other = rates[group], rates[reference]
    high = one.high / other.low if other.low > 0 else np.inf
    value, low = one.value / other.value, one.low / other.high
    return Estimate(
        quantity,
        value,
        low,
        high,
        "ratio",
        level=1.0,
        group=group,
        reference=reference,
        words=words,
    )


def _posterior(quotient: Estimate, draws: Mapping[str, NDArray[np.float64]]) -> Estimate:
    """The same ratio with the errors of counts and surveys."""
    return estimate(
        f"{quotient.quantity}_posterior",
        draws[quotient.group] / draws[quotient.reference],
        "ratio",
        group=quotient.group,
        reference=quotient.reference,
        words=f"{quotient.words}, posterior",
    )


def _times(arithmetic: Estimate, drawn: Estimate | None = None) -> str:
    """A sentence whose direction is that of the range and of the interval, if both agree."""
    what, one, other = arithmetic.words, arithmetic.group, arithmetic.reference
    directions = {e.direction for e in (arithmetic, drawn) if e is not None}
    ends = (arithmetic.value, arithmetic.low, arithmetic.high)
    value, low, high = (f"{x:.2f}".replace("inf", "∞") for x in ends)
    rounding = f" (rounding alone leaves {low} to {high})" if low != high else ""
    interval = f"; with the stated errors, {drawn}" if drawn else ""
    clear = directions in ({1}, {-1})
    side = "higher" if directions == {1} else "lower"
    values = {"what": what, "one": one, "other": other, "side": side, "value": value}
    place = f"relative_rates.{'clear' if clear else 'unclear'}"
    return phrase(place, more=f"{rounding}{interval}", **values)


def _assumptions(
    use: Mapping[str, Rate], arrests: Mapping[str, Rate], use_called: str, arrests_called: str
) -> list[str]:
    texts = [
        f"Rate of {what}, {name}: {rate}."
        for what, rates in ((use_called, use), (arrests_called, arrests))
        for name, rate in rates.items()
    ]
    texts += assumed("relative_rates")
    counted = [r for r in (*use.values(), *arrests.values()) if isinstance(r, CountedRate)]
    if counted:
        texts.append(phrase("relative_rates.counted", prior=counted[0].prior))
    if any(isinstance(rate, RoundedRate) and rate.error == 0 for rate in use.values()):
        texts.append(phrase("relative_rates.no_error", use=use_called))
    return texts
