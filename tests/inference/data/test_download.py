"""A download happens once, is checked, leaves nothing half done, and fails clearly."""

import functools
import hashlib
import socket
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from plausible.inference.data import REMOTES, Remote, download, load
from plausible.inference.data.registry import SYSTEM_FOLDER
from plausible.models.errors import DataError


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, counts the requests, and can break off in the middle of a file."""

    requested: list[str]
    truncate: bool

    def do_GET(self):
        self.requested.append(self.path)
        super().do_GET()

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2] if self.truncate else content)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and no other place where the files could be."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("pooch.os_cache", lambda project: folder / project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("PLAUSIBLE_DATA", raising=False)
    monkeypatch.delenv("PLAUSIBLE_MIRROR", raising=False)
    monkeypatch.setattr("plausible.inference.data.registry.SYSTEM_FOLDER", tmp_path / "no-system")
    return folder / "plausible" / "tiny"


@pytest.fixture
def server(idx_folder):
    """Serves the folder above `tiny` on localhost."""
    handler = type("Handler", (Handler,), {"requested": [], "truncate": False})
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(idx_folder.parent))
    )
    server.handler = handler
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def remote(idx_folder, server):
    md5 = {
        path.name: hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(idx_folder.iterdir())
    }
    return Remote("tiny", f"{server.url}/tiny", md5)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_files_are_downloaded_once_and_then_read_from_the_cache(remote, server, cache, idx_folder):
    assert download(remote) == cache
    assert files(cache) == files(idx_folder)
    assert len(server.handler.requested) == 4
    assert download(remote) == cache
    assert len(server.handler.requested) == 4


def test_a_damaged_file_in_the_cache_is_downloaded_again(remote, server, cache):
    download(remote)
    path = cache / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])
    download(remote)
    assert server.handler.requested[4:] == ["/tiny/t10k-labels-idx1-ubyte.gz"]
    assert hashlib.md5(path.read_bytes()).hexdigest() == remote.md5[path.name]


def test_a_changed_file_is_refused_and_not_kept(remote, cache, idx_folder):
    path = idx_folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    md5 = remote.md5[path.name]
    with pytest.raises(DataError, match=f"{path.name}: .* checksum {md5}, so it was deleted"):
        download(remote)
    assert files(cache) == []


def test_a_connection_that_breaks_off_leaves_nothing(remote, server, cache):
    server.handler.truncate = True
    with pytest.raises(DataError, match="no complete answer from the server"):
        download(remote)
    assert files(cache) == []


def test_a_file_that_the_server_does_not_have_is_reported(remote, idx_folder):
    (idx_folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: the server answered 404"):
        download(remote)


def test_without_a_server_the_message_says_where_to_put_the_files(cache, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("PLAUSIBLE_MIRROR", f"http://127.0.0.1:{port}")
    with pytest.raises(DataError) as caught:
        load("mnist")
    message = str(caught.value)
    assert message.startswith("mnist could not be downloaded from http://127.0.0.1:")
    assert "no complete answer from the server (ConnectionError)" in message
    assert "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in message
    assert "folder=" in message
    assert "$PLAUSIBLE_DATA/mnist" in message
    assert "\n" not in message
    assert files(cache.parent) == []


def test_a_mirror_replaces_the_publisher(remote, server, cache, monkeypatch):
    monkeypatch.setenv("PLAUSIBLE_MIRROR", f"{server.url}/")
    elsewhere = Remote(remote.name, "http://127.0.0.1:9/nowhere", remote.md5)
    assert files(download(elsewhere)) == sorted(remote.md5)


def test_load_reads_what_was_downloaded(remote, server, idx_folder, monkeypatch):
    monkeypatch.setitem(REMOTES, "mnist", Remote("mnist", remote.url, remote.md5))
    images = load("mnist")
    assert images.name == "mnist"
    assert images.train.tolist() == load(str(idx_folder)).train.tolist()
    assert len(server.handler.requested) == 4


def test_both_sets_are_published_with_four_checksums():
    names = [
        f"{part}-{kind}-ubyte.gz"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    for remote in REMOTES.values():
        assert list(remote.md5) == names
        assert all(len(md5) == 32 and int(md5, 16) for md5 in remote.md5.values())
    assert str(SYSTEM_FOLDER) == "/usr/share/datasets"
