"""Training, evaluation and pictures for any generative model."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.inference, not as inference.")

from plausible.inference.checkpoints import load
from plausible.inference.fit import fit
from plausible.inference.isolation import evaluating
from plausible.inference.result import Fit, Progress

__all__ = ["Fit", "Progress", "evaluating", "fit", "load"]
