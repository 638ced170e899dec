"""Generative models: Pyro programs, their guides, likelihoods and networks."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.models, not as models.")

from plausible.models.base import GenerativeModel
from plausible.models.classifier import Classifier
from plausible.models.conditional import ConditionalModel
from plausible.models.errors import (
    CheckpointError,
    DataError,
    ModelError,
    PlausibleError,
    TrainingError,
    UnknownName,
)
from plausible.models.generator import ConditionalGenerator, GeneratorNetwork
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
    positive_scale,
)
from plausible.models.mdn import MixtureDensityNetwork
from plausible.models.mixtures import MixtureOfNormals, NormalMixture
from plausible.models.objectives import (
    ELBO,
    Annealing,
    MaximumLikelihood,
    Objective,
    Player,
)
from plausible.models.optimizers import (
    SGD,
    Adam,
    AdamW,
    ClippedAdam,
    CosineDecay,
    ExponentialDecay,
    Optimizer,
    Schedule,
)
from plausible.models.regressor import Regressor
from plausible.models.renyi import ImportanceWeighted, Renyi
from plausible.models.vae import VAE

__all__ = [
    "ELBO",
    "SGD",
    "VAE",
    "Adam",
    "AdamW",
    "Annealing",
    "Bernoulli",
    "BinaryCrossEntropy",
    "Categorical",
    "CheckpointError",
    "Classifier",
    "ClippedAdam",
    "ConditionalGenerator",
    "ConditionalModel",
    "ContinuousBernoulli",
    "CosineDecay",
    "DataError",
    "DiagonalNormal",
    "ExponentialDecay",
    "GenerativeModel",
    "GeneratorNetwork",
    "ImportanceWeighted",
    "Laplace",
    "Likelihood",
    "MaximumLikelihood",
    "MixtureDensityNetwork",
    "MixtureOfNormals",
    "ModelError",
    "Normal",
    "NormalMixture",
    "Objective",
    "Optimizer",
    "PlausibleError",
    "Player",
    "Regressor",
    "Renyi",
    "Schedule",
    "TrainingError",
    "UnknownName",
    "likelihood",
    "positive_scale",
]
