"""The no-U-turn sampler: chains go on until they agree, or have the most draws allowed."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from plausible.inference.posterior.chains import RADIUS, TRIES, NoStart, Settings, running
from plausible.inference.posterior.density.double import in_double
from plausible.inference.posterior.density.gradient import Vector
from plausible.inference.posterior.density.joint import Joint
from plausible.inference.posterior.density.log_density import LogDensity
from plausible.inference.posterior.diagnostics import THRESHOLD, largest_r_hat
from plausible.models.errors import ModelError

__all__ = ["sampled"]

_LOOKED_AT = 20


def sampled(
    density: LogDensity,
    joint: Joint,
    chains: int,
    draws: int,
    settings: Settings,
    progress: bool,
) -> tuple[dict[str, Vector], dict[str, Any]]:
    """Draws of all latent and deterministic sites, and the sampler's statistics.

    Raises:
        ModelError: if no starting point has a finite density; names the sites.
    """
    eager = density.backend.engine == "eager"
    with (
        in_double() if eager else contextlib.nullcontext(),
        _bar(chains * (settings.tune + draws), progress) as bar,
        running(density.gradient, density.size, chains, settings) as started,
    ):
        total = draws
        while True:
            try:
                vectors = started.draw(total, bar)
            except NoStart:
                raise ModelError(_why_nowhere(joint, settings.seed)) from None
            values = density.constrain(vectors)
            r_hat, _ = largest_r_hat(values)
            if not r_hat >= THRESHOLD or total >= settings.most:
                return values, started.finish()
            total = min(2 * total, settings.most)
            bar(0, chains * (settings.tune + total))


@contextlib.contextmanager
def _bar(total: int, show: bool) -> Iterator[Callable[..., None]]:
    """A function of the draws done, and of their number where that grows."""
    console = Console(stderr=True)
    shown = show and (console.is_terminal or console.is_jupyter)
    with Progress(console=console, auto_refresh=False, disable=not shown) as progress:
        task = progress.add_task("draws", total=total)

        def report(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done or None, total=total, refresh=True)

        yield report


def _why_nowhere(joint: Joint, seed: int) -> str:
    """Which sites have no finite log probability at random points."""
    with in_double(seed), torch.no_grad():
        points = torch.empty(TRIES, joint.size).uniform_(-RADIUS, RADIUS)
        bad = [
            {name for name, value in joint.by_site(point).items() if not np.isfinite(value)}
            for point in points[:_LOOKED_AT]
        ]
    always = sorted(set.intersection(*bad))
    often = always or sorted(set.union(*bad))
    if not often:
        return (
            f"The gradient is not finite at {TRIES} random starting points. Look for operations "
            "without a derivative, such as 0 / 0 inside torch.where."
        )
    return (
        f"The density is zero or not a number at {TRIES} random starting points: the log "
        f"probability of {', '.join(map(repr, often))} is not finite. Check the data against "
        "the site's support, and the prior's width."
    )
