"""Image data sets by name or by folder."""

import os
from pathlib import Path

from plausible.inference.data.digits import read_digits
from plausible.inference.data.download import REMOTES, download
from plausible.inference.data.folder import read_image_folder
from plausible.inference.data.idx import has_idx_files, read_idx_folder
from plausible.inference.data.images import Images
from plausible.models.errors import DataError, UnknownName

__all__ = ["CLASS_NAMES", "load"]

# Where Debian's packages dataset-* put their files.
SYSTEM_FOLDER = Path("/usr/share/datasets")

CLASS_NAMES = {
    "mnist": tuple(map(str, range(10))),
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


def load(
    name: str | Path, *, folder: Path | None = None, size: int | None = None, seed: int = 0
) -> Images:
    """Images by the name of a data set, or from a folder of one's own.

    - `"digits"`: 4,000 + 1,000 digits of MNIST, installed with this package.
    - `"mnist"`, `"fashion-mnist"`: 60,000 + 10,000 images. The first of these folders that exists
      is read: `folder`, `$PLAUSIBLE_DATA/<name>`, Debian's `/usr/share/datasets/<name>`; without
      any, the files are downloaded once and kept in the cache.
    - a path to a folder with MNIST's four IDX files, or with images (see `read_image_folder`).
      A folder that is called like a data set is written `./mnist`.

    Args:
        name: name of a data set, or path to a folder.
        folder: where the IDX files of `"mnist"` or `"fashion-mnist"` are.
        size: side in pixels to which a folder of images is cut and resized.
        seed: fixes the split of the digits and of a folder of images; the others have their own.

    Raises:
        UnknownName: when `name` is neither a data set nor a folder.
        DataError: for files that are missing, damaged or cannot be downloaded, and for `folder` or
            `size` where they have no meaning.
    """
    if name in CLASS_NAMES:
        _refuse_size(name, size)
        source = _find_folder(str(name), folder)
        return read_idx_folder(source, str(name), CLASS_NAMES[str(name)])
    if folder is not None:
        raise DataError(
            f"folder= says where the files of {' or '.join(CLASS_NAMES)} are; got it with {name}. "
            "To read a folder of your own, give its path as the name."
        )
    if name == "digits":
        _refuse_size(name, size)
        return read_digits(seed)
    path = _existing_folder(name)
    if has_idx_files(path):
        _refuse_size(name, size)
        return read_idx_folder(path, path.resolve().name)
    return read_image_folder(path, size=size, seed=seed)


def _find_folder(name: str, folder: Path | None) -> Path:
    if folder is not None:
        return _existing_folder(Path(folder))
    candidates = [SYSTEM_FOLDER / name]
    if own := os.environ.get("PLAUSIBLE_DATA"):
        candidates.insert(0, Path(own).expanduser() / name)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    return download(REMOTES[name])


def _existing_folder(name: str | Path) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        raise DataError(f"{path} is a file; give the folder that holds the images.")
    if isinstance(name, Path) or "/" in name or os.sep in name or name.startswith((".", "~")):
        raise DataError(
            f"There is no folder {path}. Check the path, or give the name of a data set."
        )
    raise UnknownName("data set", name, ["digits", *CLASS_NAMES, "path/to/a/folder"])


def _refuse_size(name: str | Path, size: int | None) -> None:
    if size is not None:
        raise DataError(f"size= resizes a folder of images; the images of {name} have one size.")
