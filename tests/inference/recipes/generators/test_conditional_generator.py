"""One input, many outputs: drawn by running the model, and all of one input."""

from pathlib import Path

import torch

from plausible.inference.recipes.generators.conditional_generator import (
    Recognition,
    ancestral,
    conditional_generator,
)
from plausible.models import DiagonalNormal
from plausible.models.generators.generator import ConditionalGenerator


def test_outputs_of_the_model_follow_the_mean_and_scale_at_its_own_latents() -> None:
    """(x - μ(z, c)) / σ(z, c) is N(0, 1): four standard errors of 80,000 numbers.

    μ varies between draws for one input. Seen failing with the scale taken for the variance.
    """
    torch.manual_seed(0)
    model = ConditionalGenerator((2,), (1, 2, 2), 3, DiagonalNormal("softplus"), hidden=(8,))
    drawn = ancestral(model, torch.ones(20_000, 2), seed=1)
    residual = (drawn["x"] - drawn["mean"]) / drawn["scale"]
    assert abs(float(residual.mean())) < 4 / 80_000**0.5
    assert abs(float(residual.square().mean()) - 1) < 4 * (2 / 80_000) ** 0.5
    assert (drawn["mean"].std(0) > 0.01).all()
    again = ancestral(model, torch.ones(20_000, 2), seed=1)
    assert torch.equal(again["x"], drawn["x"])


def test_the_guide_has_a_latent_for_every_pair() -> None:
    guide = Recognition((1, 2, 4), (1, 2, 4), 3, (8,))
    q = guide.encode(torch.rand(5, 1, 2, 4), torch.rand(5, 1, 2, 4))
    assert q.batch_shape == (5,) and q.event_shape == (3,)


def test_a_short_run_shows_different_outputs_for_one_input(tmp_path: Path) -> None:
    """Two epochs are enough for outputs that differ; the input stays the same in all of them."""
    outcome = conditional_generator(hidden=(64,), epochs=2, out=tmp_path)
    samples, drawn = outcome.pictures
    assert (samples.name, drawn.name) == ("samples", "ancestral")
    sheets = [axes.images[0].get_array() for axes in samples.figure.axes]
    upper = len(sheets[0]) // 2
    names = [axes.get_yticklabels()[0].get_text() for axes in samples.figure.axes]
    assert names == ["input", "truth", *(f"output {k}" for k in range(1, 7))]
    for sheet in sheets[3:]:
        assert (sheet[:upper] == sheets[0][:upper]).all()
        assert (sheet[upper:] != sheets[2][upper:]).any()
    assert (tmp_path / "checkpoint.pt").exists()
