"""Checkpoints that version 0.1.0 wrote load, and their models answer what they answered then."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from old_models import ANSWERS, GIVEN, OWN, RESUMED, SMALL, Y, bits, mean_guide, mean_model, numbers

from plausible.inference import fit, load
from plausible.models import VAE, CheckpointError

pytestmark = pytest.mark.usefixtures("one_thread")

OLD = Path(__file__).parent / "old_checkpoints"
EXPECTED = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
# Sums in single precision, which other processors add up in another order.
REL, ABS = 1e-5, 1e-6

# Only `load` is imported; each file then is loaded in a process of its own, whose modules are those
# that loading that file brought in. `old_models`, which computes the answers, comes after it.
ALONE = """
import json, os, sys
from plausible.inference import load

folder, code, *names = sys.argv[1:]
for name in names:
    child = os.fork()
    if not child:
        model = load(f"{folder}/{name}.pt")
        assert "old_models" not in sys.modules
        sys.path.insert(0, code)
        from old_models import ANSWERS, numbers
        line = json.dumps([name, numbers(ANSWERS[name], model)]) + "\\n"
        os.write(1, line.encode())
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{name} was not loaded")
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints as they were written; here they are kept compressed."""
    folder = tmp_path_factory.mktemp("old")
    for packed in OLD.glob("*.pt.gz"):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def test_every_old_file_is_loaded_by_a_test(files: Path) -> None:
    assert {file.stem for file in files.iterdir()} == {*ANSWERS, *OWN, *GIVEN, *RESUMED}


# Seen failing with weights that were read and then multiplied by 1.0001.
@pytest.mark.parametrize("name", [*ANSWERS, *OWN])
def test_an_old_model_loads_and_answers_as_it_did(name: str, files: Path) -> None:
    model = load(files / f"{name}.pt")
    answers = numbers({**ANSWERS, **OWN}[name], model)
    assert answers == pytest.approx(EXPECTED[name], rel=REL, abs=ABS)
    assert not model.training


def test_constructor_arguments_of_old_files_are_kept(files: Path) -> None:
    one = load(files / "own-subclass.pt")
    assert one.note == "kept" and one.likelihood.config() == {"scale": "learned", "min_scale": 0.01}
    assert type(load(files / "own-vae.pt")).__name__ == "OwnVAE"


@pytest.mark.parametrize("name", GIVEN)
def test_an_old_model_that_no_file_describes_loads_into_one_that_is_given(
    name: str, files: Path
) -> None:
    build, answer = GIVEN[name]
    with pytest.raises(CheckpointError, match="does not say how to build its model"):
        load(files / f"{name}.pt")
    model = load(files / f"{name}.pt", model=build())
    assert numbers(answer, model) == pytest.approx(EXPECTED[name], rel=REL, abs=ABS)


@pytest.mark.parametrize("name", RESUMED)
def test_an_old_run_is_taken_up_again(name: str, files: Path, tmp_path: Path) -> None:
    if name == "vae-mlp":
        model, guide = VAE(SMALL, 2, "bernoulli", hidden=(4, 3), activation="tanh"), None
        options = {"data": bits(5, *SMALL), "batch_size": 2}
    else:
        model, guide, options = mean_model, mean_guide, {"data": Y}
    old = files / f"{name}.pt"
    run = fit(
        model,
        guide=guide,
        **options,
        steps=5,
        resume=old,
        out=tmp_path,
        device="cpu",
        compile=False,
    )
    expected = EXPECTED[f"{name} resumed"]
    assert run.steps == 5
    assert run.loss.tolist() == pytest.approx(expected["loss"], rel=REL, abs=ABS)
    params = {key: float(value) for key, value in run.params.items()}
    assert params == pytest.approx(expected["params"], rel=REL, abs=ABS)


def test_old_files_load_where_only_load_was_imported(files: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(files), str(Path(__file__).parent), *ANSWERS]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [name for name, _ in lines] == list(ANSWERS)
    for name, answers in lines:
        assert answers == pytest.approx(EXPECTED[name], rel=REL, abs=ABS), name


# Seen failing with a registry that imported the module that the file names.
def test_an_old_file_does_not_import_a_users_module(files: Path) -> None:
    code = (
        "import sys\n"
        "from plausible.inference import load\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "try:\n"
        f"    load({str(files / 'own-subclass.pt')!r})\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, 'old_models' in sys.modules, error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("CheckpointError False") and "Named" in run.stdout
