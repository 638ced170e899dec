"""The recipe `mode-collapse`: measures with closed forms, and one Gaussian below a mixture."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from plausible.inference.data.toys import clusters, clusters_density
from plausible.inference.recipes.common import Trainer
from plausible.inference.recipes.outputs.mode_collapse import (
    entropy,
    fitted,
    mode_collapse,
    share_far,
    share_outside,
)
from plausible.inference.recipes.record import Record
from plausible.models import ModelError


def numbers(text: str) -> list[float]:
    return [
        float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*\.?\d*", text.replace("−", "-"))
    ]


def standard(x: Tensor) -> Tensor:
    return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(-1)


def test_the_entropy_is_that_of_the_closed_form() -> None:
    assert entropy(standard) == pytest.approx(math.log(2 * math.pi * math.e), abs=1e-5)
    density = clusters_density()
    apart = -(density.weights * density.weights.log()).sum() + math.log(2 * math.pi * math.e)
    apart = apart + (density.weights * density.scale.log().sum(-1)).sum()
    # clusters that do not overlap have the entropies of the choice and of each cluster, added up;
    # these overlap hardly
    assert entropy(density.log_prob) == pytest.approx(float(apart), abs=2e-3)
    assert entropy(density.log_prob) < float(apart)


def test_the_share_where_no_data_is_has_its_closed_form() -> None:
    """Data N(0, I), draws N(0, s² I): the draws outside 99.9 % are .001^(1 / s²).

    The level, a quantile of 200,000 data, has a relative error of 7 %, the share 7 % / s² of it;
    four of these, and four binomial standard errors. Seen failing with the level of 99 %.
    """
    data = torch.randn(200_000, 2)
    for s in (1.0, 2.0, 4.0):
        exact = 0.001 ** (1 / s**2)
        error = math.hypot(0.07 / s**2 * exact, math.sqrt(exact / 200_000))
        found = share_outside(s * torch.randn(200_000, 2), standard, data)
        assert found == pytest.approx(exact, abs=4 * error)


def test_one_percent_of_fresh_data_is_far_from_data_and_all_of_distant_draws_are() -> None:
    """Binomial and quantile errors of 1,000: 1 % ± 4 × .5 %, in any units."""
    x = torch.randn(1000, 2)
    for unit in (1.0, torch.tensor([1e-3, 50.0])):
        assert share_far(torch.randn(1000, 2) * unit, x * unit) == pytest.approx(0.01, abs=0.02)
        assert share_far((torch.randn(1000, 2) + 20) * unit, x * unit) == 1.0
    assert share_far(x, x) == 0.0


def test_the_peak_of_a_single_gaussian_is_where_no_data_is() -> None:
    """The mean of the clusters, at any size: below the density of 99.9 % of the data by far.

    Seen failing with a fifth cluster at (.5, .3), in whose edge the peak lay.
    """
    for seed in range(3):
        x = clusters(2000, seed)
        log_density = clusters_density().log_prob
        level = log_density(clusters(20_000, seed + 10)).quantile(0.001)
        assert float(log_density(x.mean(0, keepdim=True))) < float(level) - 5


def test_one_fitted_gaussian_is_the_closed_form_of_maximum_likelihood() -> None:
    """Correlated points on strange scales: 1e-4 nats, for Adam's last steps."""
    x = torch.randn(500, 2) @ torch.tensor([[2.0, 30.0], [0.0, 10.0]]) + torch.tensor([5.0, -300.0])
    model, run = fitted(x, 1, 600, 5e-2, Trainer(0, "cpu"))
    exact = torch.distributions.MultivariateNormal(x.mean(0), x.T.cov(correction=0)).log_prob(x)
    reached = model.log_prob(torch.zeros(500, 1), x)
    assert run.backend.engine in ("captured", "compiled")
    assert 0 <= float((exact.double() - reached.double()).mean()) + 1e-5 < 1e-4


def test_one_gaussian_is_below_the_mixture_and_has_its_mass_where_no_data_is() -> None:
    """Four clusters, 5,000 held out: by more than 1.5 nats, with a standard error of .02.

    The mixture is within .1 nats of the entropy, the Gaussian's mass is out by more than a third.
    """
    train, held_out = clusters(6000, 1).split([1000, 5000])
    exact = clusters_density().log_prob
    scores, shares = [], []
    for components in (1, 8):
        model, _ = fitted(train, components, 500, 5e-2, Trainer(0, "cpu"))
        scores.append(model.log_prob(torch.zeros(5000, 1), held_out))
        draws = model.sample(torch.zeros(5000, 1))[0]
        shares.append(share_outside(draws, exact, held_out))
    assert float((scores[1] - scores[0]).mean()) > 1.5
    assert float((exact(held_out) - scores[1]).mean()) < 0.1
    assert shares[0] > 1 / 3 and shares[1] < 0.03


@pytest.mark.slow
def test_the_recipe_shows_it_on_clusters_and_on_old_faithful(tmp_path: Path) -> None:
    """Differences of five standard errors or more on held-out data; the floor is not passed."""
    facts = (outcome := mode_collapse(size=1000, steps=500, out=tmp_path)).facts
    exact, _, by_entropy = numbers(facts["Exact density"])
    assert numbers(facts["Mixture of 8"])[0] < exact
    peak, _, level = numbers(facts["Peak of the single Gaussian"])
    assert peak < level
    assert exact == pytest.approx(by_entropy, abs=4 * numbers(facts["Exact density"])[1])
    closed, trained = (numbers(facts[k])[0] for k in ("Best single Gaussian", "One Gaussian"))
    assert trained == pytest.approx(closed, abs=2e-3)
    for label in ("Mixture above the Gaussian by", "Old Faithful, mixture above the Gaussian by"):
        difference, error = numbers(facts[label])
        assert difference > 5 * error
    out = numbers(facts["Mass where no data is"])
    far = numbers(facts["Old Faithful, mass far from every eruption"])
    assert out[0] > 50 and far[0] > 3 * far[3]
    assert {p.name: len(p.figure.axes) for p in outcome.pictures} == {
        "clusters": 2,
        "old-faithful": 2,
    }
    first = outcome.pictures[1].figure.axes[0]
    assert "minutes" in first.get_xlabel() and "minutes" in first.get_ylabel()
    record = Record.now("mode-collapse", "plausible train mode-collapse", {"seed": 0})
    assert outcome.write(record, "Collapse").exists()


def test_a_mixture_of_one_is_refused() -> None:
    with pytest.raises(ModelError, match="components at least 2, but got 2000 and 1"):
        mode_collapse(components=1)
