"""Sampling bias: what arrests say about use, and what they cannot (G2)."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import needs
from plausible.fairness.estimation.estimates import estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.estimation.rounded import CountedRate, Rate
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, phrase
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import listed, records, under_each
from plausible.fairness.sampling_bias.detection_figure import draw_detection
from plausible.fairness.sampling_bias.detection_findings import (
    GroupPosterior,
    from_arrests,
    from_surveys,
    left_out,
    upper,
    verdicts,
)
from plausible.fairness.sampling_bias.measurement import ANY_ORDER, LogUniform, Measurement
from plausible.inference.errors import DataError, UnknownName

__all__ = ["detection"]


@analysis(
    "detection",
    answers="representative",
    needs=("trials", "events", "survey"),
    label="sampling bias and detection",
)
def detection(
    arrests: Counts | Mapping[str, Rate],
    surveys: Counts | Mapping[str, Rate] | None = None,
    *,
    reference: str | None = None,
    group: str = "group",
    use_called: str = "use",
    arrests_called: str = "arrests",
    prior: Prior = PRIORS["uniform"],
    detection_prior: Prior | LogUniform = ANY_ORDER,
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    r"""Whether arrests tell how common use is in each group, and what surveys add.

    .. math:: k_g \sim \mathrm{Binomial}(n_g, u_g d_g), \qquad
              s_g \sim \mathrm{Binomial}(m_g, u_g)

    Use u and detection d enter the arrests only by their product, so however many arrests are
    counted, only the priors tell them apart. A survey that asks for use itself does. With the
    default prior of d the posterior of use under arrests alone is exactly its prior, cut off where
    use would be rarer than arrests.

    Args:
        arrests: people and arrests as trials and events, or the published rate for each group.
        surveys: people asked and people who use, or the published rate, for all or some of the
            groups; None without a survey.
        reference: the group that others are compared with; the last by default.
        group: what the groups are, where rates and no counts are given.
        use_called: the conduct in the user's word; `Counts` of surveys bring their own.
        arrests_called: what follows it; `Counts` of arrests bring their own.
        prior: of use in each group.
        detection_prior: of detection in each group.
        sources: of the figures.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "use" and "detection" by group, from surveys where there
        are some, and "use_from_arrests" and "detection_from_arrests" from arrests alone.

    Raises:
        UnknownName: for counts without trials or events, a reference that is not there, or a
            survey of a group without arrests.
        DataError: if there are no groups, or survey and arrests contradict each other.

    Source: the planes that came back, in Mangel and Samaniego, Abraham Wald's work on aircraft
    survivability (1984), have the same structure.
    """
    both_given = [x for x in (arrests, surveys) if isinstance(x, Counts)]
    if isinstance(arrests, Counts):
        group, arrests_called = arrests.group, arrests.label_of("events")
    if isinstance(surveys, Counts):
        use_called = surveys.label_of("events")
    rates, asked = _rates(arrests), _rates(surveys)
    _check(rates, asked, reference, group)
    ref = reference or list(rates)[-1]
    shown = list(rates) if len(rates) <= SHOWN else _extremes(rates, ref)
    measured = partial(Measurement, use=prior, detection=detection_prior)
    alone = {
        g: GroupPosterior.of(measured(rates[g], None), seed, 2 * i) for i, g in enumerate(shown)
    }
    both = {
        g: GroupPosterior.of(measured(rates[g], asked[g]), seed, 2 * i + 1)
        for i, g in enumerate(shown)
        if g in asked
    }
    before = Rates([0], [0], prior).estimate("use_before_data", 0, f"{use_called} before any data")
    findings, estimates = from_arrests(alone, ref, before, use_called, arrests_called)
    if both:
        more_findings, more = from_surveys(both, alone, ref, use_called, arrests_called)
        findings, estimates = [*findings, *more_findings], [*estimates, *more]
    best = {g: both.get(g, alone[g]) for g in shown}
    of = [*sources, *(source for x in both_given for source in x.sources)]
    named = {"arrests": arrests_called, "use": use_called, "group": group}
    return Analysis(
        **framed("detection", None, of, **named),
        findings=findings,
        estimates=[before, *estimates],
        assumptions=[
            *assumed("detection", prior=prior, detection=detection_prior, **named),
            *(line for x in both_given for line in records(x)),
            *left_out(rates, shown, both, asked, use_called),
            *_empty(arrests),
            *_given(rates, asked, shown, use_called, arrests_called),
            _sensitivity(measured(rates[ref], None), rates[ref], ref, use_called, seed),
        ],
        counts=arrests if isinstance(arrests, Counts) else None,
        posterior=inference_data(
            {
                f"{name}{suffix}": np.stack([getattr(x[g], name) for g in shown], axis=1)
                for suffix, x in (("", best), ("_from_arrests", alone))
                for name in ("use", "detection")
            },
            group=shown,
        ),
        tables=[verdicts(alone, both, group)],
        draw=partial(draw_detection, alone, both, use_called, arrests_called),
        details={"reference": ref, "groups": len(rates), "shown": len(shown)},
    )


def _rates(given: Counts | Mapping[str, Rate] | None) -> dict[str, Rate]:
    if given is None:
        return {}
    if not isinstance(given, Counts):
        return dict(given)
    needs(given, "trials", "events")
    rows = zip(given.groups, given["events"], given["trials"], strict=True)
    return {g: CountedRate(int(k), int(n)) for g, k, n in rows if n}


def _empty(arrests: Counts | Mapping[str, Rate]) -> list[str]:
    """That groups in which nobody was counted are left out."""
    if not isinstance(arrests, Counts):
        return []
    pairs = zip(arrests.groups, arrests["trials"], strict=True)
    empty = [name for name, size in pairs if not size]
    if not empty:
        return []
    return [phrase("detection.empty", names=listed(empty), trials=arrests.label_of("trials"))]


def _check(
    rates: Mapping[str, Rate], asked: Mapping[str, Rate], reference: str | None, group: str
) -> None:
    if not rates:
        raise DataError(f"There is no {group} with arrests to analyse.")
    for name in [*asked, *([reference] if reference is not None else [])]:
        if name not in rates:
            raise UnknownName(group, name, rates)


def _extremes(rates: Mapping[str, Rate], ref: str) -> list[str]:
    ordered = sorted((g for g in rates if g != ref), key=lambda g: rates[g].value)
    few = (SHOWN - 1) // 2
    kept = {ref, *ordered[:few], *ordered[-(SHOWN - 1 - few) :]}
    return [g for g in rates if g in kept]


def _given(
    rates: Mapping[str, Rate],
    asked: Mapping[str, Rate],
    shown: Sequence[str],
    use: str,
    arrests: str,
) -> list[str]:
    texts = [f"{upper(arrests)}, {g}: {rates[g]}." for g in shown]
    return texts + [f"{upper(use)} by the survey, {g}: {asked[g]}." for g in shown if g in asked]


def _sensitivity(main: Measurement, rate: Rate, name: str, use: str, seed: int) -> str:
    """Use from arrests alone under other priors of use and of detection."""
    choices: dict[str, tuple[Prior, Prior | LogUniform]] = {
        f"{key} {prior} for {use}": (prior, main.detection) for key, prior in PRIORS.items()
    }
    choices |= {
        f"{key} {prior} for detection": (main.prior, prior) for key, prior in PRIORS.items()
    }
    each = {
        choice: estimate("use", Measurement(rate, None, *priors).draws(seed, index)[0])
        for index, (choice, priors) in enumerate(choices.items())
    }
    verdict = "It follows the prior because the data cannot correct it."
    return f"{under_each(f'{use} among {name} by arrests alone', each)} {verdict}"
