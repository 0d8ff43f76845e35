"""`kinj corpus wikipedia` against a real MediaWiki on loopback, behind a proxy that fails as Wikipedia does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from kinj.corpus.sources.dump import DumpSource
from kinj.corpus.sources.wikipedia import WikipediaSource
from kinj.corpus.wiki.api import Wiki
from kinj.corpus.wiki.listing import Wanted

SCRIPTS = Path(__file__).resolve().parents[4].parent / "shared" / "mediawiki"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (SCRIPTS / "start").is_file(), reason=f"no MediaWiki to start: {SCRIPTS} is not there"),
]
COMMAND = [sys.executable, "-c", "from kinj.cli import main; main()", "corpus", "wikipedia"]
#: More than one request's worth, so that there is a middle.
MANY = {f"Star {n}": f"'''Star {n}''' is {{{{convert|{n}|km|mi}}}} away.\n[[Category:Stars]]" for n in range(120)}
LOGIN = {"lgname": "Admin", "lgpassword": "admin-password-1"}


class RealWiki:
    """A MediaWiki with the pages of conftest.py and some more."""

    def __init__(self, folder: Path, export: str) -> None:
        self.folder = folder
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = str(one.getsockname()[1])
        self.address = f"http://127.0.0.1:{port}"
        self._run("start", folder, port)
        (folder / "pages.xml").write_text(export)
        self._run("import", folder / "pages.xml", folder)

    def _run(self, script: str, *words: object) -> None:
        # Its server goes on, and would hold a pipe open.
        with (self.folder.parent / f"{script}.log").open("w") as log:
            subprocess.run([SCRIPTS / script, *map(str, words)], check=True, stdout=log, stderr=log, timeout=400)

    def stop(self) -> None:
        self._run("stop", self.folder)

    def write(self, **parameters: str) -> None:
        """An edit or a deletion, as the administrator."""
        session, url = requests.Session(), f"{self.address}/api.php"
        token = session.get(url, params={"action": "query", "meta": "tokens", "type": "login", "format": "json"}).json()
        login = {"action": "login", "format": "json", "lgtoken": token["query"]["tokens"]["logintoken"], **LOGIN}
        assert session.post(url, data=login).json()["login"]["result"] == "Success"
        token = session.get(url, params={"action": "query", "meta": "tokens", "format": "json"}).json()
        data = {"format": "json", "token": token["query"]["tokens"]["csrftoken"], **parameters}
        assert "error" not in session.post(url, data=data).json()

    def dump(self, to: Path) -> None:
        with to.open("w") as file:
            subprocess.run(
                ["php", "maintenance/dumpBackup.php", "--current", "--quiet"],
                cwd=self.folder / "www",
                stdout=file,
                check=True,
            )


class Proxy:
    """Hands requests on, after the faults that it was given, one a request."""

    def __init__(self, target: str) -> None:
        self.faults: list[str] = []
        self.agents: set[str] = set()
        self.count = 0
        self.seconds = 0.0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                proxy.count += 1
                proxy.agents.add(self.headers["User-Agent"])
                time.sleep(proxy.seconds)
                fault = proxy.faults.pop(0) if proxy.faults else ""
                if fault in ("429", "503"):
                    self._send(int(fault), b"slow down", **{"Retry-After": "1"})
                elif fault == "maxlag":
                    error = {"error": {"code": "maxlag", "info": "Waiting for db1: 7 seconds lagged."}}
                    self._send(200, json.dumps(error).encode(), **{"Retry-After": "1"})
                else:
                    kind = {"Content-Type": self.headers["Content-Type"]} if body else {}
                    answer = requests.request(self.command, target + self.path, data=body, headers=kind, timeout=60)
                    self._send(200, answer.content, is_cut=fault == "cut")

            def _send(self, status: int, content: bytes, *, is_cut: bool = False, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if is_cut else content)
                self.close_connection = is_cut

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWiki]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("recorded_wiki", Path(__file__).with_name("conftest.py"))
    recorded = importlib.util.module_from_spec(spec)
    sys.modules["recorded_wiki"] = recorded
    spec.loader.exec_module(recorded)
    wiki = RealWiki(tmp_path_factory.mktemp("mediawiki") / "wiki", recorded.export(recorded.PAGES | MANY))
    yield wiki
    wiki.stop()


@pytest.fixture
def proxy(real: RealWiki) -> Iterator[Proxy]:
    proxy = Proxy(real.address)
    yield proxy
    proxy.close()


@pytest.fixture
def command(proxy: Proxy, tiny_tokenizer: Path, tmp_path: Path):
    """The command that reads into a folder, and its environment."""
    wanted = ["--category", "Stars", "--around", "Sky", "--contact", "me@example.org"]
    more = ["--api", f"{proxy.address}/api.php", "--tokenizer", str(tiny_tokenizer), "--near-duplicates", "1"]
    return lambda out: [*COMMAND, str(tmp_path / out), *wanted, *more]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done


def held(folder: Path) -> dict[str, bytes]:
    """What a collection holds, without its journal and its own name."""
    names = ("documents.jsonl", "chunks.jsonl", "unread.jsonl", "duplicates.jsonl")
    return {name: (folder / name).read_bytes() for name in names}


def test_the_recorded_answers_are_those_of_the_real_one(real, wiki):
    wanted = Wanted(pages=("Mars", "Venus", "Mercury", "Nibiru", "Current events/2026 August 1"), around=("Moon",))
    there = Wiki(f"{real.address}/api.php", "me@example.org")
    found = list(WikipediaSource(there, wanted, []).items(lambda key: None))
    recorded = list(WikipediaSource(wiki, wanted, []).items(lambda key: None))
    assert repr(found).replace(real.address, "http://wiki.example") == repr(recorded)


def test_429_503_maxlag_and_a_cut_connection_lose_nothing(command, proxy, tmp_path):
    run(command("smooth"))
    undisturbed, proxy.count = proxy.count, 0
    proxy.faults = ["429", "503", "", "maxlag", "cut", "", "503", "cut", "429", "", "", "maxlag"]
    run(command("rough"))
    assert proxy.count == undisturbed + 8
    assert held(tmp_path / "rough") == held(tmp_path / "smooth")
    [agent] = proxy.agents
    assert agent.startswith("kinj/")
    assert "(me@example.org)" in agent


def test_killed_in_the_middle_the_same_command_goes_on_to_the_same_folder(command, proxy, tmp_path):
    run(command("whole"))
    proxy.seconds = 0.7
    started = subprocess.Popen(command("killed"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    journal = tmp_path / "killed/journal.sqlite"
    deadline = time.monotonic() + 60
    while not (journal.is_file() and journal.stat().st_size > 60_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed/manifest.json").exists()
    proxy.seconds = 0
    run(command("killed"))
    assert held(tmp_path / "killed") == held(tmp_path / "whole")


def test_an_export_of_it_is_read_whole_packed_or_not(real, tmp_path):
    real.dump(tmp_path / "all.xml")
    subprocess.run(["bzip2", "-k", tmp_path / "all.xml"], check=True)
    plain = [item.content for item in DumpSource(tmp_path / "all.xml").items(lambda key: None)]
    packed = [item.content for item in DumpSource(tmp_path / "all.xml.bz2").items(lambda key: None)]
    assert plain == packed
    assert {f"Star {n}" for n in range(120)} <= {document.title for document in plain}


def test_an_edit_and_a_deletion_between_two_runs_are_reported(real, command, tmp_path):
    """The last test of the module, since it changes the wiki."""
    run(command("out"))
    before = {row["title"]: row for row in map(json.loads, (tmp_path / "out/documents.jsonl").read_text().splitlines())}
    real.write(action="edit", title="Star 7", text="'''Star 7''' is gone cold.\n[[Category:Stars]]")
    real.write(action="delete", title="Star 8")
    real.write(action="edit", title="Star 500", text="'''Star 500''' is new.\n[[Category:Stars]]")
    subprocess.run(
        ["php", "maintenance/runJobs.php", "--quiet"], cwd=real.folder / "www", check=True, stdout=subprocess.DEVNULL
    )
    done = run(command("out"))
    assert "1 added, 1 changed, 1 gone, " in done.stdout
    after = {row["title"]: row for row in map(json.loads, (tmp_path / "out/documents.jsonl").read_text().splitlines())}
    assert after["Star 7"]["text"] == "Star 7 is gone cold."
    assert after["Star 7"]["id"] == before["Star 7"]["id"]
    assert int(after["Star 7"]["version"]) > int(before["Star 7"]["version"])
    assert set(before) - set(after) == {"Star 8"}
    assert set(after) - set(before) == {"Star 500"}
    listed = map(json.loads, (tmp_path / "out/changes.jsonl").read_text().splitlines())
    assert sorted(row["change"] for row in listed) == ["added", "changed", "gone"]
    shutil.rmtree(tmp_path / "out")
