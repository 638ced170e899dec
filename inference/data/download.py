"""Downloads of published data sets: once, checked against their checksums, kept in the cache."""

import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from plausible.models.errors import DataError

__all__ = ["REMOTES", "Remote", "download"]


@dataclass(frozen=True)
class Remote:
    """Where a data set is published.

    Args:
        name: name of the data set and of its folder in the cache.
        url: address of the folder that holds the files.
        md5: the published MD5 checksum of each file.
    """

    name: str
    url: str
    md5: dict[str, str]


REMOTES = {
    remote.name: remote
    for remote in (
        Remote(
            "mnist",
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            {
                "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
                "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
                "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
            },
        ),
        Remote(
            "fashion-mnist",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            {
                "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
                "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
                "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
            },
        ),
    )
}


def download(remote: Remote) -> Path:
    """Fetch the files that are not in the cache yet.

    Files that are there with the right checksum are not fetched again. A file appears in the cache
    only when it is complete and its checksum is right. When the environment variable
    PLAUSIBLE_MIRROR is set, files come from `$PLAUSIBLE_MIRROR/<name>/` instead of their publisher.

    Returns:
        The folder with the files, inside the user's cache folder for Plausible.

    Raises:
        DataError: when the server does not answer, or what it sends is not the published file.
    """
    folder = Path(pooch.os_cache("plausible")) / remote.name
    mirror = os.environ.get("PLAUSIBLE_MIRROR")
    base = f"{mirror.rstrip('/')}/{remote.name}" if mirror else remote.url
    for file, md5 in remote.md5.items():
        url = f"{base}/{file}"
        try:
            pooch.retrieve(url, known_hash=f"md5:{md5}", fname=file, path=folder)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{remote.name} could not be downloaded from {url}: {_reason(error, md5)}. "
                f"Put {', '.join(remote.md5)} into a folder by hand, and pass that folder as "
                f"folder= or set PLAUSIBLE_DATA so that it is $PLAUSIBLE_DATA/{remote.name}."
            ) from error
    return folder


def _reason(error: OSError | ValueError, md5: str) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    if "hash of downloaded file" in str(error):
        return (
            f"the file that came does not have the published MD5 checksum {md5}, so it was deleted"
        )
    if isinstance(error, OSError):
        return error.strerror or f"no complete answer from the server ({type(error).__name__})"
    return str(error)
