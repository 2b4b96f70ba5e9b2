from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from potentiate.data import DataSet, catalog, download, load
from potentiate.errors import Refused

Serve = Callable[[dict[str, bytes]], None]


@pytest.fixture
def serve(tiny: DataSet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Return a function that says what the tiny set's server holds; a name it lacks is a 404."""
    held: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = held.get(self.path.lstrip("/"))
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}/"
    entry = replace(tiny, files=tuple(replace(f, url=base + f.name) for f in tiny.files))
    monkeypatch.setitem(catalog.DATASETS, "tiny-set", entry)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield held.update
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def originals(folder: Path) -> dict[str, bytes]:
    """What the server should hold; the local files are gone."""
    held = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return held


def test_a_set_is_fetched_and_loads(
    serve: Serve, originals: dict[str, bytes], tmp_path: Path
) -> None:
    serve(originals)
    heard: list[tuple[str, int, int]] = []
    assert download("tiny-set", lambda *news: heard.append(news)) == tmp_path / "tiny-set"
    assert {p.name: p.read_bytes() for p in (tmp_path / "tiny-set").iterdir()} == originals
    assert {name: got for name, got, _ in heard} == {k: len(v) for k, v in originals.items()}
    assert len(load("tiny-set").test) == 12


def test_what_is_there_is_not_fetched_again(folder: Path) -> None:
    heard: list[object] = []
    assert download("tiny-set", lambda *news: heard.append(news)) == folder
    assert heard == []


def test_a_damaged_file_is_replaced(
    serve: Serve, originals: dict[str, bytes], tmp_path: Path
) -> None:
    serve(originals)
    download("tiny-set")
    damaged = tmp_path / "tiny-set" / "train-images.gz"
    damaged.write_bytes(b"damaged")
    download("tiny-set")
    assert damaged.read_bytes() == originals["train-images.gz"]


def test_other_content_is_refused_and_not_kept(
    serve: Serve, originals: dict[str, bytes], tmp_path: Path
) -> None:
    serve(dict.fromkeys(originals, b"something else"))
    with pytest.raises(Refused, match=r"train-images\.gz of 'tiny-set'.*sha256"):
        download("tiny-set")
    assert list((tmp_path / "tiny-set").iterdir()) == []


@pytest.mark.usefixtures("serve")
def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        Refused, match=r"cannot get train-images\.gz of 'tiny-set' from http"
    ) as refused:
        download("tiny-set")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "tiny-set").iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_no_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(Refused, match="ConnectionError") as refused:
        download("tiny-set")
    assert "\n" not in str(refused.value)


def test_no_room_is_one_sentence(serve: Serve, originals: dict[str, bytes], tmp_path: Path) -> None:
    serve(originals)
    (tmp_path / "tiny-set").write_text("a file where the folder should be")
    with pytest.raises(Refused, match="write access"):
        download("tiny-set")


def test_there_is_nothing_to_fetch_for_digits() -> None:
    assert download("digits") is None


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(Refused, match="did you mean 'mnist'"):
        download("mnits")
