"""Which of a model's plates run over the batch, found by running it on two batch sizes."""

import inspect
import sys
from typing import Any

import pyro.distributions as dist
import torch
from pyro.poutine import Trace
from pyro.util import check_site_shape

from plausible.models.errors import ModelError, PlausibleError, reason_of
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.tracing import (
    UNSIZED,
    Program,
    Seen,
    innermost,
    observes,
    probing,
    rows,
    traces,
)
from plausible.models.objectives.unplated_sums import check_unplated_sums

__all__ = ["checked_layout", "find_layout"]

_ANGLES = (dist.VonMises, dist.SineBivariateVonMises)


def checked_layout(program: Program, batch: Batch, other: Batch | None) -> tuple[Layout, Seen]:
    """The layout of a program whose minibatches can be scaled, and its sites.

    Args:
        program: model and guide.
        batch: the data of a first step.
        other: data of another size; None where one step sees all data.

    Raises:
        ModelError: as `find_layout` and `check_unplated_sums` do.
    """
    with Seen() as seen:
        layout = find_layout(program, batch, other)
    if other is not None:
        check_unplated_sums(program, batch, layout, seen)
    return layout, seen


def find_layout(program: Program, batch: Batch, other: Batch | None = None) -> Layout:
    """Find the plates that run over the batch, and refuse what could not be scaled rightly.

    A plate runs over the batch when its size is the batch's. Where the batch is a part of the data,
    the model is run a second time on a batch of another size, and only a plate that follows is
    taken: a plate of features that is as long as the batch is not confused with it.

    Args:
        program: model and guide.
        batch: the data of a first step.
        other: data of another size; None where one step sees all data.

    Raises:
        ModelError: if model and guide do not match, or if something is latent and a site grows with
            the batch outside every plate over it; says how to declare the plate. A batch with
            `scale_plates=False` declares that none has to be found.
    """
    with probing(program):
        model, guide = _checked_traces(program, batch)
        _check_match(model, guide)
        _check_angles(model, guide)
        plates = _plates_of_size(model, batch.size)
        if other is not None:
            other_model, other_guide = _checked_traces(program, other, batch.size)
            plates &= _plates_of_size(other_model, other.size)
        if not batch.scale_plates:
            plates = set()
    latent = any(not site["is_observed"] for _, site in _samples(model))
    if other is not None and batch.scale_plates:
        if latent or plates:
            for one, two in ((model, other_model), (guide, other_guide)):
                _check_unsized(one, plates, batch.size)
                _check_scalable(one, two, plates)
        else:
            _check_one_weight(model, other_model)
        if latent:
            _check_observed(model, plates)
    frames = [frame for _, site in _samples(model) for frame in site["cond_indep_stack"]]
    frames += [frame for _, site in _samples(guide) for frame in site["cond_indep_stack"]]
    vectorized = [frame for frame in frames if frame.vectorized]
    dims = {frame.dim for frame in vectorized if frame.name in plates}
    return Layout(
        plates=frozenset(plates),
        dim=dims.pop() if len(dims) == 1 else None,
        nesting=max((-frame.dim for frame in vectorized), default=0),
        latent=latent,
        scaled=latent
        or bool(plates)
        or not batch.scale_plates
        or any(_subsampled(site) for _, site in _samples(model)),
    )


def _checked_traces(program: Program, batch: Batch, ran: int = 0) -> tuple[Trace, Trace]:
    """Traces with log probabilities, in the shapes that their plates declare.

    Args:
        ran: number of data on which the program ran before.
    """
    for role in ("guide", "model"):
        _check_arguments(program, role, batch)
    try:
        model, guide = traces(program, batch)
        for trace in (model, guide):
            trace.compute_log_prob()
            for _, site in _samples(trace):
                check_site_shape(site, sys.maxsize)
    except Exception as error:
        if isinstance(error, (PlausibleError, MemoryError)) or "alloc" in str(error):
            raise
        inputs = ", ".join(f"{tuple(x.shape)} ({x.dtype})" for x in batch.args) or "() (none)"
        hint = (
            f" It runs on {ran}, so something in it holds their number, as an autoguide does with "
            "parameters for each datum: pass batch_size=None, or a guide that is a function of x."
        )
        raise ModelError(
            f"The model or guide does not run on {batch.size} of {batch.total} data of shape "
            f"{inputs}: {reason_of(error)}.{hint if ran else ''}"
        ) from error
    return model, guide


def _check_arguments(program: Program, role: str, batch: Batch) -> None:
    """Refuse a model or guide that does not take the tensors and constants of a batch."""
    try:
        inspect.signature(getattr(program, role)).bind(*batch.args, **batch.context)
    except TypeError as error:
        given = f"{len(batch.args)} tensor{'' if len(batch.args) == 1 else 's'} of data"
        if batch.context:
            given += f" and the context {', '.join(batch.context)}"
        raise ModelError(
            f"The {role} of {type(program).__name__} does not take {given}: {error}. Write a "
            f"`{role}` that takes the tensors by position and the context by name."
        ) from error


def _samples(trace: Trace) -> list[tuple[str, Any]]:
    """The sites that carry a log probability: `pyro.deterministic` ones do not."""
    nodes: dict[str, Any] = trace.nodes
    return [
        (name, site)
        for name, site in nodes.items()
        if site["type"] == "sample" and not site["infer"].get("_deterministic")
    ]


def _plates_of_size(trace: Trace, size: int) -> set[str]:
    """Plates of this size that Pyro has not already scaled to a full size of their own."""
    return {
        frame.name
        for _, site in _samples(trace)
        for frame in site["cond_indep_stack"]
        if rows(site, frame) == size and frame.full_size in (None, frame.size)
    }


def _check_match(model: Trace, guide: Trace) -> None:
    for name, site in _samples(model):
        if site["is_observed"] or name in guide.nodes or site["infer"].get("enumerate"):
            continue
        raise ModelError(
            f"The model's latent site {name!r} has no site of that name in the guide. "
            "Add one, or pass guide=, for example pyro.infer.autoguide.AutoNormal(model). A "
            "discrete site is summed out if it is marked infer={'enumerate': 'parallel'}."
        )
    for name, site in _samples(guide):
        if name in model.nodes and model.nodes[name]["is_observed"]:
            raise ModelError(
                f"The guide draws {name!r}, but the model observes it. Remove the site from the "
                "guide, or the obs= from the model."
            )
        if name not in model.nodes and not site["infer"].get("is_auxiliary"):
            raise ModelError(
                f"The guide's site {name!r} has no site of that name in the model. "
                "Rename it, or mark it infer={'is_auxiliary': True}."
            )


def _check_angles(model: Trace, guide: Trace) -> None:
    """Refuse a guide over all numbers for an angle, whose density there is improper."""
    several = any(site["infer"].get("is_auxiliary") for _, site in _samples(guide))
    for name, site in _samples(guide):
        angle = name in model.nodes and isinstance(innermost(model.nodes[name]["fn"]), _ANGLES)
        if not angle or isinstance(innermost(site["fn"]), _ANGLES):
            continue
        own = innermost(site["fn"])
        is_point = isinstance(own, dist.Delta)
        if (is_point and several) or (not is_point and own.support is dist.constraints.real):
            raise ModelError(
                f"The latent site {name!r} is an angle: angles that differ by a whole turn are the "
                "same, so that a guide over all numbers gains without end by growing wide. Draw it "
                "from dist.VonMises in the guide, or draw two standard normals in the model and "
                "score their angle by pyro.factor."
            )


def _check_unsized(trace: Trace, plates: set[str], size: int) -> None:
    """Refuse what all data share inside a plate over the batch, as one without a size allows."""
    for name, site in _samples(trace):
        for frame in site["cond_indep_stack"]:
            if frame.name in plates and frame.size == UNSIZED and rows(site, frame) != size:
                raise ModelError(
                    f"The site {name!r} lies in the plate {frame.name!r}, which has no size, but "
                    f"has one value for all data. Give the plate its size, "
                    f"`pyro.plate({frame.name!r}, len(x))`, or take the site out of it."
                )


def _check_scalable(trace: Trace, other: Trace, plates: set[str]) -> None:
    growing, others = _growing(trace, other), dict(_samples(other))
    for name, site in _samples(trace):
        over = [frame.name for frame in site["cond_indep_stack"] if frame.name in plates]
        if len(over) > 1:
            raise ModelError(
                f"The site {name!r} lies in the plates {' and '.join(over)} over the batch, so its "
                "weight against the latent variables is unknown. Pass batch_size=None."
            )
        scales = {_single(site), _single(others.get(name, site))} - {None}
        if over and len(scales) > 1:
            raise ModelError(
                f"The site {name!r} has a scale that follows the batch, and fit scales its plate "
                "by N/B already. Pass scale_plates=False where the model does that, or leave the "
                "scaling to fit."
            )
        if name in growing and not over:
            raise ModelError(
                f"The site {name!r} grows with the batch but lies in no plate over it, so its "
                "weight against the latent variables is unknown. Put it into the plate: "
                "`with pyro.plate('data', len(x)): ...`, or pass batch_size=None."
            )


def _single(site: Any) -> float | None:
    """The scale of a site; None where it is one for each datum, which need not follow the size."""
    scale = site["scale"]
    return None if isinstance(scale, torch.Tensor) and scale.numel() > 1 else float(scale)


def _check_one_weight(model: Trace, other: Trace) -> None:
    """Without latents and plates all sites must grow with the batch, or none."""
    growing = _growing(model, other)
    fixed = [name for name, _ in _samples(model) if name not in growing]
    if growing and fixed:
        raise ModelError(
            f"The site {growing[0]!r} grows with the batch and {fixed[0]!r} does not, so their "
            "weights against each other are unknown. Put the first into a plate: "
            "`with pyro.plate('data', len(x)): ...`, or pass batch_size=None."
        )


def _growing(trace: Trace, other: Trace) -> list[str]:
    """Sites whose shape follows the batch, other than those that a subsampled plate scales."""
    others = dict(_samples(other))
    return [
        name
        for name, site in _samples(trace)
        if not _subsampled(site) and (name not in others or _size(site) != _size(others[name]))
    ]


def _size(site: Any) -> tuple[torch.Size, torch.Size]:
    """Shapes of a site's value and log probability: `pyro.factor` shows its size in the second."""
    return site["value"].shape, site["log_prob"].shape


def _subsampled(site: Any) -> bool:
    return any(frame.full_size not in (None, frame.size) for frame in site["cond_indep_stack"])


def _check_observed(model: Trace, plates: set[str]) -> None:
    for _, site in _samples(model):
        inside = any(frame.name in plates for frame in site["cond_indep_stack"])
        if observes(site) and (inside or _subsampled(site)):
            return
    raise ModelError(
        "No observed site lies in a plate over the batch, so its weight against the latent "
        "variables is unknown. Declare the plate: `with pyro.plate('data', len(x)): "
        "pyro.sample(..., obs=x)`, or pass batch_size=None."
    )
