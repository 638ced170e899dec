"""Risk scores audited: error rates and predictive values by group, and why they clash (G13)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.comparison import Comparison, compare, needs
from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import PRIORS, Prior, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, compared, left_out, sensitivity
from plausible.fairness.scores.impossibility import clash
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["RATES", "cell_rates", "scores"]

Array = NDArray[np.float64]


class _Rate(NamedTuple):
    """The cells that count, over those and the others."""

    words: str
    meaning: str
    counted: tuple[str, ...]
    others: tuple[str, ...]

    def named(self, counts: Counts) -> str:
        return f"{self.words} ({self.means(counts)})"

    def means(self, counts: Counts) -> str:
        """What it is of, in words that fit what the decision does to people."""
        if not counts.good:
            return self.meaning
        yes = counts.names.get("decision", "given a yes")
        of = {"yes": yes, "outcome": counts.names.get("outcome", "the outcome")}
        return worded("scores.of_a_good", None, self.words, **of).text


RATES: Mapping[str, _Rate] = {
    "false_positive_rate": _Rate(
        "false-positive rate",
        "flagged among those without the outcome",
        ("false_positive",),
        ("true_negative",),
    ),
    "false_negative_rate": _Rate(
        "false-negative rate",
        "not flagged among those with the outcome",
        ("false_negative",),
        ("true_positive",),
    ),
    "positive_predictive_value": _Rate(
        "positive predictive value",
        "with the outcome among the flagged",
        ("true_positive",),
        ("false_positive",),
    ),
    "negative_predictive_value": _Rate(
        "negative predictive value",
        "without the outcome among those not flagged",
        ("true_negative",),
        ("false_negative",),
    ),
    "base_rate": _Rate(
        "base rate",
        "with the outcome among all",
        ("false_negative", "true_positive"),
        ("true_negative", "false_positive"),
    ),
    "selection_rate": _Rate(
        "selection rate",
        "flagged among all",
        ("false_positive", "true_positive"),
        ("true_negative", "false_negative"),
    ),
}


def cell_rates(cells: Mapping[str, Array]) -> dict[str, Array]:
    """The six `RATES` of the four cells, which are counts, shares or draws of any one shape."""
    rates = {}
    for quantity, rate in RATES.items():
        part = np.sum([cells[c] for c in rate.counted], axis=0)
        rates[quantity] = part / (part + np.sum([cells[c] for c in rate.others], axis=0))
    return rates


@analysis("scores", answers="bayes", needs=("decisions",), label="errors of decisions", rates=6)
def scores(
    counts: Counts, *, reference: str | None = None, prior: Prior = PRIORS["uniform"], seed: int = 0
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
    people = np.sum([counts[cell] for cell in CONFUSION], axis=0)
    main = compare(
        counts,
        counts["false_positive"],
        counts["false_positive"] + counts["true_negative"],
        sizes=people,
        cases="people",
        reference=reference,
        prior=prior,
    )
    rates = {quantity: _comparison(main, quantity, prior) for quantity in RATES}
    draws = _draws(main, prior, seed)
    clashing, implied = clash(rates["base_rate"], draws)
    return Analysis(
        **framed("scores", counts),
        findings=[
            *(_widest(c) for c in rates.values() if c.gaps),
            *clashing,
            *_alone(main, rates),
            *_without(main, rates),
        ],
        estimates=[
            *(e for c in rates.values() for e in c.each.values()),
            *(e for c in rates.values() for e in c.gaps.values()),
            *implied,
        ],
        assumptions=[
            basis(counts, prior)[0],
            *assumed("scores", wider=_wider(prior)),
            *basis(counts, prior)[1:],
            *left_out(main),
            *sensitivity(rates["false_positive_rate"].sensitivity()),
        ],
        counts=counts,
        posterior=inference_data(draws, group=main.names),
        draw=lambda: _pictures(counts, main.reference, rates),
        details=main.details,
    )


def _pictures(counts: Counts, reference: str, rates: Mapping[str, Comparison]) -> list[Picture]:
    """One of each error rate and predictive value, and one of the widest differences."""
    pictures = [
        intervals(
            quantity.replace("_", "-"),
            list(rates[quantity].each.values()),
            f"The {RATES[quantity].words}: {RATES[quantity].means(counts)}.",
        )
        for quantity in list(RATES)[:4]
        if rates[quantity].each
    ]
    if far := [c.gaps[c.clearest] for c in rates.values() if c.clearest is not None]:
        caption = f"The clearest differences from {reference}; the line marks no difference."
        pictures.append(intervals("differences", far, caption))
    return pictures


def _wider(prior: Prior) -> Prior:
    """What a rate of two cells over four inherits from the prior of one cell over two."""
    return Prior(2 * prior.events, 2 * prior.others)


def _comparison(main: Comparison, quantity: str, prior: Prior) -> Comparison:
    """One of the rates, of the groups that have somebody to divide by."""
    words, _, counted, others = RATES[quantity]
    k = np.sum([main.counts[cell] for cell in counted], axis=0)
    n = k + np.sum([main.counts[cell] for cell in others], axis=0)
    return main.another(quantity, words, k, n, prior if len(counted) == 1 else _wider(prior))


def _draws(main: Comparison, prior: Prior, seed: int) -> dict[str, Array]:
    """Joint draws of the six rates of the groups that are shown, each (DRAWS, shown)."""
    random, shown = np.random.default_rng(seed), list(main.shown)
    size = (DRAWS, len(shown))
    return cell_rates(
        {c: random.gamma(prior.events + main.counts[c][shown], size=size) for c in CONFUSION}
    )


def _widest(c: Comparison) -> Finding:
    """The sentence on the group that lies most clearly apart from the reference in this rate."""
    i = c.order[0]
    finding = compared(
        f"The {RATES[c.quantity].named(c.counts)}", c.each[i], c.each[c.ref], c.gaps[i]
    )
    if len(c.gaps) == 1:
        return finding
    more = phrase("scores.farthest", groups=len(c.gaps), reference=c.reference)
    return replace(finding, caveat=more)


def _alone(main: Comparison, rates: Mapping[str, Comparison]) -> list[Finding]:
    """Of a single group its rates, since there is nothing to compare them with."""
    if any(c.gaps for c in rates.values()):
        return []
    name = main.reference
    own = {quantity: c.each[c.ref] for quantity, c in rates.items() if c.ref in c.each}
    return [
        *(
            Finding(f"The {RATES[quantity].named(main.counts)} is {e} for {name}.", estimate=e)
            for quantity, e in own.items()
        ),
        Finding(f"There is no other {main.counts.group} to compare {name} with."),
    ]


def _without(main: Comparison, rates: Mapping[str, Comparison]) -> list[Finding]:
    """Rates of groups that have nobody to divide by."""
    missing = {
        quantity: [name for name in main.names if name not in c.names]
        for quantity, c in rates.items()
    }
    return [
        worded("scores.nobody", rate=RATES[quantity].named(main.counts), names=", ".join(names))
        for quantity, names in missing.items()
        if names
    ]
