"""Generative models: Pyro programs, their guides, likelihoods and networks."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.models, not as models.")

from plausible.models.base import GenerativeModel
from plausible.models.errors import (
    CheckpointError,
    DataError,
    ModelError,
    PlausibleError,
    TrainingError,
    UnknownName,
)
from plausible.models.likelihoods import (
    Bernoulli,
    BinaryCrossEntropy,
    Categorical,
    ContinuousBernoulli,
    DiagonalNormal,
    Laplace,
    Likelihood,
    Normal,
    likelihood,
)
from plausible.models.objectives import (
    ELBO,
    Annealing,
    ImportanceWeighted,
    MaximumLikelihood,
    Objective,
    Player,
)
from plausible.models.optimizers import Adam
from plausible.models.vae import VAE

__all__ = [
    "ELBO",
    "VAE",
    "Adam",
    "Annealing",
    "Bernoulli",
    "BinaryCrossEntropy",
    "Categorical",
    "CheckpointError",
    "ContinuousBernoulli",
    "DataError",
    "DiagonalNormal",
    "GenerativeModel",
    "ImportanceWeighted",
    "Laplace",
    "Likelihood",
    "MaximumLikelihood",
    "ModelError",
    "Normal",
    "Objective",
    "PlausibleError",
    "Player",
    "TrainingError",
    "UnknownName",
    "likelihood",
]
