"""The command line: what it prints, what it writes, and one sentence where something is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plausible.inference.cli import main


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images, 8 x 8, of two kinds."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for i in range(40):
        pixels = random.integers(0, 60, (8, 8), dtype=np.uint8)
        pixels[:, : 4 if i % 2 else 2] = 250
        kind = folder / ("wide" if i % 2 else "narrow")
        kind.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(kind / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    small = ["--hidden", "16", "--epochs", "3", "--batch-size", "8"]
    assert status("train", "vae", "--data", str(images), *small, "--out", str(out)) == 0
    return out


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--version") == 0
    assert capsys.readouterr().out.split() == ["plausible", version("plausible")]


def test_the_list_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    from plausible.inference.recipes import RECIPES

    assert status("train", "--list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in RECIPES)


@pytest.mark.parametrize("recipe", ["vae", "vae-forces", "linear-vae"])
def test_help_explains_every_option(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    import inspect

    from plausible.inference.recipes import RECIPES

    assert status("train", recipe, "--help") == 0
    out = capsys.readouterr().out
    for name, parameter in inspect.signature(RECIPES[recipe]).parameters.items():
        assert f"--{name.replace('_', '-')}" in out
        assert parameter.default is not inspect.Parameter.empty


def test_a_run_leaves_checkpoint_pictures_page_and_record(run: Path) -> None:
    written = {path.name for path in run.iterdir()}
    assert {"checkpoint.pt", "run.json", "index.html", "latents.png", "samples.png"} <= written
    record = json.loads((run / "run.json").read_text())
    assert record["recipe"] == "vae"
    assert record["arguments"]["epochs"] == 3
    assert record["version"] == version("plausible")
    assert "±" in record["facts"]["Held-out ELBO"]


def test_sample_and_evaluate_read_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "samples.png").unlink()
    assert status("sample", str(run), "--size", "6") == 0
    assert Image.open(run / "samples.png").size[0] > 0
    assert status("sample", str(run), "--pixels", "drawn", "--out", str(run / "drawn.png")) == 0
    assert (run / "drawn.png").exists()
    capsys.readouterr()
    assert status("evaluate", str(run), "--particles", "5") == 0
    out = capsys.readouterr().out
    assert "Held-out ELBO" in out
    recorded = json.loads((run / "run.json").read_text())["facts"]["Held-out ELBO"]
    assert recorded.split(" ")[0] in out  # the same data, the same draws


def test_other_recipes_run(tmp_path: Path, images: Path) -> None:
    assert status("train", "linear-vae", "--steps", "30", "--out", str(tmp_path / "linear")) == 0
    forces = ["--data", str(images), "--epochs", "1", "--out", str(tmp_path / "forces")]
    assert status("train", "vae-forces", *forces) == 0
    assert (tmp_path / "linear" / "decomposition.png").exists()
    assert (tmp_path / "forces" / "forces.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "vea"], "Unknown recipe 'vea'. Did you mean 'vae'?"),
        (["train", "vae", "--data", "digts"], "Did you mean 'digits'?"),
        (["train", "vae", "--epochs", "0"], "epochs"),
        (["train", "vae", "--particles", "5", "--beta", "2"], "has no KL weight"),
        (["train", "vae", "--out", "/proc/nowhere/vae"], "Nothing can be written"),
        (["train", "vae", "--lr", "-1"], "learning rate must be positive"),
        (["sample", "no/such/run"], "There is no checkpoint at no/such/run"),
        (["evaluate", "no/such/run"], "There is no checkpoint at no/such/run"),
    ],
)
def test_an_error_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert status(*arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("plausible: ")
    assert sentence in err
    assert "Traceback" not in err


def test_a_wrong_choice_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("train", "vae", "--likelihood", "normla") != 0
    assert 'Did you mean "normal"?' in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("sample", "no/such/run", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_training_says_how_to_go_on_and_does(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "vae"
    command = [
        sys.executable,
        "-m",
        "plausible.inference.cli.app",
        "train",
        "vae",
        "--hidden",
        "16",
    ]
    command += ["--data", str(images), "--epochs", "100000", "--out", str(out)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(8)  # into the loop: Fabric is imported after the folder is made
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert (out / "checkpoint.pt").exists()
