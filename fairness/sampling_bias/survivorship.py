"""The planes that did not come back: hits on survivors do not show where hits are deadly (G2)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import estimate
from plausible.fairness.estimation.posteriors import inference_data, shares
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import under_each
from plausible.inference.errors import DataError

__all__ = ["survivorship"]

Array = NDArray[np.float64]


@analysis("survivorship", answers="representative", needs=("places",))
def survivorship(
    hits: Mapping[str, int],
    exposure: Mapping[str, float] | None = None,
    *,
    prior: float = 1.0,
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Analysis:
    r"""How often planes come back from a hit at each place, from hits on those that did.

    With e_s the share of all hits that strike place s and v_s the chance to return from one,

    .. math:: h \sim \mathrm{Multinomial}(\delta), \quad \delta_s = \frac{e_s v_s}{\bar v}, \quad
              \frac{v_s}{\bar v} = \frac{\delta_s}{e_s}, \quad \bar v = \sum_s e_s v_s

    Hits on survivors tell δ only. Where planes are struck, e, has to come from elsewhere: from the
    areas of the places, if shots fall evenly. Without it e has a uniform prior.

    Args:
        hits: holes counted on planes that returned, by place.
        exposure: area of each place, or how often it is struck, in any unit.
        prior: α of the Dirichlet prior of δ, and of e where no exposure is given.
        sources: of the figures.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "relative_survival", v_s / v̄, by place.

    Raises:
        DataError: for fewer than two places, no hits, or exposures that are not positive and of
            the same places.
    """
    places = list(hits)
    _check(hits, exposure)
    seen = shares([hits[s] for s in places], prior, seed)
    if exposure is None:
        struck = shares(np.zeros(len(places)), prior, seed + 1)
    else:
        area = np.array([exposure[s] for s in places], dtype=np.float64)
        struck = np.broadcast_to(area / area.sum(), seen.shape)
    total = sum(hits.values())
    counted = None if exposure is None else np.array(list(hits.values())) / total / struck[0] - 1
    holes = [
        estimate("holes", seen[:, i], group=place, words="share of holes")
        for i, place in enumerate(places)
    ]
    survival = [
        estimate(
            "relative_survival",
            seen[:, i] / struck[:, i],
            "ratio",
            group=place,
            words="return from a hit relative to the average",
            counted=None if counted is None else float(counted[i]),
        )
        for i, place in enumerate(places)
    ]
    most = max(range(len(places)), key=lambda i: hits[places[i]])
    order = sorted(survival, key=lambda e: e.value)
    findings = [
        worded("survivorship.most", holes[most]),
        *(worded("survivorship.returned", e) for e in order),
    ]
    if exposure is None:
        findings.append(worded("survivorship.unknown"))
    return Analysis(
        **framed("survivorship", sources=sources),
        findings=findings,
        estimates=[*holes, *survival],
        assumptions=[
            *assumed("survivorship", prior=prior),
            phrase(f"survivorship.{'any' if exposure is None else 'given'}_exposure", prior=prior),
            _sensitivity(hits, exposure, order[0].group),
        ],
        posterior=inference_data({"relative_survival": seen / struck}, place=places),
        draw=lambda: [
            intervals("holes", holes, "Where holes were counted on planes that came back."),
            intervals(
                "survivorship",
                survival,
                "How often planes come back from a hit at each place, relative to the average.",
            ),
        ],
        details={"holes": {s: int(hits[s]) for s in places}},
    )


def _check(hits: Mapping[str, int], exposure: Mapping[str, float] | None) -> None:
    if len(hits) < 2 or min(hits.values()) < 0 or not sum(hits.values()):
        raise DataError(f"Two places or more need holes counted from 0 up, but got {dict(hits)}.")
    if exposure is not None and (
        set(exposure) != set(hits) or not all(0 < x < np.inf for x in exposure.values())
    ):
        raise DataError(
            f"Each of the places {', '.join(hits)} needs a positive exposure, but got "
            f"{dict(exposure)}."
        )


def _sensitivity(hits: Mapping[str, int], exposure: Mapping[str, float] | None, place: str) -> str:
    names, index = list(hits), list(hits).index(place)
    each = {}
    for prior in (1.0, 0.5, 2.0):
        seen = shares([hits[s] for s in names], prior)[:, index]
        if exposure is None:
            struck: Array | float = shares(np.zeros(len(names)), prior, 1)[:, index]
        else:
            struck = exposure[place] / sum(exposure.values())
        each[f"Dirichlet({prior:g})"] = estimate("relative_survival", seen / struck, "ratio")
    return under_each(f"the return from a hit at the {place}", each)
