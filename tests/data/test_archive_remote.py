"""Sets of the archives over the network: what comes is checked, and nothing else is ever kept."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiate.__main__ import main
from potentiate.data import archive_remote, archives, download
from potentiate.data.series import load_series
from potentiate.errors import Refused

HEADER = """@problemName {name}
@timeStamps false
@univariate {univariate}
@classLabel true a b
@data
"""
ONE = "1,2,3:a\n2,1,0:b\n1,2,4:a\n2,0,0:b\n"
TWO = "1,2,3:1,2,3:a\n2,1,0:4,5,6:b\n1,2,4:1,2,3:a\n"


def packed(name="Hills", rows=ONE, also=(), only=("TRAIN", "TEST")):
    """The zip of a set."""
    text = HEADER.format(name=name, univariate=str(rows is not TWO).lower()) + rows
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as pack:
        for part in only:
            pack.writestr(f"{name}_{part}.ts", text)
        for path, content in also:
            pack.writestr(path, content)
    return held.getvalue()


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Return a function that says what the archive holds; a name it lacks is a 404."""
    held = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = held.get(self.path.lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            """Keep the output of the tests clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/{{name}}.zip"
    monkeypatch.setattr(archive_remote, "ADDRESS", address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    yield held.update
    server.shutdown()
    thread.join()
    server.server_close()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused(folder, name="Hills", told=""):
    """A download that is refused in one sentence and leaves nothing behind."""
    with pytest.raises(Refused, match=told) as caught:
        download(name)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("rows", "archive"), [(ONE, "ucr"), (TWO, "uea")])
def test_a_set_is_fetched_by_its_name_and_loads(serve, tmp_path, rows, archive):
    pytest.importorskip("sktime")
    serve({"Hills.zip": packed(rows=rows, also=[("Hills.txt", "more"), ("../evil", "no")])})
    heard = []
    assert download("Hills", lambda *news: heard.append(news)) == tmp_path / archive / "Hills"
    assert heard[-1][0] == "Hills.zip"
    assert heard[-1][1] == heard[-1][2] > 0
    names = ("Hills.sha256", "Hills_TEST.ts", "Hills_TRAIN.ts")
    assert files(tmp_path) == [f"{archive}/Hills/{name}" for name in names]
    assert load_series("Hills").classes == ("a", "b")


def test_the_first_digest_is_told_kept_and_compared(serve, tmp_path, capsys):
    serve({"Hills.zip": packed()})
    assert main(["download", "Hills"]) == 0
    train = tmp_path / "ucr" / "Hills" / "Hills_TRAIN.ts"
    digest = sha256(train.read_bytes()).hexdigest()
    told = capsys.readouterr().out
    assert f"{digest}  Hills_TRAIN.ts" in told
    assert "publishes no sha256" in told
    train.write_text("damaged")
    download("Hills")
    assert sha256(train.read_bytes()).hexdigest() == digest
    train.write_text("damaged")
    serve({"Hills.zip": packed(rows=ONE + ONE)})
    with pytest.raises(Refused, match=f"Hills_T.*{digest} is known of it"):
        download("Hills")
    assert train.read_text() == "damaged"
    assert len(files(tmp_path)) == 3


def test_what_is_here_is_not_fetched_again(serve, tmp_path):
    serve({"Hills.zip": packed()})
    place = download("Hills")
    (place / "Hills.sha256").unlink()
    serve({"Hills.zip": b""})
    assert download("Hills") == place


def test_a_known_digest_is_compared_and_needs_no_file(serve, tmp_path, monkeypatch, capsys):
    content = HEADER.format(name="Hills", univariate="true") + ONE
    right = sha256(content.encode()).hexdigest()
    known = {"Hills_TRAIN.ts": right, "Hills_TEST.ts": "0" * 64}
    monkeypatch.setattr(archives, "digests", lambda: known)
    serve({"Hills.zip": packed()})
    refused(tmp_path, told=f"Hills_TEST.ts from .* has the sha256 {right}, but 0000")
    known["Hills_TEST.ts"] = right
    assert main(["download", "Hills"]) == 0
    assert "sha256" not in capsys.readouterr().out
    assert files(tmp_path) == ["ucr/Hills/Hills_TEST.ts", "ucr/Hills/Hills_TRAIN.ts"]


def test_the_known_digests_are_of_both_files_of_their_sets():
    known = archives.digests()
    assert {len(digest) for digest in known.values()} == {64}
    sets = {file.rpartition("_")[0] for file in known}
    assert {"Chinatown", "JapaneseVowels"} <= sets
    assert sorted(known) == sorted(f"{s}_{p}.ts" for s in sets for p in ("TRAIN", "TEST"))


def bomb():
    return packed(only=("TRAIN",), also=[("Hills_TEST.ts", "0" * (20 << 20))])


def cut_short():
    whole = packed(rows=ONE * 2000)
    return whole[: len(whole) // 3]


def scratched():
    whole = bytearray(packed(rows="".join(f"{k},{k * k},{k**3}:a\n" for k in range(500))))
    whole[500:520] = bytes(20)
    return bytes(whole)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html>no such page</html>", "no zip of a set"),
        (b"", "no zip of a set"),
        (cut_short(), "damaged"),
        (scratched(), "damaged"),
        (packed(only=("TRAIN",)), "lacks Hills_TRAIN.ts or Hills_TEST.ts"),
        (packed(name="x/Hills"), "lacks"),
        (bomb(), "Hills_TEST.ts in .* would unpack to 20,971,520 bytes"),
        (packed(only=(), also=[(f"Hills_{p}.ts", b"\xff\x00") for p in ("TRAIN", "TEST")]), "no file"),
        (packed(only=(), also=[(f"Hills_{p}.ts", "1,2:a") for p in ("TRAIN", "TEST")]), "no file"),
    ],
    ids=["page", "empty", "short", "scratch", "one", "folder", "bomb", "binary", "headless"],
)  # fmt: skip
def test_what_is_no_set_is_refused_and_not_kept(serve, tmp_path, content, told):
    serve({"Hills.zip": content})
    refused(tmp_path, told=told)


@given(st.binary(min_size=1, max_size=12), st.data())
def test_a_zip_damaged_anywhere_is_refused_or_has_its_files(tmp_path_factory, scratch, data):
    room, whole = tmp_path_factory.mktemp("room"), bytearray(packed())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + len(scratch)] = scratch
    (room / "zip").write_bytes(whole)
    try:
        archive_remote._unpack(room, "Hills", "here")
    except Refused:
        return
    assert (room / "Hills_TRAIN.ts").read_text().endswith(ONE)


def test_more_than_a_set_may_hold_is_not_received(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_remote, "RECEIVED", 100)
    serve({"Hills.zip": packed()})
    refused(tmp_path, told="sends more than")


@pytest.mark.usefixtures("serve")
def test_a_set_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    refused(tmp_path, "Chinatwon", "no set 'Chinatwon' in the archives.*did you mean 'Chinatown'")
    refused(tmp_path, "Qqqqqq", "no set 'Qqqqqq'.*spelling")


@pytest.mark.parametrize("name", ["../Hills", "a/b", "", ".", "..", "Hills\n", "Hi lls", "-x", "é"])
def test_a_name_that_is_no_name_is_refused_unasked(serve, tmp_path, name):
    serve({"Hills.zip": packed()})
    refused(tmp_path, name, "a name is of letters")


def test_no_network_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_remote, "ADDRESS", "http://127.0.0.1:9/{name}.zip")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    refused(tmp_path, told="cannot get http.*Hills.zip: ConnectionError; try again")


def test_no_room_is_one_sentence(serve, tmp_path, monkeypatch):
    serve({"Hills.zip": packed()})
    (tmp_path / "ucr").write_text("a file where the folder should be")
    with pytest.raises(Refused, match=r"cannot get 'Hills' from .* write access"):
        download("Hills")
    assert files(tmp_path) == ["ucr"]


def test_ctrl_c_leaves_nothing_behind(serve, tmp_path):
    serve({"Hills.zip": packed()})

    def interrupted(*_):
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("Hills", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_waves_are_made_and_not_fetched(capsys):
    assert download("waves") is None
    assert main(["download", "waves"]) == 0
    assert "nothing to download" in capsys.readouterr().out


def test_the_list_shows_sets_of_series_that_are_here(serve, tmp_path, capsys):
    serve({"Hills.zip": packed()})
    assert main(["list", "datasets"]) == 0
    before = capsys.readouterr().out
    download("Hills")
    assert main(["list", "datasets"]) == 0
    assert "Hills" in capsys.readouterr().out
    assert "Hills" not in before
    assert "potentiate download NAME" in before
