"""The environment that names a cluster: what is refused, and that no secret is ever shown."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable

import pytest

from kinj.errors import MissingExtraError, UserError
from kinj.records import Chunk
from kinj.retrieval import build_elastic_index, open_index
from kinj.retrieval.elastic.access import read_access
from kinj.retrieval.elastic.connection import connect

HIDDEN = "s3cret-c4ndle"
URL = {"URL": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "CLOUD_ID", "API_KEY", "USER", "PASSWORD", "CA", "WAIT"):
        monkeypatch.delenv(f"ELASTICSEARCH_{name}", raising=False)


def say(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"ELASTICSEARCH_{name}", value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "set one of them, say ELASTICSEARCH_URL=http://127.0.0.1:9200"),
        ({"URL": " "}, "set one of them"),
        ({**URL, "CLOUD_ID": "x"}, "only one of them can say where the cluster is"),
        ({"URL": f"http://me:{HIDDEN}@127.0.0.1:9200"}, "has a user or a password in it"),
        ({"URL": f"http://127.0.0.1:9200/?key={HIDDEN}"}, "ELASTICSEARCH_URL is no address"),
        ({"URL": "127.0.0.1:9200"}, "ELASTICSEARCH_URL is no address"),
        ({"URL": "ftp://127.0.0.1:9200"}, "ELASTICSEARCH_URL is no address"),
        ({"URL": "http://127.0.0.1:92000"}, "ELASTICSEARCH_URL is no address"),
        ({**URL, "USER": "me"}, "belong together: set both"),
        ({**URL, "PASSWORD": HIDDEN}, "belong together: set both"),
        ({**URL, "API_KEY": HIDDEN, "USER": "me", "PASSWORD": HIDDEN}, "set one of them, not both"),
        ({**URL, "API_KEY": f"{HIDDEN}\nmore"}, "holds a character that no key has"),
        ({**URL, "API_KEY": f"{HIDDEN}é"}, "holds a character that no key has"),
        ({"URL": "https://127.0.0.1:9", "CA": "nowhere.crt"}, "ELASTICSEARCH_CA=nowhere.crt: no such file"),
        ({**URL, "CA": __file__}, "does not use TLS: write https://"),
        ({"URL": "https://127.0.0.1:9", "CA": __file__}, "ELASTICSEARCH_CA=.*: holds no certificate"),
        ({"CLOUD_ID": "not a cloud"}, "ELASTICSEARCH_URL or ELASTICSEARCH_CLOUD_ID: "),
        ({**URL, "WAIT": "long"}, "ELASTICSEARCH_WAIT=long: must be a number of seconds"),
        ({**URL, "WAIT": "-1"}, "ELASTICSEARCH_WAIT=-1: must be a number of seconds"),
        ({**URL, "WAIT": "nan"}, "ELASTICSEARCH_WAIT=nan: must be a number of seconds"),
    ],
)
def test_what_cannot_name_a_cluster_is_refused_without_showing_a_secret(monkeypatch, values, message):
    say(monkeypatch, values)
    with pytest.raises(UserError, match=message) as refused:
        connect()
    assert HIDDEN not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ("http://127.0.0.1:9200", ("http://127.0.0.1:9200",)),
        ("https://example.org", ("https://example.org:443",)),
        ("http://a:9200, http://b:9200/", ("http://a:9200", "http://b:9200")),
        ("https://[::1]:9200/es/", ("https://[::1]:9200/es",)),
    ],
)
def test_addresses_get_their_port_and_may_be_several(monkeypatch, given, addresses):
    say(monkeypatch, {"URL": given})
    assert read_access().urls == addresses
    assert connect().address == ", ".join(addresses)


def test_no_secret_is_in_what_an_object_says_of_itself(monkeypatch):
    say(monkeypatch, {**URL, "API_KEY": HIDDEN})
    assert HIDDEN not in repr(read_access())
    assert HIDDEN not in repr(connect())
    assert read_access().without_secrets(f"key {HIDDEN}!") == "key ***!"


def test_a_cluster_that_is_down_is_waited_for_and_named_without_secrets(monkeypatch, caplog):
    say(monkeypatch, {**URL, "USER": "me", "PASSWORD": HIDDEN, "WAIT": "0.3"})
    message = r"http://127.0.0.1:9 did not describe mine for 0 s: connection refused; .*ELASTICSEARCH_WAIT=SECONDS"
    with pytest.raises(UserError, match=message) as failed:
        open_index("elasticsearch:mine")
    assert "http://127.0.0.1:9: connection refused (describe mine); trying again for 0.3 s" in caplog.text
    assert HIDDEN not in str(failed.value) + caplog.text


def test_without_the_client_it_is_said_what_to_install(monkeypatch):
    say(monkeypatch, URL)
    monkeypatch.setitem(__import__("sys").modules, "elasticsearch", None)
    with pytest.raises(
        MissingExtraError, match=r"index=elasticsearch:NAME needs .*pip install 'kinj\[elasticsearch\]'"
    ):
        open_index("elasticsearch:mine")


def test_what_is_not_elasticsearch_is_refused(monkeypatch):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *given: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say(monkeypatch, {"URL": f"http://127.0.0.1:{server.server_port}"})
        with pytest.raises(UserError, match=r"what answers at http://127.0.0.1:.* is not Elasticsearch"):
            open_index("elasticsearch:mine")
        server.shutdown()


@pytest.fixture
def answering(monkeypatch):
    """A stand-in for a cluster: gives each request what the test says, by method and path."""
    servers = []

    def start(answer: Callable[[str, str], tuple[int, dict]]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                status, body = answer(self.command, self.path)
                self.send_response(status)
                self.send_header("x-elastic-product", "Elasticsearch")
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_PUT = do_POST = do  # the library's names

            def log_message(self, *given: object) -> None:
                pass

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        say(monkeypatch, {"URL": f"http://127.0.0.1:{servers[-1].server_port}", "WAIT": "20"})

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(status: int, kind: str, reason: str) -> tuple[int, dict]:
    return status, {"error": {"type": kind, "reason": reason}, "status": status}


def test_a_serverless_project_is_refused_at_once_in_one_line(answering, tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path))

    def answer(method: str, path: str) -> tuple[int, dict]:
        if method == "PUT":
            settings = "[index.number_of_shards,index.auto_expand_replicas]"
            reason = f"Settings {settings} are not available when running in serverless mode"
            return refused(400, "illegal_argument_exception", reason)
        if path.startswith("/theirs/_stats"):
            reason = "Request for uri [/theirs/_stats] exists but is not available when running in serverless mode"
            return refused(410, "api_not_available_exception", reason)
        if path == "/theirs":
            fields = {"body": {"type": "text"}}
            return 200, {"theirs": {"settings": {"index": {}}, "mappings": {"properties": fields}, "aliases": {}}}
        return refused(404, "index_not_found_exception", f"no such index [{path}]")

    answering(answer)
    message = r"is a serverless project, which kinj does not support .*: name a hosted deployment"
    with pytest.raises(UserError, match=message):
        build_elastic_index([Chunk("a", "d", "red fox", start=0, end=7)], "mine")
    with pytest.raises(UserError, match=message):
        open_index("elasticsearch:theirs", text_field="body")


def test_too_many_words_are_not_waited_for_where_they_come_as_trouble_of_the_server(answering):
    answering(lambda *_: refused(500, "too_many_nested_clauses", "maxClauseCount is set to 1277"))
    with pytest.raises(UserError, match=r"takes no query of so many different words \(maxClauseCount is set to 1277\)"):
        connect().request("GET", "/mine", what="search")
