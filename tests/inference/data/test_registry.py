"""A name or a path leads to the right reader, and a wrong one to advice."""

import shutil
from pathlib import Path

import pytest

from plausible.inference.data import load
from plausible.models.errors import DataError, UnknownName


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data set in the system's folder, and a failure instead of a download."""

    def refuse(remote):
        raise AssertionError(f"{remote.name} would be downloaded")

    monkeypatch.setattr("plausible.inference.data.registry.SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr("plausible.inference.data.registry.download", refuse)
    monkeypatch.delenv("PLAUSIBLE_DATA", raising=False)


def test_the_first_folder_that_exists_is_read(tmp_path, idx_folder, monkeypatch):
    # Each place is told from the others by the first pixel of the set that lies there.
    places = [tmp_path / "argument", tmp_path / "own" / "mnist", tmp_path / "system" / "mnist"]
    for value, place in enumerate(places):
        shutil.copytree(idx_folder, place)
        images = load(str(place)).train[:, 0].numpy().copy()
        images[0, 0, 0] = value
        (place / "train-images-idx3-ubyte").write_bytes(
            bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0, 3]) + images.tobytes()
        )
    with pytest.raises(AssertionError, match="fashion-mnist would be downloaded"):
        load("fashion-mnist")
    assert load("mnist").train[0, 0, 0, 0] == 2
    monkeypatch.setenv("PLAUSIBLE_DATA", str(tmp_path / "own"))
    assert load("mnist").train[0, 0, 0, 0] == 1
    assert load("mnist", folder=places[0]).train[0, 0, 0, 0] == 0


def test_an_own_folder_with_missing_files_is_an_error_not_a_download(tmp_path, monkeypatch):
    (tmp_path / "own" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("PLAUSIBLE_DATA", str(tmp_path / "own"))
    with pytest.raises(DataError, match="lacks train-images-idx3-ubyte"):
        load("mnist")


def test_fashion_mnist_knows_its_classes(idx_folder):
    names = load("fashion-mnist", folder=idx_folder).class_names
    assert len(names) == 10
    assert names[0] == "T-shirt/top" and names[9] == "Ankle boot"


def test_a_path_object_is_a_folder_even_when_it_is_called_like_a_set(idx_folder, monkeypatch):
    idx_folder.rename(idx_folder.parent / "mnist")
    monkeypatch.chdir(idx_folder.parent)
    assert load(Path("mnist")).class_names == load("./mnist").class_names == ("0", "1", "2")


def test_a_misspelt_name_gets_the_nearest_one():
    with pytest.raises(UnknownName, match=r"'fashon-mnist'\. Did you mean 'fashion-mnist'"):
        load("fashon-mnist")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "~/no such folder", Path("no")])
def test_a_path_that_does_not_exist_is_said_to_be_missing(name):
    with pytest.raises(DataError, match="There is no folder"):
        load(name)


def test_a_tilde_is_the_home_folder(idx_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(idx_folder.parent))
    assert load("~/tiny").name == "tiny"
    idx_folder.rename(idx_folder.parent / "mnist")
    monkeypatch.setenv("PLAUSIBLE_DATA", "~")
    assert load("mnist").name == "mnist"


def test_a_file_is_not_a_data_set(idx_folder):
    with pytest.raises(DataError, match="is a file; give the folder"):
        load(str(idx_folder / "train-images-idx3-ubyte.gz"))


def test_arguments_without_a_meaning_are_refused(idx_folder):
    with pytest.raises(DataError, match="folder= says where the files of mnist or fashion-mnist"):
        load("digits", folder=idx_folder)
    with pytest.raises(DataError, match="got it with"):
        load(str(idx_folder), folder=idx_folder)
    for name in ("digits", "mnist", str(idx_folder)):
        with pytest.raises(DataError, match="size= resizes a folder of images"):
            load(name, size=32)
