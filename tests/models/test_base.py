"""Names of models, what checkpoints say of them, and what is put in the place of a prior."""

import importlib
import subprocess
import sys
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroSample
from torch import Tensor

from plausible.inference import fit, load
from plausible.models import (
    VAE,
    Classifier,
    ConditionalGenerator,
    ConditionalModel,
    GenerativeModel,
    GeneratorNetwork,
    LatentModel,
    Likelihood,
    MixtureDensityNetwork,
    Model,
    ModelError,
    NormalDensity,
    Regressor,
    with_prior,
)
from plausible.models.base import from_config
from plausible.models.registry import FORMER_PLACES, LIKELIHOODS, MODELS

ONE_OF_EACH: dict[str, Any] = {
    "classifier": lambda: Classifier((3,), 4, hidden=(5,)),
    "conditional-generator": lambda: ConditionalGenerator((2,), (3,), 2, "normal", hidden=(5,)),
    "generator": lambda: GeneratorNetwork((3,), 2, "laplace", hidden=(5,)),
    "mixture-density-network": lambda: MixtureDensityNetwork((3,), (2,), 3, hidden=(5,)),
    "normal-density": lambda: NormalDensity((2,)).match(torch.randn(9, 2)),
    "regressor": lambda: Regressor((3,), (2,), hidden=(5,)),
    "vae": lambda: VAE((3,), 2, "normal", hidden=(5,)),
}


def subclasses(cls: type) -> set[type]:
    return {cls}.union(*(subclasses(sub) for sub in cls.__subclasses__()))


def test_the_table_names_each_of_our_models_once_and_where_it_is() -> None:
    assert set(ONE_OF_EACH) == set(MODELS)
    for name, build in ONE_OF_EACH.items():
        assert type(build()) is MODELS[name] and MODELS[name].registered_name == name
    ours = {c for c in subclasses(Model) - {Model} if c.__module__.startswith("plausible.models.")}
    unnamed = {c.__name__ for c in ours if ":" in c.registered_name}
    bases = {"GenerativeModel", "ConditionalModel", "LatentModel"}
    assert unnamed - bases == {"ConditionalNetwork", "_Generator"}  # neither is built from a file


def test_the_table_of_likelihoods_names_each_of_ours() -> None:
    for name, kind in LIKELIHOODS.items():
        assert kind.name == name and Likelihood.registry[name] is kind
    ours = {n for n, k in Likelihood.registry.items() if k.__module__.startswith("plausible.")}
    assert ours == set(LIKELIHOODS)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_config_of_each_model_builds_its_twin(name: str) -> None:
    model = ONE_OF_EACH[name]()
    assert model.config()["class"] == name
    twin = from_config(model.config())
    twin.load_state_dict(model.state_dict())
    assert type(twin) is type(model) and twin.config() == model.config()


@pytest.mark.parametrize("place", FORMER_PLACES)
def test_the_place_where_a_class_once_was_builds_it(place: str) -> None:
    config = ONE_OF_EACH[FORMER_PLACES[place]]().config() | {"class": place}
    assert from_config(config).config()["class"] == FORMER_PLACES[place]


def test_an_argument_by_its_former_name_is_taken() -> None:
    arguments = {"x_shape": [3], "latent_size": 2, "start": "glorot"}
    model = from_config({"class": "plausible.models.generator:GeneratorNetwork",
                         "arguments": arguments})  # fmt: skip
    biases = [p for n, p in model.named_parameters() if n.endswith("bias")]
    assert all(bool((bias == 0).all()) for bias in biases)  # what "glorot" means

    class Later(GeneratorNetwork):
        def __init__(self, start: int) -> None:  # an argument of its own, of another meaning
            super().__init__((start,), 2)

    assert from_config(Later(3).config()).x_shape == (3,)


class Named(GenerativeModel, name="test-base-named"):
    """A user's model with a name, which holds another model."""

    def __init__(self, inner: GenerativeModel, parts: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self.inner = inner
        self.parts = torch.nn.ModuleList(parts).requires_grad_(False)

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        return self.inner.model(x, size=size)

    def guide(self, x: Tensor | None = None, *, size: int | None = None) -> None:
        self.inner.guide(x, size=size)


def test_a_users_class_is_known_by_its_name_and_by_its_place() -> None:
    config = Named(VAE((3,), 2)).config()
    assert config["class"] == "test-base-named"
    place = f"{Named.__module__}:{Named.__qualname__}"
    assert type(from_config(config)) is type(from_config(config | {"class": place})) is Named

    class Unnamed(Named):
        pass

    assert Unnamed.registered_name == f"{Unnamed.__module__}:{Unnamed.__qualname__}"


def test_a_model_that_holds_models_is_loaded_with_them(tmp_path: Any) -> None:
    # Seen failing with inner models built anew by default arguments.
    x = torch.randn(20, 3)
    inner = VAE((3,), 2, "laplace", hidden=(6,))
    model = Named(inner, (Classifier((3,), 4), Regressor((3,))))
    fit(model, x, steps=2, out=tmp_path)
    loaded = load(tmp_path)
    assert isinstance(loaded, Named) and loaded.config() == model.config()
    assert loaded.inner.encode(x).mean.equal(inner.encode(x).mean)
    assert loaded.parts[0].probabilities(x).equal(model.parts[0].probabilities(x))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vae", r"'vae' belongs to plausible\.models\.autoencoders\.vae:VAE"),
        ("test-base-named", r"'test-base-named' belongs to .*:Named"),
        ("a:b", "a word without ':'"),
        ("", "a word without ':'"),
    ],
)
def test_a_name_that_is_taken_is_refused(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):

        class Other(GenerativeModel, name=name):
            pass

    with pytest.raises(ModelError, match="that of a likelihood of Plausible's"):

        class Mine(Likelihood):
            name = "laplace"


def test_a_file_makes_python_import_nothing_but_what_the_table_names() -> None:
    code = (
        "import sys\n"
        "from plausible.models.base import from_config\n"
        "for name in ('antigravity:fly', 'plausible.models.conditional.regressor:Regressor',\n"
        "             'os:system', 'plausible.models.registry:MODELS'):\n"
        "    try:\n"
        "        from_config({'class': name, 'arguments': {}})\n"
        "        raise SystemExit(name)\n"
        "    except ValueError as error:\n"
        "        assert 'not known here' in str(error)\n"
        "assert 'antigravity' not in sys.modules\n"
        "assert not any(name.startswith('plausible.models.conditional') for name in sys.modules)\n"
        "from_config({'class': 'classifier', 'arguments': {'x_shape': [2]}})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_conditional_models_say_what_they_take() -> None:
    for name, build in ONE_OF_EACH.items():
        conditional = name not in ("generator", "normal-density", "vae")
        assert isinstance(build(), ConditionalModel) is conditional
        assert isinstance(build(), GenerativeModel) is not conditional


LATENT = ("conditional-generator", "generator", "vae")


@pytest.mark.parametrize("name", LATENT)
def test_every_model_with_latents_keeps_the_latent_contract(name: str) -> None:
    model = ONE_OF_EACH[name]()
    assert isinstance(model, LatentModel) and model.latent_shape == (2,)
    condition = (torch.randn(5, 2),) if isinstance(model, ConditionalModel) else ()
    prior = model.prior(5)
    assert (prior.batch_shape, prior.event_shape) == ((5,), model.latent_shape)
    z = prior.sample()
    p = model.decode(z, *condition)
    assert (p.batch_shape, p.event_shape) == ((5,), (3,))
    assert model.generate(z, *condition).equal(p.mean)
    assert hasattr(model, "encode") is (name == "vae")
    if name == "vae":
        q = model.encode(torch.randn(5, 3))
        assert (q.batch_shape, q.event_shape) == ((5,), model.latent_shape)


def test_only_models_with_latents_keep_it() -> None:
    for name, build in ONE_OF_EACH.items():
        assert isinstance(build(), LatentModel) is (name in LATENT)


@pytest.mark.parametrize("name", LATENT)
def test_another_prior_is_that_of_the_pyro_model_and_travels_in_the_checkpoint(
    name: str, tmp_path: Any
) -> None:
    # Seen failing with the model drawing from N(0, I) itself instead of from its `prior`.
    latents = torch.randn(400, 2) @ torch.tensor([[0.5, 0.3], [0.0, 0.2]]) + 3.0
    plain, density = ONE_OF_EACH[name](), NormalDensity((2,)).match(latents)
    model = with_prior(plain, density)
    condition = (torch.randn(4000, 2),) if isinstance(model, ConditionalModel) else ()
    trace = pyro.poutine.trace(model.model).get_trace(
        *condition, **({} if condition else {"size": 4000})
    )
    z = trace.nodes["z"]["value"]
    exact = dist.MultivariateNormal(latents.mean(0), latents.T.cov(correction=0))
    trace.compute_log_prob()
    torch.testing.assert_close(trace.nodes["z"]["log_prob"], exact.log_prob(z), atol=1e-3, rtol=0)
    error = exact.variance.sqrt() / 4000**0.5
    assert ((z.mean(0) - exact.mean).abs() < 5 * error).all()
    assert float(plain.prior(1).mean.abs().max()) == 0.0  # the model that was given is as it was
    twin = from_config(model.config())
    twin.load_state_dict(model.state_dict())
    assert twin.prior(3).mean.equal(model.prior(3).mean)


def test_densities_that_do_not_fit_are_refused() -> None:
    vae = VAE((3,), 2)
    with pytest.raises(ModelError, match=r"latents .* \(2,\), but the density is one of shape \(3"):
        with_prior(vae, NormalDensity((3,)))
    with pytest.raises(ModelError, match="such as NormalDensity, but got a GeneratorNetwork"):
        with_prior(vae, GeneratorNetwork((2,)))
    with pytest.raises(ModelError, match="takes a LatentModel, but got a Classifier"):
        with_prior(Classifier((3,)), NormalDensity((2,)))  # type: ignore[type-var]


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_a_normal_density_has_the_moments_of_the_data(shape: tuple[int, ...]) -> None:
    z = torch.randn(500, *shape) * 2 + 1
    density = NormalDensity(shape).match(z)
    flat = z.flatten(1)
    exact = dist.MultivariateNormal(flat.mean(0), flat.T.cov(correction=0)).log_prob(flat)
    torch.testing.assert_close(density.distribution().log_prob(z), exact, rtol=1e-4, atol=1e-3)
    drawn = density.sample(4000)
    assert drawn.shape == (4000, *shape)
    assert ((drawn.mean(0) - z.mean(0)).abs() < 5 * 2.2 / 4000**0.5).all()
    with pytest.raises(ValueError, match="do not span"):
        density.match(z[:3])
    with pytest.raises(ValueError, match=r"but got \(5, 7\)"):
        density.match(torch.zeros(5, 7))


def test_the_front_door_offers_every_model() -> None:
    front = importlib.import_module("plausible.models")
    assert all(getattr(front, kind.__name__) is kind for kind in MODELS.values())


def test_a_model_takes_a_name_as_every_pyro_module_does() -> None:
    """Of its samples in a larger program. Seen failing with the name ignored."""

    class Shelf(GenerativeModel):
        def __init__(self, name: str = "") -> None:
            super().__init__(name)
            self.loc = PyroSample(dist.Normal(0.0, 1.0))

        def forward(self) -> Tensor:
            loc: Tensor = self.loc
            return loc

    for name, site in (("shelf", "shelf.loc"), ("", "loc")):
        assert site in pyro.poutine.trace(Shelf(name)).get_trace().nodes
