"""The command line: what it prints, what it writes, and one sentence where something is wrong."""

import html
import inspect
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plausible.inference.cli import main
from plausible.inference.recipes import RECIPES


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


TINY = ["linear-vae", "--steps", "20", "--size", "50"]


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--version") == 0
    assert capsys.readouterr().out.split() == ["plausible", version("plausible")]


def test_the_list_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("train", "--list") == 0
    out = " ".join(capsys.readouterr().out.split())
    for name, recipe in RECIPES.items():
        assert f"{name} {(inspect.getdoc(recipe) or '').splitlines()[0]}" in out


@pytest.mark.parametrize("recipe", ["vae", "vae-forces", "linear-vae"])
def test_help_explains_every_option(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("train", recipe, "--help") == 0
    out = capsys.readouterr().out
    assert "--no-" not in out and "--empty-" not in out and "--overwrite" in out
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
    assert record["command"].startswith("plausible train vae --data ")
    page = (run / "index.html").read_text(encoding="utf-8")
    shown = (record["command"], record["date"], f"plausible sample {run}", "train vae --help")
    assert all(html.escape(text) in page for text in shown)
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


def test_a_run_takes_the_place_of_another_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen failing with the check taken out: the second run replaced the first."""
    command = ("train", *TINY, "--out", str(tmp_path))
    assert status(*command) == 0
    (tmp_path / "notes.txt").write_text("mine")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert status(*command, "--seed", "1") == 5
    err = capsys.readouterr().err
    assert f"holds a run: plausible {' '.join(command)} (" in err
    assert "--overwrite trains anew" in err and "--resume" not in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    assert status(*command, "--seed", "1", "--overwrite") == 0
    assert json.loads((tmp_path / "run.json").read_text())["arguments"]["seed"] == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_pictures_of_the_run_that_went_are_gone(run: Path, tmp_path: Path, images: Path) -> None:
    command = ["train", "vae", "--data", str(images), "--hidden", "16", "--epochs", "1"]
    assert status(*command, "--out", str(tmp_path)) == 0
    assert (tmp_path / "latents.png").exists()
    wide = ["--latent-size", "3", "--out", str(tmp_path), "--overwrite"]
    assert status(*command, *wide) == 0
    assert not (tmp_path / "latents.png").exists() and (tmp_path / "samples.png").exists()


def test_other_recipes_run(tmp_path: Path, images: Path) -> None:
    assert status("train", *TINY, "--out", str(tmp_path / "linear")) == 0
    forces = ["--data", str(images), "--epochs", "1", "--out", str(tmp_path / "forces")]
    assert status("train", "vae-forces", *forces) == 0
    assert (tmp_path / "linear" / "decomposition.png").exists()
    assert (tmp_path / "forces" / "forces.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (["trian"], 'Unknown command "trian". Did you mean "train"?', 2),
        (["train", "vea"], "Unknown recipe 'vea'. Did you mean 'vae'?", 2),
        (["train", "vae", "--epoch", "3"], "Unknown option: --epoch. Did you mean --epochs?", 2),
        (["train", "vae", "--likelihood", "normla"], 'Did you mean "normal"?', 2),
        (["train", "vae", "--epochs", "many"], 'unable to convert "many" into int', 2),
        (["train", "vae", "digits"], "Nothing takes 'digits'.", 2),
        (["train", "vae", "--overwrite", "--resume"], "--overwrite or --resume, not both", 2),
        (["train", "vae", "--data", "digts"], "Did you mean 'digits'?", 2),
        (["train", "vae", "--data", "./digits"], "There is no folder digits", 3),
        (["train", "vae", "--epochs", "0"], "epochs", 4),
        (["train", "vae", "--particles", "5", "--beta", "2"], "has no KL weight", 4),
        (["train", "vae", "--lr", "-1"], "learning rate must be positive", 4),
        (["train", "vae", "--out", "/proc/nowhere/vae"], "Nothing can be written", 5),
        (["train", "vae", "--resume"], "There is no checkpoint at runs/vae", 5),
        (["sample"], "RUN requires an argument", 2),
        (["sample", "no/such/run"], "There is no checkpoint at no/such/run", 5),
        (["sample", "no/such/run", "--size", "0"], "at least 1", 2),
        (["evaluate", "no/such/run"], "There is no checkpoint at no/such/run", 5),
    ],
)
def test_an_error_is_one_line_with_the_code_of_its_kind_and_leaves_nothing_behind(
    arguments: list[str], sentence: str, code: int, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # Seen failing with the folder of the run made and not taken away.
    monkeypatch.chdir(tmp_path)
    assert status(*arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("plausible: ") and output.err.count("\n") == 1
    assert sentence in output.err
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_nobody_foresaw_names_its_kind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("plausible.inference.training.checkpoints.read_checkpoint", broken)
    assert status("sample", str(tmp_path)) == 1
    err = capsys.readouterr().err
    assert err == "plausible: ZeroDivisionError: division by zero (--debug shows where)\n"


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("sample", "no/such/run", "--debug") == 5
    assert "Traceback" in capsys.readouterr().err


STOPPED = """
import os, signal, sys
from plausible.inference.cli import main
from plausible.inference.training.loop import Run
after = Run._after
def stop_at_once(self, bar):
    os.kill(os.getpid(), signal.SIGINT)
    return after(self, bar)
Run._after = stop_at_once
main(sys.argv[1:])
"""


def test_interrupted_training_says_how_to_go_on_and_does(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "vae"
    command = ["train", "vae", "--hidden", "16", "--data", str(images), "--out", str(out)]
    process = subprocess.run(
        [sys.executable, "-c", STOPPED, *command, "--epochs", "4"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.returncode == 130
    assert process.stderr.startswith("plausible: Stopped after ")
    assert process.stderr.endswith("Go on with the same command and --resume.\n")
    assert not (out / "index.html").exists()
    record = json.loads((out / "run.json").read_text())
    assert record["arguments"]["data"] == str(images) and record["facts"] == {}
    assert status(*command, "--epochs", "4") == 5
    assert status(*command, "--epochs", "4", "--resume") == 0
    assert "Held-out ELBO" in json.loads((out / "run.json").read_text())["facts"]


def test_ctrl_c_after_training_keeps_what_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("plausible.inference.recipes.outcome.Outcome.write", interrupted)
    out = tmp_path / "run"
    assert status("train", *TINY, "--out", str(out)) == 130
    assert capsys.readouterr().err == f"plausible: Stopped. Saved: {out / 'checkpoint.pt'}.\n"
    assert {path.name for path in out.iterdir()} == {"checkpoint.pt", "run.json"}
