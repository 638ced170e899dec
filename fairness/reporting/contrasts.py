"""Each group's rate beside that of the reference: estimates, and a sentence for each group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.wording import clearly, compared, counted_gap

__all__ = ["Contrasts", "contrasts"]


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Rates and what they are against the reference, by the index of the group.

    Attributes:
        each: the rates.
        gaps: their differences from that of the reference; none for itself.
        ratios: the same as ratios.
        findings: the sentences, clearest first.
    """

    each: Mapping[int, Estimate]
    gaps: Mapping[int, Estimate]
    ratios: Mapping[int, Estimate]
    findings: list[Finding]

    @property
    def estimates(self) -> list[Estimate]:
        """All of them."""
        return [*self.each.values(), *self.gaps.values(), *self.ratios.values()]


def contrasts(
    rates: Rates, label: str, what: str, names: Sequence[str], shown: Sequence[int], ref: int
) -> Contrasts:
    """Compare the groups `shown` with the group `ref`, which is one of them.

    Args:
        rates: of all groups.
        label: begins the labels of the estimates.
        what: begins the sentences.
        names: of all groups.
        shown: indices of the groups.
        ref: index of the reference.
    """
    each = {i: rates.estimate(f"{label}, {names[i]}", i) for i in shown}
    others = [i for i in shown if i != ref]
    gaps = {i: rates.difference(f"{label}, {names[i]} − {names[ref]}", i, ref) for i in others}
    ratios = {i: rates.ratio(f"{label}, {names[i]} / {names[ref]}", i, ref) for i in others}
    findings = [
        compared(
            what,
            names[i],
            names[ref],
            (each[i], each[ref]),
            gaps[i],
            ratios[i],
            counted_gap(rates, i, ref),
        )
        for i in sorted(others, key=lambda i: -clearly(gaps[i]))
    ]
    return Contrasts(each, gaps, ratios, findings)
