"""Sentences on use and detection: what arrests alone tell, and what a survey adds (G2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.estimation.comparison import Contrasts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.rounded import Rate
from plausible.fairness.reporting.analysis import Finding, Table
from plausible.fairness.reporting.framing import phrase, worded
from plausible.fairness.reporting.wording import comparisons, listed
from plausible.fairness.sampling_bias.measurement import Measurement, contraction

__all__ = ["GroupPosterior", "from_arrests", "from_surveys", "left_out", "upper", "verdicts"]

Array = NDArray[np.float64]
_SETTLED = 0.5  # less than half of the prior variance is left
_TIED = 0.7  # each explains about half of the variance of the other


@dataclass(frozen=True, eq=False)
class GroupPosterior:
    """What is known of one group: draws of use and detection, and how much use was narrowed.

    Attributes:
        use: draws, shape (DRAWS,).
        detection: draws, shape (DRAWS,).
        narrowed: contraction of use.
        tied: correlation of use and detection, in logarithms.
    """

    use: Array
    detection: Array
    narrowed: float
    tied: float

    @classmethod
    def of(cls, measured: Measurement, seed: int, index: int) -> "GroupPosterior":
        use, detection = measured.draws(seed, index)
        narrowed = contraction(measured.moments()[1], measured.prior_given_arrests()[1])
        spread = min(use.std(), detection.std())
        tied = np.corrcoef(np.log(use), np.log(detection))[0, 1] if spread > 0 else 0.0
        return cls(use, detection, narrowed, float(tied))


def from_arrests(
    alone: Mapping[str, GroupPosterior], ref: str, before: Estimate, use: str, arrests: str
) -> tuple[list[Finding], list[Estimate]]:
    """The verdict on arrests alone, and the comparison of groups by them.

    Args:
        alone: posteriors by group.
        ref: the group that others are compared with.
        before: use before any data.
        use: the conduct in the user's word.
        arrests: what follows it in the user's word.
    """
    c = Contrasts.of_draws(
        "use_from_arrests", f"{use} from {arrests} alone", {g: x.use for g, x in alone.items()}, ref
    )
    known = max(alone, key=lambda g: alone[g].narrowed)
    tied, after = alone[known].tied, c.each[list(alone).index(known)]
    prior = alone[known].narrowed >= _SETTLED
    values = {
        "Use": upper(use),
        "use": use,
        "arrests": arrests,
        "known": known,
        "before": before,
        "left": _per_cent(max(alone[known].narrowed, 0.0)),
        "tied": f"{_signed(tied)}{': one can stand in for the other' * (tied < -_TIED)}",
    }
    findings = [worded("detection.from_arrests", after, "prior" if prior else "data", **values)]
    findings += comparisons(f"By {arrests} alone, {use}", c, ratios=False)
    return findings, [*c.each.values(), *c.gaps.values()]


def from_surveys(
    both: Mapping[str, GroupPosterior],
    alone: Mapping[str, GroupPosterior],
    ref: str,
    use: str,
    arrests: str,
) -> tuple[list[Finding], list[Estimate]]:
    """What surveys settle: use, and by it detection.

    Args:
        both: posteriors with the survey, by group.
        alone: the same from arrests alone.
        ref: the group that others are compared with.
        use: the conduct in the user's word.
        arrests: what follows it in the user's word.
    """
    used, detected = (
        Contrasts.of_draws(quantity, words, draws, ref)
        for quantity, words, draws in (
            ("use", use, {g: x.use for g, x in both.items()}),
            ("detection", "detection", {g: x.detection for g, x in both.items()}),
        )
    )
    wide = max(used.each.values(), key=lambda e: e.high - e.low)
    left = both[wide.group].use.std() / alone[wide.group].use.std()
    findings = [
        worded("detection.survey", wide, use=use, arrests=arrests, left=_per_cent(left)),
        *comparisons(f"With the survey, {use}", used, ratios=False),
        *(
            worded("detection.detected", times, use=use, arrests=arrests)
            for times in detected.ratios.values()
        ),
    ]
    estimates = [*used.each.values(), *detected.each.values()]
    return findings, [*estimates, *used.gaps.values(), *detected.ratios.values()]


def left_out(
    rates: Mapping[str, Rate],
    shown: Sequence[str],
    both: Mapping[str, GroupPosterior],
    asked: Mapping[str, Rate],
    use: str,
) -> list[str]:
    """Groups that are not shown, and those that no survey asked."""
    texts = []
    if len(shown) < len(rates):
        texts.append(phrase("detection.extremes", groups=len(rates), shown=len(shown)))
    unasked = [g for g in shown if g not in both]
    if asked and unasked:
        texts.append(phrase("detection.unasked", names=listed(unasked), use=use))
    return texts


def verdicts(
    alone: Mapping[str, GroupPosterior], both: Mapping[str, GroupPosterior], group: str
) -> Table:
    """How far each group's use was narrowed, by arrests alone and with the survey."""
    nothing = np.nan
    return Table(
        phrase("detection.verdicts"),
        pd.DataFrame(
            {
                group: list(alone),
                "contraction, arrests alone": [x.narrowed for x in alone.values()],
                "tie, arrests alone": [x.tied for x in alone.values()],
                "contraction, with the survey": [
                    _narrowed(both[g], alone[g]) if g in both else nothing for g in alone
                ],
                "tie, with the survey": [both[g].tied if g in both else nothing for g in alone],
            }
        ),
    )


def _narrowed(both: GroupPosterior, alone: GroupPosterior) -> float:
    """Contraction with the survey, against the same prior as that of arrests alone."""
    prior = alone.use.var() / (1 - alone.narrowed)
    return contraction(float(both.use.var()), float(prior))


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "−")


def upper(text: str) -> str:
    """A text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]


def _signed(x: float) -> str:
    return f"{x:+.2f}".replace("-", "−")
