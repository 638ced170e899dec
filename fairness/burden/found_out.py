"""Stopped for one crime and found out for another: who gets away with it, by group (G11)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import Contrasts, compare, needs
from plausible.fairness.estimation.posteriors import (
    PRIORS,
    Draws,
    Prior,
    inference_data,
    under_priors,
)
from plausible.fairness.estimation.rounded import Rate
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, comparisons, left_out, sensitivity, spoken
from plausible.inference.errors import DataError

__all__ = ["found_out"]

Array = NDArray[np.float64]


@analysis(
    "found-out",
    answers="representative",
    needs=("trials", "events", "hits", "offenders"),
    label="found out in a stop for something else",
    rates=2,
)
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
    c = compare(counts, "hits", "trials", reference=reference, prior=prior, seed=seed)
    needs(counts, "events")
    names, people, stops = counts.groups, c.cases, counts.label_of("events")
    label = f"rate of arrests for {other} in {stops}"
    chance = {i: c.of.draws_of(i) for i in c.shown}
    drawn = Draws(chance, names, counts=c.of)
    found = [Contrasts("found_out", f"{label} among {people}", drawn, c.shown, c.ref)]
    whom = [f"among {people}"]
    assumptions = basis(counts, prior)
    if offenders is not None:
        draws = {
            i: _of_offenders(chance[i], offenders, names[i], other, [seed + 1, i]) for i in c.shown
        }
        words = f"{label} among those who do it"
        by_y = Contrasts("found_out_given_y", words, Draws(draws, names), c.shown, c.ref)
        found.insert(0, by_y)
        whom.insert(0, "among those who do it")
        assumptions += [f"Who does {other}, {names[i]}: {offenders[names[i]]}." for i in c.shown]
        assumptions += assumed("found_out", other=other)
    if others := [i for i in c.shown if i != c.ref]:
        first = max(others, key=lambda i: abs(float(np.median(chance[i] - chance[c.ref]))))
        assumptions += sensitivity(
            under_priors(
                lambda p: c.under(p).difference("found_out", first, c.ref, found[-1].words)
            )
        )
    return Analysis(
        **framed("found_out", counts, other=other),
        findings=[finding for x in found for finding in _findings(x)],
        estimates=[e for x in found for e in x.estimates],
        assumptions=[*assumptions, *left_out(c)],
        counts=counts,
        posterior=inference_data(
            {x.quantity: np.stack([x.of.draws_of(i) for i in c.shown], 1) for x in found[::-1]},
            group=c.names,
        ),
        draw=lambda: [
            intervals(
                "found-out",
                [e for x in found for e in x.each.values()],
                f"How often people are arrested for {other} in {stops}.",
                [f"{name}, {among}" for among in whom for name in c.names],
            )
        ],
        details={"reference": c.reference, "shown": len(c.shown)},
    )


def _findings(c: Contrasts) -> list[Finding]:
    share = c.each[c.ref]
    alone = Finding(f"The {c.words} is {spoken(share)} for {share.group}.", estimate=share)
    return comparisons(f"The {c.words}", c) or [alone]


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
