"""A rate of one group next to that of everybody, the group itself among them."""

from collections.abc import Iterator

from plausible.fairness.estimation.comparison import Comparison
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import Rates

__all__ = ["OVERALL", "against_all"]

OVERALL = "all"


def against_all(c: Comparison) -> list[Estimate]:
    r"""The rate of all, and every group's difference from it and ratio to it.

    A group is a share w of all cases, and the others together have the rate :math:`\theta_r`:

    .. math:: \theta_\text{all} = w\, \theta_g + (1 - w)\, \theta_r

    Args:
        c: the rates of the groups; without two that have cases there is nothing to compare.
    """
    total = Rates([c.part.sum()], [c.whole.sum()], c.of.prior)
    everyone = total.estimate(c.quantity, 0, f"{c.words} of {OVERALL}")
    if int((c.whole > 0).sum()) < 2:
        return [everyone]
    return [everyone, *_compared(c)]


def _compared(c: Comparison) -> Iterator[Estimate]:
    k, n = c.part.sum(), c.whole.sum()
    for i in c.shown:
        own, cases = c.part[i], c.whole[i]
        # the draws of a group are the same next to all as next to another group
        theta = c.of.draws_of(i)
        others = Rates([k - own], [n - cases], c.of.prior, c.of.seed + 1).draws_of(0)
        whole = (cases * theta + (n - cases) * others) / n
        address = {
            "group": c.counts.groups[i],
            "reference": OVERALL,
            "words": c.words,
            "counted": float(own / cases - k / n),
            "counts": Rates([own, k], [cases, n]).cases(0, 1),
        }
        yield estimate(c.quantity, theta - whole, "difference", **address)
        yield estimate(c.quantity, theta / whole, "ratio", **address)
