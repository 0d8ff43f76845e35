"""Which answers `--use_cache` keeps, and what tells one base from another."""

import http.server
import json
import logging
import threading

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import CacheHook
from sqlitedict import SqliteDict

from kinj.errors import UserError
from kinj_models import RagLM
from kinj_models.base import served_models
from kinj_models.response_cache import ResponseCache


def cache(path, *, is_server=False):
    return ResponseCache(SqliteDict(str(path), autocommit=True), lambda: {"base": "b"}, is_server=is_server)


def asked_again(path, *, is_server, **settings):
    """How many of two equal requests are computed when they come a second time."""
    requests = [Instance("generate_until", {}, ("Which?", {"until": ["\n"], **settings}), 0) for _ in range(2)]
    for _ in range(2):
        kept = cache(path, is_server=is_server)
        kept.answers("generate_until", requests, lambda missing: ["blue"] * len(missing))
        kept.add_partial("generate_until", requests[0].args, "blue")
    return kept.computed


@pytest.mark.parametrize(
    ("settings", "is_server", "count"),
    [
        ({}, False, 0),
        ({}, True, 0),
        ({"do_sample": True}, False, 2),
        ({"temperature": 0.7}, False, 2),
        ({"temperature": 0.7}, True, 2),
        ({"temperature": 0.7, "do_sample": False}, False, 0),
        ({"temperature": 0.7, "do_sample": False}, True, 2),
        ({"temperature": 0.0, "do_sample": True}, True, 0),
    ],
)
def test_sampled_answers_are_asked_again_and_others_are_not(tmp_path, settings, is_server, count):
    assert asked_again(tmp_path / "cache.db", is_server=is_server, **settings) == count


class Models(http.server.BaseHTTPRequestHandler):
    """Says what it serves; `created` differs at each call, as vLLM's does."""

    rows: list = []  # noqa: RUF012  # set by each test

    def do_GET(self):
        rows = [{**row, "created": id(self), "permission": [{"id": str(id(self))}]} for row in self.rows]
        body = json.dumps({"data": rows}).encode()
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Models, "rows", [{"id": "m", "root": "/weights/a"}, {"id": "other", "root": "x"}])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/completions"
    server.shutdown()


def api_base(url, tokenizer, **more):
    return RagLM("local-completions", model="m", base_url=url, tokenizer=str(tokenizer), retriever="none", **more)


def test_a_servers_models_are_told_by_id_and_root_alone(server, tiny_tokenizer, monkeypatch):
    base = api_base(server, tiny_tokenizer).base
    assert served_models(base) == served_models(base) == [{"id": "m", "root": "/weights/a"}]
    monkeypatch.setattr(Models, "rows", [{"id": "m", "root": "/weights/b"}])
    assert served_models(base) == [{"id": "m", "root": "/weights/b"}]


def test_a_server_that_does_not_say_is_recorded_as_not_saying(tiny_tokenizer, caplog):
    with caplog.at_level(logging.INFO, "lm_eval.kinj"):
        assert served_models(api_base("http://127.0.0.1:9/v1/completions", tiny_tokenizer).base) is None
    assert "does not say what is served" in caplog.text


def test_a_server_needs_a_label_to_have_its_answers_kept(server, tiny_tokenizer, tmp_path):
    store = SqliteDict(str(tmp_path / "c.db"))
    hook = CacheHook(None)
    hook.dbdict = store
    with pytest.raises(UserError, match="say what is served by served=LABEL"):
        api_base(server, tiny_tokenizer).set_cache_hook(hook)
    keys = set()
    for label in ("first training", "second training", "first training"):
        lm = api_base(server, tiny_tokenizer, served=label)
        lm.set_cache_hook(hook)
        keys.add(lm._response_cache._key("loglikelihood", ("a", "b")))
    assert len(keys) == 2
