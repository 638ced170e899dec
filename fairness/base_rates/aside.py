"""What a comparison of raw rates has to add where there are strata: what is so within them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plausible.fairness.base_rates.standardised import Strata
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.framing import worded

__all__ = ["Aside", "side_of", "strata_of"]


@dataclass(frozen=True, eq=False)
class Aside:
    """Follows every raw comparison of two groups with what is so within strata.

    Attributes:
        counts: with or without strata; without them nothing is added.
        part: the measure that is divided.
        whole: the measure that it is divided by.
        prior: of every rate.
    """

    counts: Counts
    part: str = "events"
    whole: str = "trials"
    prior: Prior = PRIORS["uniform"]

    def __call__(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings; those on two groups say more."""
        if self.counts.by is None:
            return list(findings)
        return [self._followed(finding) for finding in findings]

    def _followed(self, finding: Finding) -> Finding:
        e = finding.estimate
        if e is None or not e.reference:
            return finding
        i, j = (self.counts.groups.index(name) for name in (e.group, e.reference))
        pair = strata_of(self.counts, self.part, self.whole, prior=self.prior).pair(i, j)
        pair = pair.among(int(self.counts[self.whole].astype(bool).sum()) - 1)
        side = "" if pair.within is None else side_of(pair.within)
        values = {"by": self.counts.by, "side": side}
        more = worded("by_stratum.aside", pair.within, pair.verdict, **values)
        return replace(finding, text=f"{finding.text} {more.text}")


def strata_of(counts: Counts, part: str, whole: str, *, prior: Prior, seed: int = 0) -> Strata:
    """A rate of counts by group and stratum."""
    words = f"rate of {counts.label_of(part)} among {counts.label_of(whole)}"
    return Strata(counts.cells(part), counts.cells(whole), counts.groups, words, prior, seed)


def side_of(gap: Estimate) -> str:
    """On which side of no difference a number lies."""
    return "higher" if gap.direction > 0 else "lower"
