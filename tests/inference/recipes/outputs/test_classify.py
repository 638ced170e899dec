"""Classes with probabilities: intervals, calibration and errors are those of known answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest

from plausible.inference.recipes.outcome import Outcome
from plausible.inference.recipes.outputs.classify import calibration, classify, wilson
from plausible.models import ModelError


@pytest.mark.parametrize(("right", "total"), [(0, 20), (7, 20), (959, 1000), (1000, 1000)])
def test_the_interval_of_a_share_is_wilsons(right: int, total: int) -> None:
    expected = binomtest(right, total).proportion_ci(0.95, method="wilson")
    low, high = wilson(right, total)
    assert low == pytest.approx(expected.low, abs=1e-5)
    assert high == pytest.approx(expected.high, abs=1e-5)


def statements(size: int, sharpness: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities of three classes raised to a power, and labels drawn from the true ones."""
    true = torch.distributions.Dirichlet(torch.ones(3)).sample((size,))
    labels = torch.distributions.Categorical(true).sample()
    stated = true**sharpness
    return stated / stated.sum(-1, keepdim=True), labels


def test_probabilities_that_are_true_lie_on_the_diagonal() -> None:
    """Every bin within four standard errors; the gap of 20,000 answers in seven bins is noise.

    The expected gap of a perfect model is about the mean of |N(0, p(1 - p)/n)| over its bins: .006.
    """
    stated, observed, errors, gap = calibration(*statements(20_000, 1.0))
    assert len(stated) == 10
    assert bool(((stated - observed).abs() < 4 * errors).all())
    assert gap < 0.012


def test_the_gap_of_an_overconfident_model_is_what_it_overstates() -> None:
    """It says .9 for one class and is right six times of ten: the gap is .3."""
    probabilities = torch.tensor([[0.9, 0.05, 0.05]]).expand(1000, 3)
    labels = torch.zeros(1000, dtype=torch.long)
    labels[:400] = 1
    stated, observed, errors, gap = calibration(probabilities, labels)
    assert gap == pytest.approx(0.3, abs=1e-6)
    assert stated.tolist() == pytest.approx([0.05, 0.9])
    assert observed.tolist() == pytest.approx([0.2, 0.6])
    assert errors.tolist() == pytest.approx([(0.2 * 0.8 / 2000) ** 0.5, 0.0155], rel=0.02)
    assert calibration(*statements(20_000, 3.0))[3] > 0.1


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred and twenty images of three kinds: bars to the left, to the right, and above."""
    folder = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    for i in range(120):
        pixels = random.integers(0, 90, (8, 8), dtype=np.uint8)
        name, part = [("left", np.s_[:, :3]), ("right", np.s_[:, 5:]), ("top", np.s_[:3])][i % 3]
        pixels[part] = 240
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def named(outcome: Outcome) -> set[str]:
    """What the unsure images are said to be, each compared with its pixels."""
    bars = {"left": np.s_[:, :3], "right": np.s_[:, 5:], "top": np.s_[:3]}
    names = set()
    for axes in outcome.pictures[0].figure.axes:
        if axes.images:
            name = axes.texts[0].get_text().rpartition("is ")[2]
            assert float(np.asarray(axes.images[0].get_array())[bars[name]].min()) > 0.9
            names.add(name)
    return names


@pytest.mark.parametrize("network", ["mlp", "convolutional"])
def test_plain_shapes_are_told_apart(shapes: Path, tmp_path: Path, network: str) -> None:
    outcome = classify(
        data=str(shapes), network=network, hidden=(16,), epochs=30, batch_size=32, lr=1e-2,
        out=tmp_path,
    )  # type: ignore[arg-type] # fmt: skip
    facts = outcome.facts
    assert "3 classes" in facts["Data"]
    assert facts["Right"].startswith("100.00 %")
    assert float(facts["Cross-entropy"].split()[0]) < 0.1
    assert [picture.name for picture in outcome.pictures] == ["unsure", "reliability", "loss"]
    assert named(outcome) == {"left", "right", "top"}
    assert (tmp_path / "checkpoint.pt").exists()


def test_two_classes_of_three_are_a_coin(shapes: Path, tmp_path: Path) -> None:
    """Positions 2 and 0 become labels 0 and 1; seen failing with names that do not follow."""
    outcome = classify(
        data=str(shapes), network="mlp", hidden=(16,), classes=(2, 0), epochs=30, batch_size=16,
        lr=1e-2, out=tmp_path,
    )  # fmt: skip
    assert "2 classes" in outcome.facts["Data"]
    assert outcome.facts["Right"].startswith("100.00 %")
    assert outcome.fit is not None and outcome.fit.model.classes == 2
    assert named(outcome) == {"left", "top"}


def test_what_cannot_be_classified_is_refused(shapes: Path, tmp_path: Path) -> None:
    for classes in ((1,), (0, 0), (0, 7), (-1, 0)):
        with pytest.raises(ModelError, match="two or more different positions from 0 to 2"):
            classify(data=str(shapes), classes=classes, out=tmp_path)
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (shapes / "left").iterdir():
        (flat / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="has no labels"):
        classify(data=str(flat), out=tmp_path)


@pytest.mark.slow
def test_digits_are_read_and_their_probabilities_can_be_believed(tmp_path: Path) -> None:
    """At least 94 % of 1,000 held-out digits, the lower end of the interval above 92 %.

    The calibration error is below 4 points; sampling alone gives a perfect model about 1.
    """
    facts = classify(out=tmp_path).facts
    right, _, low, _ = (float(part) for part in _numbers(facts["Right"]))
    assert right >= 94 and low > 92
    assert float(facts["Expected calibration error"].split()[0]) < 4
    assert float(facts["Cross-entropy"].split()[0]) < 0.2


def _numbers(text: str) -> list[str]:
    import re

    return re.findall(r"\d+\.?\d*", text)
