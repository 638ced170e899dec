"""What recipes share: models are trained one after the other, announced, and end on the CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch

from plausible.inference.data import Images
from plausible.inference.recipes import common
from plausible.inference.recipes.common import (
    Interrupted,
    Trainer,
    draws_images,
    is_ink,
    scores_images,
)
from plausible.inference.recipes.record import Record
from plausible.models import VAE, CheckpointError, Classifier, ConditionalGenerator
from plausible.models.generators.generator import GeneratorNetwork


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(common, "stage", heard.append)
    return heard


def test_each_model_is_announced_by_its_number(stages: list[str]) -> None:
    trainer = Trainer(0, "cpu", models=2)
    for _ in range(2):
        trainer.fit(VAE((3,), 1, "normal", hidden=(4,)), torch.randn(20, 3), steps=2)
    assert stages == ["training 1 of 2", "evaluating", "training 2 of 2", "evaluating"]
    Trainer(0, "cpu").fit(VAE((3,), 1, "normal", hidden=(4,)), torch.randn(20, 3), steps=2)
    assert stages[4:] == ["training", "evaluating"]


def test_a_trainer_passes_its_seed_device_and_precision_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {}

    class Run:
        interrupted = False

    def fit(model: Any, data: Any, **settings: Any) -> Run:
        given.update(settings)
        return Run()

    monkeypatch.setattr(common, "fit", fit)
    Trainer(7, "mps", "bf16").fit(torch.nn.Linear(1, 1), None, steps=3)
    assert given == {"seed": 7, "device": "mps", "precision": "bf16", "steps": 3}


def test_ctrl_c_ends_the_recipe_with_the_run_that_was_stopped(
    stages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Run:
        interrupted, steps = True, 1234

    monkeypatch.setattr(common, "fit", lambda *_, **__: Run())
    with pytest.raises(Interrupted, match=r"Stopped after 1,234 steps\.") as stop:
        Trainer(0, "cpu").fit(torch.nn.Linear(1, 1), None)
    assert isinstance(stop.value.run, Run) and isinstance(stop.value, KeyboardInterrupt)
    assert stages == ["training"]


def test_only_unconditional_models_of_images_draw_them_and_only_encoders_score_them() -> None:
    image = (1, 8, 8)
    vae = VAE(image, 2, hidden=(4,))
    generator = GeneratorNetwork(image, 2, hidden=(4,))
    others = [
        VAE((3,), 2, "normal", hidden=(4,)),
        ConditionalGenerator((2,), image, 2, hidden=(4,)),
        Classifier(image, 2, "mlp", (4,)),
        torch.nn.Linear(1, 1),
    ]
    assert draws_images(vae) and draws_images(generator)
    assert scores_images(vae) and not scores_images(generator)
    assert not any(draws_images(model) or scores_images(model) for model in others)


def test_strokes_on_black_are_ink_and_colours_are_not() -> None:
    dark = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    assert is_ink(Images("dark", dark, dark))
    assert not is_ink(Images("light", dark + 255, dark))
    colours = dark.expand(4, 3, 8, 8)
    assert not is_ink(Images("colours", colours, colours))


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = Record.now("vae", "plausible train vae --out a", {"seed": 0, "out": Path("a")})
    record.write(tmp_path)
    back = Record.read(tmp_path)
    assert back is not None and back.arguments == {"seed": 0, "out": "a"}
    assert (back.command, back.date, back.version) == (record.command, record.date, record.version)
    assert str(back) == f"plausible train vae --out a ({record.date})"
    assert Record.read(tmp_path / "nowhere") is None


def test_records_of_earlier_versions_are_read_and_damaged_ones_named(tmp_path: Path) -> None:
    earlier = '{"recipe": "vae", "arguments": {}, "facts": {}, "version": "0.1.0"}'
    (tmp_path / "run.json").write_text(earlier)
    record = Record.read(tmp_path)
    assert record is not None and str(record) == "plausible train vae"
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match="not the record of a run"):
        Record.read(tmp_path)
