"""Checkpoint files: damaged, foreign or refused by the disk, and models loaded from them."""

import os
import pickle
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from torch import Tensor, nn

import plausible.inference.training.checkpoints as checkpoints
from plausible.inference import Progress, fit, load
from plausible.inference.training.checkpoints import FORMAT, read_checkpoint, write_checkpoint
from plausible.models import (
    VAE,
    CheckpointError,
    GenerativeModel,
    ImportanceWeighted,
    Normal,
    UnknownName,
)

pytestmark = pytest.mark.usefixtures("one_thread")


# Files that are damaged, foreign, or of another time.


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused_and_the_previous_one_goes_on(
    kept: float, folder: Path
) -> None:
    latest = folder / "checkpoint.pt"
    whole = latest.read_bytes()
    latest.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=r"not a whole.*before it is whole: use .*previous"):
        toys.run("pyro.param", folder, 6, resume=True)
    resumed = toys.run("pyro.param", folder / "previous.pt", 6, resume=True)
    assert torch.equal(resumed.loss, toys.run("pyro.param", folder / "whole", 6).loss)


def test_a_flipped_byte_in_the_weights_is_noticed(folder: Path) -> None:
    latest = folder / "checkpoint.pt"
    weights = torch.arange(1000.0)
    write_checkpoint(folder, {**toys.content(folder), "weights": {"w": weights}, "seconds": 0.0})
    raw = bytearray(latest.read_bytes())
    raw[bytes(raw).index(weights.numpy().tobytes()) + 2000] ^= 16
    latest.write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"damaged: .* The one before it is whole"):
        read_checkpoint(folder)


class Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("trap"),))


def foreign(name: str, file: Path) -> None:
    if name == "text":
        file.write_text("not a checkpoint\n")
    elif name == "another program's":
        torch.save({"model_state_dict": {"w": torch.zeros(2)}}, file)
    elif name == "a tensor":
        torch.save(torch.zeros(2), file)
    elif name == "a pickle with code":
        file.write_bytes(pickle.dumps(Trap()))
    elif name == "a PyTorch file with code":
        torch.save({"kind": "plausible-checkpoint", "format": FORMAT, "weights": Trap()}, file)
    elif name == "half of one":
        torch.save({"kind": "plausible-checkpoint", "format": FORMAT, "weights": {}}, file)
    elif name == "a later format":
        torch.save({"kind": "plausible-checkpoint", "format": FORMAT + 1}, file)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "not a whole Plausible checkpoint"),
        ("another program's", "not a checkpoint of Plausible"),
        ("a tensor", "not a checkpoint of Plausible"),
        ("a pickle with code", "not a whole Plausible checkpoint"),
        ("a PyTorch file with code", "not a whole Plausible checkpoint"),
        ("half of one", "lacks model, engine_state"),
        ("a later format", rf"format {FORMAT + 1}; .* up to {FORMAT}: install a later Plausible"),
    ],
)
def test_a_foreign_file_is_one_clear_sentence_and_runs_no_code(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "checkpoint.pt"
    foreign(name, file)
    for read in (lambda: load(tmp_path), lambda: toys.run("pyro.param", file, 3, resume=True)):
        with pytest.raises(CheckpointError, match=message) as caught:
            read()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "trap").exists()


def test_a_missing_checkpoint_says_where_it_was_looked_for(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "runs" / "vae"):
        with pytest.raises(CheckpointError, match=f"no checkpoint at {path}"):
            load(path)


@pytest.mark.parametrize("moment", [1, 2])
def test_a_crash_between_the_renames_loses_no_checkpoint(
    moment: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, renames = toys.content(folder), []
    replace = os.replace

    class Crash(BaseException):
        pass

    def crash(source: Any, target: Any) -> None:
        if len(renames) == moment - 1:
            raise Crash
        renames.append(target)
        replace(source, target)

    monkeypatch.setattr(checkpoints.os, "replace", crash)
    with pytest.raises(Crash):
        write_checkpoint(folder, {**before, "step": 99, "seconds": 0.0})
    monkeypatch.undo()
    toys.assert_same(toys.content(folder), before)
    write_checkpoint(folder, {**before, "step": 99, "seconds": 0.0})
    assert toys.content(folder)["step"] == 99


def test_kills_leave_no_litter(folder: Path) -> None:
    (folder / ".checkpoint.tmp").write_bytes(b"half")  # what a kill while writing leaves
    toys.run("pyro.param", folder, 6, resume=True)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "previous.pt"]


# Disks that refuse.


def test_a_folder_that_cannot_be_made_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    steps = []
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/plausible")):
        with pytest.raises(CheckpointError, match=f"Nothing can be written to .*{out.name}.*out="):
            toys.run("pyro.param", out, 3, callbacks=[steps.append])
    assert not steps


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_folder_is_on_the_disk_before_writing_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new name in a folder may else be lost when the power fails. Seen failing without."""
    flushed, fsync = list[Path](), os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", noted)
    fit(toys.mean_model, toys.normal_data(9), guide=toys.mean_guide, steps=2, out=tmp_path)
    assert tmp_path.resolve() in flushed


def test_a_full_disk_is_an_error_and_the_last_checkpoint_stays(
    folder: Path, processes: ForkServerContext
) -> None:
    before = toys.content(folder)
    here, there = processes.Pipe()
    process = processes.Process(target=toys.run_on_a_full_disk, args=(folder, there))
    process.start()
    assert here.poll(20)
    message = here.recv()
    process.join()
    assert "could not be written" in message and "\n" not in message
    toys.assert_same(toys.content(folder), before)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "previous.pt"]


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    def remove(progress: Progress) -> None:
        if progress.step == 2:
            (tmp_path / "out" / "checkpoint.pt").rename(tmp_path / "moved.pt")
            (tmp_path / "out").rmdir()

    toys.run("pyro.param", tmp_path / "out", 4, callbacks=[remove])
    assert read_checkpoint(tmp_path / "out")["step"] == 4


# Loading a model without naming its class.


@pytest.mark.parametrize(
    "vae",
    [
        lambda: VAE((1, 4, 4), 2, "continuous-bernoulli", hidden=(8, 6), activation="tanh"),
        lambda: VAE((1, 4, 4), likelihood=Normal("learned", min_scale=0.01), latent_size=3),
        lambda: VAE((1, 8, 8), 2, "laplace", "convolutional", (12,)),
    ],
)
def test_load_builds_the_same_model_without_being_told_its_class(vae: Any, tmp_path: Path) -> None:
    model = vae()
    x = torch.rand(10, *model.x_shape)
    fit(model, x, steps=3, out=tmp_path)
    loaded = load(tmp_path)
    assert type(loaded) is VAE and not loaded.training
    toys.assert_same(dict(loaded.state_dict()), dict(model.state_dict()))
    assert torch.equal(loaded.reconstruct(x), model.eval().reconstruct(x))
    assert repr(loaded.likelihood) == repr(model.likelihood)


class Sized(VAE):
    """A user's own subclass that passes everything on."""

    def __init__(self, *args: Any, note: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.note = note


class Named(VAE):
    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__((width,), likelihood="normal", **kwargs)
        self.weights = nn.Parameter(torch.zeros(width))  # a name that a program once used itself
        self.load_weights = "a user's own attribute"


def test_load_knows_a_users_subclass(tmp_path: Path) -> None:
    x = toys.normal_data(10, 3)
    for number, model in enumerate((Sized((3,), 2, "normal", note="mine"), Named(3, hidden=(5,)))):
        fit(model, x, steps=2, out=tmp_path / str(number))
        loaded = load(tmp_path / str(number))
        assert type(loaded) is type(model)
        assert torch.equal(loaded.reconstruct(x), model.eval().reconstruct(x))
        assert getattr(loaded, "note", None) == getattr(model, "note", None)


def test_a_class_that_is_not_imported_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(Named(3), toys.normal_data(10, 3), steps=2, out=tmp_path)
    name = f"{Named.__module__}:Named"
    monkeypatch.delitem(GenerativeModel.registry, name)
    with pytest.raises(CheckpointError, match=r"class Named is not known here: import \S+ before"):
        load(tmp_path)
    restored = load(tmp_path, model=Named(3))
    assert not restored.training


def test_a_model_of_a_script_says_that_it_must_be_passed(tmp_path: Path) -> None:
    class Local(VAE):
        pass

    fit(Local((3,), 2, "normal"), toys.normal_data(10, 3), steps=2, out=tmp_path)
    del GenerativeModel.registry[f"{Local.__module__}:{Local.__qualname__}"]
    with pytest.raises(CheckpointError, match=r"defined in a script or function, so pass .*model="):
        load(tmp_path)


def test_a_model_of_custom_networks_is_loaded_into_one_that_is_passed(tmp_path: Path) -> None:
    class Custom(VAE):
        def __init__(self, encoder: nn.Module) -> None:
            super().__init__((3,), 2, "normal")
            self.encoder = encoder

    model, x = Custom(nn.Linear(3, 4)), toys.normal_data(10, 3)
    fit(model, x, steps=2, out=tmp_path)
    with pytest.raises(CheckpointError, match=r"built with encoder=Linear.*load\(path, model="):
        load(tmp_path)
    loaded = load(tmp_path, model=Custom(nn.Linear(3, 4)))
    toys.assert_same(dict(loaded.state_dict()), dict(model.state_dict()))


def test_load_takes_the_model_out_of_a_run_with_a_guide_of_its_own(tmp_path: Path) -> None:
    def guide(x: Tensor) -> None:
        scale = pyro.param("scale", torch.tensor(0.5))
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x[:, :2], scale).to_event(1))

    vae, x = VAE((3,), 2, "normal"), toys.normal_data(10, 3)
    fit(vae, x, guide=guide, steps=3, out=tmp_path)
    toys.assert_same(dict(load(tmp_path).state_dict()), dict(vae.state_dict()))


def test_load_puts_the_weights_of_a_users_module_into_one_that_is_passed(tmp_path: Path) -> None:
    class Settings(toys.Noisy):
        config = {"width": 8}  # a name that GenerativeModel uses for a method

    model = Settings()
    fit(model, toys.noisy()["data"], steps=3, out=tmp_path)
    with pytest.raises(CheckpointError, match="plain Pyro program"):
        load(tmp_path)
    toys.assert_same(dict(load(tmp_path, model=Settings()).state_dict()), dict(model.state_dict()))


def test_a_mask_of_infinities_does_not_keep_a_model_from_being_saved(tmp_path: Path) -> None:
    class Masked(toys.Noisy):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))

    result = fit(Masked(), toys.noisy()["data"], steps=3, out=tmp_path)
    assert result.checkpoint is not None and read_checkpoint(tmp_path)["step"] == 3


def test_a_likelihood_that_is_not_imported_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plausible.models import Likelihood

    class Wide(Normal):
        name = "wide"

    for path, likelihood in ((tmp_path / "name", "wide"), (tmp_path / "object", Wide(0.5))):
        fit(VAE((1, 4, 4), 2, likelihood, hidden=(8,)), toys.greys(), steps=2, out=path)
    monkeypatch.delitem(Likelihood.registry, "wide")
    for path in (tmp_path / "name", tmp_path / "object"):
        with pytest.raises(CheckpointError, match=r"cannot be built.*Unknown likelihood 'wide'"):
            load(path)
    assert issubclass(UnknownName, ValueError)


def test_a_subclass_of_a_likelihood_without_a_name_is_not_taken_for_its_parent(
    tmp_path: Path,
) -> None:
    # Seen failing where the parent's name was written: the loaded model had another likelihood.
    class Tighter(Normal):
        def current_scale(self, like: torch.Tensor) -> torch.Tensor:
            return super().current_scale(like) / 2

    fit(VAE((1, 4, 4), 2, Tighter(0.5), hidden=(8,)), toys.greys(), steps=2, out=tmp_path)
    with pytest.raises(CheckpointError, match=r"likelihood=Tighter, which .* cannot describe"):
        load(tmp_path)


def test_importance_weighted_runs_are_told_from_others_by_their_particles(tmp_path: Path) -> None:
    x = toys.greys()
    fit(toys.tiny_vae("normal"), x, objective=ImportanceWeighted(3), steps=2, out=tmp_path)
    with pytest.raises(CheckpointError, match=r"particles=3.*particles=5"):
        objective = ImportanceWeighted(5)
        fit(toys.tiny_vae("normal"), x, objective=objective, steps=3, resume=tmp_path)
