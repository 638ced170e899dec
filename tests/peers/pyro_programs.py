"""Model and guide of twenty of Pyro's examples and tutorials, written anew from what they state.

Each entry makes a fresh program on little data: model, guide, data, and the ELBO of Pyro that has
the same terms.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.contrib import gp
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, config_enumerate
from pyro.infer.autoguide import (
    AutoDelta,
    AutoDiagonalNormal,
    AutoIAFNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    AutoNormal,
)
from pyro.nn import PyroModule, PyroSample
from torch import Tensor, nn
from torch.distributions import constraints
from torch.nn.functional import one_hot, softplus

__all__ = ["EXAMPLES", "Example"]


@dataclass
class Example:
    """A pair and its data.

    Attributes:
        model, guide: functions or modules.
        data: tensors whose first dimension is that of the data.
        elbo: Pyro's objective.
        settings: what `fit` is told besides.
    """

    model: Any
    guide: Any
    data: tuple[Tensor, ...]
    elbo: Any = field(default_factory=TraceMeanField_ELBO)
    settings: dict[str, Any] = field(default_factory=dict)


EXAMPLES: dict[str, Callable[[], Example]] = {}


def example(name: str) -> Callable[[Callable[[], Example]], Callable[[], Example]]:
    def add(make: Callable[[], Example]) -> Callable[[], Example]:
        EXAMPLES[name] = make
        return make

    return add


def positive(name: str, value: float, *shape: int) -> Tensor:
    made: Tensor = pyro.param(name, torch.full(shape, value), constraint=constraints.positive)
    return made


@example("SVI tutorial: fairness of a coin")
def coin() -> Example:
    def model(x: Tensor) -> None:
        fairness = pyro.sample("fairness", dist.Beta(10.0, 10.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Bernoulli(fairness), obs=x)

    def guide(x: Tensor) -> None:
        pyro.sample("fairness", dist.Beta(positive("a", 15.0), positive("b", 15.0)))

    return Example(model, guide, (torch.tensor([1.0] * 6 + [0.0] * 4),))


class Regression(PyroModule):
    """y = x b + a + noise, with priors on weights, bias and scale."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = PyroModule[nn.Linear](inputs, 1)
        self.linear.weight = PyroSample(dist.Normal(0.0, 1.0).expand([1, inputs]).to_event(2))
        self.linear.bias = PyroSample(dist.Normal(0.0, 10.0).expand([1]).to_event(1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        sigma = pyro.sample("sigma", dist.Uniform(0.0, 10.0))
        mean = self.linear(x).squeeze(-1)
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(mean, sigma), obs=y)
        return mean


def lines(n: int = 30, inputs: int = 3) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, inputs)
    return x, x @ torch.arange(1.0, inputs + 1) + 0.5 + 0.3 * torch.randn(n)


@example("Bayesian regression: AutoDiagonalNormal")
def regression() -> Example:
    model = Regression(3)
    return Example(model, AutoDiagonalNormal(model), lines(), Trace_ELBO())


@example("Bayesian regression II: AutoMultivariateNormal")
def correlated_regression() -> Example:
    model = Regression(2)
    return Example(model, AutoMultivariateNormal(model), lines(inputs=2), Trace_ELBO())


class Coder(nn.Module):
    def __init__(self, inputs: int, outputs: int, parts: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, 8)
        self.heads = nn.ModuleList(nn.Linear(8, outputs) for _ in range(parts))

    def forward(self, x: Tensor) -> list[Tensor]:
        hidden = softplus(self.hidden(x))
        return [head(hidden) for head in self.heads]


def pictures(n: int = 24, pixels: int = 6) -> Tensor:
    return (torch.rand(n, pixels) < torch.linspace(0.1, 0.9, pixels)).float()


@example("VAE")
def vae() -> Example:
    decoder, encoder = Coder(2, 6, 1), Coder(6, 2, 2)

    def model(x: Tensor) -> None:
        pyro.module("decoder", decoder)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
            (logits,) = decoder(z)
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(x: Tensor) -> None:
        pyro.module("encoder", encoder)
        with pyro.plate("data", len(x)):
            loc, log_scale = encoder(x)
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))

    return Example(model, guide, (pictures(),))


@example("conditional VAE")
def conditional_vae() -> Example:
    class CVAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.baseline, self.prior = Coder(3, 3, 1), Coder(6, 2, 2)
            self.generation, self.recognition = Coder(5, 3, 1), Coder(6, 2, 2)

        def model(self, x: Tensor, y: Tensor) -> None:
            pyro.module("generation_net", self)
            with pyro.plate("data", len(x)):
                (guess,) = self.baseline(x)
                loc, log_scale = self.prior(torch.cat([x, guess.sigmoid()], 1))
                z = pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))
                (logits,) = self.generation(torch.cat([z, x], 1))
                pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1), obs=y)

        def guide(self, x: Tensor, y: Tensor) -> None:
            with pyro.plate("data", len(x)):
                loc, log_scale = self.recognition(torch.cat([x, y], 1))
                pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))

    cvae, x = CVAE(), pictures()
    return Example(cvae.model, cvae.guide, (x[:, :3], x[:, 3:]))


@example("SS-VAE: labels summed out in the guide")
def semi_supervised() -> Example:
    decoder, labels, encoder = Coder(5, 6, 1), Coder(6, 3, 1), Coder(9, 2, 2)

    def model(x: Tensor) -> None:
        pyro.module("decoder", decoder)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
            y = pyro.sample("y", dist.OneHotCategorical(logits=x.new_zeros(len(x), 3)))
            (logits,) = decoder(torch.cat([z.expand(*y.shape[:-1], 2), y], -1))
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    @partial(config_enumerate, expand=True)
    def guide(x: Tensor) -> None:
        pyro.module("labels", labels)
        pyro.module("encoder", encoder)
        with pyro.plate("data", len(x)):
            (logits,) = labels(x)
            y = pyro.sample("y", dist.OneHotCategorical(logits=logits))
            loc, log_scale = encoder(torch.cat([x.expand(*y.shape[:-1], 6), y], -1))
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))

    return Example(model, guide, (pictures(),), TraceEnum_ELBO(max_plate_nesting=1))


@example("Gaussian mixture: AutoDelta, assignments summed out")
def mixture() -> Example:
    @config_enumerate
    def model(x: Tensor) -> None:
        weights = pyro.sample("weights", dist.Dirichlet(0.5 * torch.ones(2)))
        scale = pyro.sample("scale", dist.LogNormal(0.0, 2.0))
        with pyro.plate("components", 2):
            locs = pyro.sample("locs", dist.Normal(0.0, 10.0))
        with pyro.plate("data", len(x)):
            assignment = pyro.sample("assignment", dist.Categorical(weights))
            pyro.sample("x", dist.Normal(locs[assignment], scale), obs=x)

    guide = AutoDelta(poutine.block(model, hide=["assignment"]))
    return Example(model, guide, (torch.tensor([0.0, 1.0, 10.0, 11.0, 12.0]),), TraceEnum_ELBO())


@example("hidden Markov model of sequences")
def hidden_markov() -> Example:
    @config_enumerate
    def model(x: Tensor) -> None:
        probs_x = pyro.sample("probs_x", dist.Dirichlet(0.9 * torch.eye(3) + 0.1).to_event(1))
        probs_y = pyro.sample("probs_y", dist.Beta(0.1, 0.9).expand([3, 2]).to_event(2))
        with pyro.plate("data", len(x), dim=-2):
            state: Any = 0
            for t in pyro.markov(range(x.shape[1])):
                state = pyro.sample(f"state_{t}", dist.Categorical(probs_x[state]))
                with pyro.plate(f"tones_{t}", 2, dim=-1):
                    tones = pyro.ops.indexing.Vindex(probs_y)[state, torch.arange(2)]
                    pyro.sample(f"y_{t}", dist.Bernoulli(tones), obs=x[:, t])

    guide = AutoDelta(poutine.block(model, expose=["probs_x", "probs_y"]))
    x = (torch.rand(4, 3, 2) < 0.4).float()
    return Example(model, guide, (x,), TraceEnum_ELBO(max_plate_nesting=2))


@example("eight schools")
def eight_schools() -> Example:
    def model(y: Tensor, sigma: Tensor) -> None:
        eta = pyro.sample("eta", dist.Normal(torch.zeros(8), 1.0).to_event(1))
        mu = pyro.sample("mu", dist.Normal(0.0, 10.0))
        tau = pyro.sample("tau", dist.HalfCauchy(scale=torch.tensor(25.0)))
        with pyro.plate("data", 8):
            pyro.sample("y", dist.Normal(mu + tau * eta, sigma), obs=y)

    y = torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    sigma = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    return Example(model, AutoLowRankMultivariateNormal(model), (y, sigma), Trace_ELBO())


@example("baseball: partial pooling")
def baseball() -> Example:
    def model(at_bats: Tensor, hits: Tensor) -> None:
        m = pyro.sample("m", dist.Uniform(0.0, 1.0))
        kappa = pyro.sample("kappa", dist.Pareto(torch.tensor(1.0), 1.5))
        with pyro.plate("data", len(hits)):
            phi = pyro.sample("phi", dist.Beta(m * kappa, (1 - m) * kappa))
            pyro.sample("hits", dist.Binomial(at_bats, phi), obs=hits)

    hits = torch.tensor([18.0, 17.0, 16.0, 15.0, 14.0, 13.0])
    return Example(model, AutoNormal(model), (torch.full((6,), 45.0), hits), Trace_ELBO())


@example("latent Dirichlet allocation: words summed out")
def topics() -> Example:
    words, kinds = 7, 3

    @config_enumerate
    def model(documents: Tensor) -> None:
        with pyro.plate("topics", kinds):
            weights = pyro.sample("topic_weights", dist.Gamma(1.0 / kinds, 1.0))
            topic_words = pyro.sample("topic_words", dist.Dirichlet(torch.ones(words) / words))
        with pyro.plate("data", len(documents), dim=-1):
            mixture = pyro.sample("doc_topics", dist.Dirichlet(weights))
            with pyro.plate("words", documents.shape[1], dim=-2):
                topic = pyro.sample("word_topics", dist.Categorical(mixture))
                pyro.sample("doc_words", dist.Categorical(topic_words[topic]), obs=documents.T)

    recognition = Coder(words, kinds, 1)

    def guide(documents: Tensor) -> None:
        pyro.module("recognition", recognition)
        with pyro.plate("topics", kinds):
            pyro.sample("topic_weights", dist.Gamma(positive("shape", 5.0, kinds), 1.0))
            posterior = pyro.param(
                "posterior", torch.ones(kinds, words), constraint=constraints.greater_than(0.5)
            )
            pyro.sample("topic_words", dist.Dirichlet(posterior))
        counts = one_hot(documents, words).float().sum(1)
        with pyro.plate("data", len(documents), dim=-1):
            (logits,) = recognition(counts)
            pyro.sample("doc_topics", dist.Delta(logits.softmax(-1), event_dim=1))

    documents = torch.randint(words, (6, 5))
    return Example(model, guide, (documents,), TraceEnum_ELBO(max_plate_nesting=2))


@example("capture and recapture: survival summed out")
def capture() -> Example:
    @config_enumerate
    def model(seen: Tensor) -> None:
        survival = pyro.sample("phi", dist.Uniform(0.0, 1.0))
        recapture = pyro.sample("rho", dist.Uniform(0.0, 1.0))
        with pyro.plate("data", len(seen)):
            alive, marked = torch.ones(len(seen)), torch.zeros(len(seen)).bool()
            for t in pyro.markov(range(seen.shape[1])):
                with poutine.mask(mask=marked):
                    alive = pyro.sample(f"z_{t}", dist.Bernoulli(survival * alive))
                    pyro.sample(f"y_{t}", dist.Bernoulli(recapture * alive), obs=seen[:, t])
                marked = marked | seen[:, t].bool()

    guide = AutoDiagonalNormal(poutine.block(model, expose=["phi", "rho"]))
    seen = (torch.rand(8, 4) < 0.5).float()
    return Example(model, guide, (seen,), TraceEnum_ELBO(max_plate_nesting=1))


@example("sparse gamma deep exponential family")
def exponential_family() -> Example:
    def model(x: Tensor) -> None:
        with pyro.plate("weights", 2 * 5):
            flat = pyro.sample("w", dist.Gamma(0.1, 0.3))
        w = flat.reshape(2, 5)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Gamma(0.1 * torch.ones(2), 0.1).to_event(1))
            pyro.sample("x", dist.Poisson(z @ w + 1e-3).to_event(1), obs=x)

    def guide(x: Tensor) -> None:
        def gamma(name: str, *shape: int) -> dist.Gamma:
            first, mean = (
                positive(f"{name}_shape", 1.5, *shape),
                positive(f"{name}_mean", 1.0, *shape),
            )
            return dist.Gamma(first, first / mean)

        with pyro.plate("weights", 2 * 5):
            pyro.sample("w", gamma("w", 10))
        with pyro.plate("data", len(x)):
            pyro.sample("z", gamma("z", len(x), 2).to_event(1))

    return Example(model, guide, (torch.randint(0, 6, (6, 5)).float(),))


@example("sparse regression: horseshoe")
def horseshoe() -> Example:
    def model(x: Tensor, y: Tensor) -> None:
        tau = pyro.sample("tau", dist.HalfCauchy(torch.tensor(0.1)))
        lambdas = pyro.sample("lambdas", dist.HalfCauchy(torch.ones(3)).to_event(1))
        beta = pyro.sample("beta", dist.Normal(torch.zeros(3), tau * lambdas).to_event(1))
        sigma = pyro.sample("sigma", dist.InverseGamma(torch.tensor(3.0), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(x @ beta, sigma.sqrt()), obs=y)

    return Example(model, AutoNormal(model), lines(), Trace_ELBO())


@example("logistic regression")
def logistic() -> Example:
    def model(x: Tensor, y: Tensor) -> None:
        w = pyro.sample("w", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Bernoulli(logits=x @ w + b), obs=y)

    x, y = lines()
    return Example(model, AutoNormal(model), (x, (y > 0).float()))


@example("inclined plane")
def inclined_plane() -> Example:
    def model(times: Tensor) -> None:
        mu = pyro.sample("mu", dist.Uniform(0.0, 1.0))
        with pyro.plate("data", len(times)):
            angle = torch.tensor(0.7)
            net = 9.8 * (angle.sin() - mu * angle.cos())
            expected = (2 * 2.0 / net.clamp(min=0.05)).sqrt()
            pyro.sample("x", dist.Normal(expected, 0.2), obs=times)

    def guide(times: Tensor) -> None:
        concentration, share = positive("concentration", 20.0), positive("share", 0.4)
        pyro.sample("mu", dist.Beta(share * concentration, concentration))

    return Example(model, guide, (0.9 + 0.1 * torch.randn(20),))


@example("deep Markov model")
def deep_markov() -> Example:
    class DMM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emitter, self.transition = Coder(2, 4, 1), Coder(2, 2, 2)
            self.rnn, self.combiner = nn.GRU(4, 3, batch_first=True), Coder(5, 2, 2)
            self.first = nn.Parameter(torch.zeros(2))

        def model(self, x: Tensor) -> None:
            pyro.module("dmm", self)
            with pyro.plate("data", len(x)):
                z = self.first.expand(len(x), 2)
                for t in range(x.shape[1]):
                    loc, raw = self.transition(z)
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, softplus(raw)).to_event(1))
                    (logits,) = self.emitter(z)
                    pyro.sample(f"x_{t}", dist.Bernoulli(logits=logits).to_event(1), obs=x[:, t])

        def guide(self, x: Tensor) -> None:
            summary, _ = self.rnn(x.flip(1))
            with pyro.plate("data", len(x)):
                z = self.first.expand(len(x), 2)
                for t in range(x.shape[1]):
                    loc, raw = self.combiner(torch.cat([z, summary[:, -1 - t]], 1))
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, softplus(raw)).to_event(1))

    dmm = DMM()
    return Example(dmm.model, dmm.guide, ((torch.rand(6, 3, 4) < 0.5).float(),))


@example("sparse variational Gaussian process")
def sparse_process() -> Example:
    x = torch.linspace(-1, 1, 20)
    y = (3 * x).sin() + 0.1 * torch.randn(20)

    class Process(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gp = gp.models.VariationalSparseGP(
                x, y, gp.kernels.RBF(1), x[::5].clone(), gp.likelihoods.Gaussian(), jitter=1e-4
            )

        def model(self, x: Tensor, y: Tensor) -> None:
            self.gp.set_data(x, y)
            self.gp.model()

        def guide(self, x: Tensor, y: Tensor) -> None:
            self.gp.set_data(x, y)
            self.gp.guide()

    process = Process()
    return Example(process.model, process.guide, (x, y), settings={"scale_plates": False})


@example("inverse autoregressive flow as a guide")
def flow() -> Example:
    def model(x: Tensor) -> None:
        z = pyro.sample("z", dist.Normal(torch.zeros(2), torch.tensor([3.0, 1.0])).to_event(1))
        mean = torch.stack([z[0], (z[0] / 2).sin() + z[1]])
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0).to_event(1), obs=x)

    guide = AutoIAFNormal(model, hidden_dim=[6], num_transforms=2)
    return Example(model, guide, (torch.randn(12, 2) + 1.0,), Trace_ELBO())


@example("probabilistic topic model of counts")
def prod_lda() -> Example:
    encoder, beta = Coder(7, 3, 2), nn.Linear(3, 7, bias=False)

    def model(counts: Tensor) -> None:
        pyro.module("beta", beta)
        with pyro.plate("data", len(counts)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(counts), 3), 1.0).to_event(1))
            logits = beta(z.softmax(-1))
            total = int(counts.sum(-1).max())
            pyro.sample("counts", dist.Multinomial(total, logits=logits), obs=counts)

    def guide(counts: Tensor) -> None:
        pyro.module("encoder", encoder)
        with pyro.plate("data", len(counts)):
            loc, log_scale = encoder(counts)
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))

    counts = dist.Multinomial(9, probs=torch.ones(7)).sample((8,))
    return Example(model, guide, (counts,))


@example("ordinal regression")
def ordinal() -> Example:
    def model(x: Tensor, y: Tensor) -> None:
        slope = pyro.sample("slope", dist.Normal(0.0, 5.0))
        gaps = pyro.sample("gaps", dist.LogNormal(torch.zeros(2), 1.0).to_event(1))
        cuts = torch.cat([-gaps[:1], gaps[1:]])
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.OrderedLogistic(slope * x, cuts), obs=y)

    x = torch.randn(25)
    return Example(model, AutoNormal(model), (x, (x > 0).long() + (x > 1).long()), Trace_ELBO())
