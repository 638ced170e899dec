"""Generative models: Pyro programs, their guides, likelihoods and networks."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.models, not as models.")

from typing import TYPE_CHECKING

from plausible.models.lazy import lazy

if TYPE_CHECKING:  # for tools that read types; tests/test_lazy.py holds it to the table below
    from plausible.models.autoencoders.normal_density import NormalDensity
    from plausible.models.autoencoders.vae import VAE
    from plausible.models.base import (
        ConditionalModel,
        GenerativeModel,
        LatentModel,
        Model,
        with_prior,
    )
    from plausible.models.conditional.classifier import Classifier
    from plausible.models.conditional.conditional_network import ConditionalNetwork
    from plausible.models.conditional.mixture_density import MixtureDensityNetwork
    from plausible.models.conditional.regressor import Regressor
    from plausible.models.distributions.normal_mixture import NormalMixture
    from plausible.models.errors import (
        CheckpointError,
        DataError,
        ModelError,
        PlausibleError,
        TrainingError,
        UnknownName,
    )
    from plausible.models.generators.generator import ConditionalGenerator, GeneratorNetwork
    from plausible.models.likelihoods.families import (
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
    from plausible.models.likelihoods.mixture import MixtureOfNormals
    from plausible.models.objectives.elbo import ELBO
    from plausible.models.objectives.importance_weighted import ImportanceWeighted, Renyi
    from plausible.models.objectives.maximum_likelihood import MaximumLikelihood
    from plausible.models.objectives.objective import Objective, Player, StepCount
    from plausible.models.objectives.optimizers import SGD, Adam, AdamW, ClippedAdam, Optimizer
    from plausible.models.objectives.schedules import (
        Annealing,
        CosineDecay,
        GeometricDecay,
        Plateau,
        Schedule,
        StepDecay,
    )

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
    "ConditionalNetwork",
    "ContinuousBernoulli",
    "CosineDecay",
    "DataError",
    "DiagonalNormal",
    "GenerativeModel",
    "GeneratorNetwork",
    "GeometricDecay",
    "ImportanceWeighted",
    "Laplace",
    "LatentModel",
    "Likelihood",
    "MaximumLikelihood",
    "MixtureDensityNetwork",
    "MixtureOfNormals",
    "Model",
    "ModelError",
    "Normal",
    "NormalDensity",
    "NormalMixture",
    "Objective",
    "Optimizer",
    "Plateau",
    "PlausibleError",
    "Player",
    "Regressor",
    "Renyi",
    "Schedule",
    "StepCount",
    "StepDecay",
    "TrainingError",
    "UnknownName",
    "likelihood",
    "positive_scale",
    "with_prior",
]

lazy(
    __name__,
    {
        "autoencoders.normal_density": "NormalDensity",
        "autoencoders.vae": "VAE",
        "base": "ConditionalModel GenerativeModel LatentModel Model with_prior",
        "conditional.classifier": "Classifier",
        "conditional.conditional_network": "ConditionalNetwork",
        "conditional.mixture_density": "MixtureDensityNetwork",
        "conditional.regressor": "Regressor",
        "distributions.normal_mixture": "NormalMixture",
        "errors": "CheckpointError DataError ModelError PlausibleError TrainingError UnknownName",
        "generators.generator": "ConditionalGenerator GeneratorNetwork",
        "likelihoods.families": "Bernoulli BinaryCrossEntropy Categorical "
        "ContinuousBernoulli DiagonalNormal Laplace Likelihood Normal likelihood positive_scale",
        "likelihoods.mixture": "MixtureOfNormals",
        "objectives.elbo": "ELBO",
        "objectives.importance_weighted": "ImportanceWeighted Renyi",
        "objectives.maximum_likelihood": "MaximumLikelihood",
        "objectives.objective": "Objective Player StepCount",
        "objectives.optimizers": "Adam AdamW ClippedAdam Optimizer SGD",
        "objectives.schedules": "Annealing CosineDecay GeometricDecay Plateau Schedule StepDecay",
    },
)
