"""Training, evaluation and pictures for any generative model."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.inference, not as inference.")

from typing import TYPE_CHECKING

from plausible.models.lazy import lazy

if TYPE_CHECKING:  # for tools that read types; tests/test_lazy.py holds it to the table below
    from plausible.inference.evaluation.bounds import Evaluation, evaluate, log_likelihood
    from plausible.inference.inputs.datasets import Stream
    from plausible.inference.isolation import evaluating
    from plausible.inference.posterior.density.log_density import LogDensity, log_density
    from plausible.inference.posterior.predict import predict
    from plausible.inference.posterior.sampling import (
        Diagnosis,
        PosteriorWarning,
        diagnostics,
        sample_posterior,
    )
    from plausible.inference.training.checkpoints import load
    from plausible.inference.training.failures import TrainingWarning
    from plausible.inference.training.fit import fit
    from plausible.inference.training.result import Fit, Progress
    from plausible.inference.training.validation import Validation

__all__ = [
    "Diagnosis",
    "Evaluation",
    "Fit",
    "LogDensity",
    "PosteriorWarning",
    "Progress",
    "Stream",
    "TrainingWarning",
    "Validation",
    "diagnostics",
    "evaluate",
    "evaluating",
    "fit",
    "load",
    "log_density",
    "log_likelihood",
    "predict",
    "sample_posterior",
]

lazy(
    __name__,
    {
        "inputs.datasets": "Stream",
        "evaluation.bounds": "Evaluation evaluate log_likelihood",
        "isolation": "evaluating",
        "posterior.density.log_density": "LogDensity log_density",
        "posterior.predict": "predict",
        "posterior.sampling": "Diagnosis PosteriorWarning diagnostics sample_posterior",
        "training.checkpoints": "load",
        "training.failures": "TrainingWarning",
        "training.fit": "fit",
        "training.result": "Fit Progress",
        "training.validation": "Validation",
    },
)
