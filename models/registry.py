"""Our models and likelihoods by the names that checkpoints keep; each is imported when needed."""

from typing import Any

from plausible.models.lazy import LazyTable

__all__ = ["FORMER_PLACES", "LIKELIHOODS", "MODELS"]

MODELS: LazyTable[type[Any]] = LazyTable(
    {
        "classifier": "plausible.models.conditional.classifier:Classifier",
        "conditional-generator": "plausible.models.generators.generator:ConditionalGenerator",
        "generator": "plausible.models.generators.generator:GeneratorNetwork",
        "mixture-density-network": "plausible.models.conditional.mixture_density:"
        "MixtureDensityNetwork",
        "normal-density": "plausible.models.autoencoders.normal_density:NormalDensity",
        "regressor": "plausible.models.conditional.regressor:Regressor",
        "vae": "plausible.models.autoencoders.vae:VAE",
    }
)

LIKELIHOODS: LazyTable[type[Any]] = LazyTable(
    {
        "bernoulli": "plausible.models.likelihoods.families:Bernoulli",
        "binary-cross-entropy": "plausible.models.likelihoods.families:BinaryCrossEntropy",
        "categorical": "plausible.models.likelihoods.families:Categorical",
        "continuous-bernoulli": "plausible.models.likelihoods.families:ContinuousBernoulli",
        "diagonal-normal": "plausible.models.likelihoods.families:DiagonalNormal",
        "laplace": "plausible.models.likelihoods.families:Laplace",
        "mixture-of-normals": "plausible.models.likelihoods.mixture:MixtureOfNormals",
        "normal": "plausible.models.likelihoods.families:Normal",
    }
)

# Checkpoints of before the names say where a class was at the time.
FORMER_PLACES = {
    "plausible.models.classifier:Classifier": "classifier",
    "plausible.models.generator:ConditionalGenerator": "conditional-generator",
    "plausible.models.generator:GeneratorNetwork": "generator",
    "plausible.models.mdn:MixtureDensityNetwork": "mixture-density-network",
    "plausible.models.regressor:Regressor": "regressor",
    "plausible.models.vae:VAE": "vae",
}
