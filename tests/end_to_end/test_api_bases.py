"""Bases behind a server: chat completions on a real `transformers serve`, completions on a small fake."""

import http.server
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class FakeCompletions(http.server.BaseHTTPRequestHandler):
    """Answers `echo` completions: each word of the prompt has log-probability -1 over its length."""

    prompts: list = []  # noqa: RUF012  # shared on purpose: the server makes one handler a request

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.prompts += body["prompt"] if isinstance(body["prompt"][0], str) else []
        choices = []
        for index, prompt in enumerate(body["prompt"]):
            tokens = list(prompt) if isinstance(prompt, str) else [str(t) for t in prompt]
            logprobs = [None, *(-1.0 / (1 + len(t)) for t in tokens[1:]), -0.5]
            tokens = [*tokens, "x"]
            top = [None if p is None else {t: p} for t, p in zip(tokens, logprobs, strict=True)]
            choices.append(
                {
                    "index": index,
                    "text": "",
                    "logprobs": {"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": top},
                }
            )
        answer = json.dumps({"choices": choices}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_log_likelihoods_over_a_completions_server(forked_lm_eval, collection, tiny_tokenizer, tmp_path, results):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeCompletions)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/completions"
    trace = tmp_path / "trace.jsonl"
    try:
        done = forked_lm_eval(
            "--tasks", "kinj_benchmark_option", "--limit", "2",
            "--metadata", json.dumps({"benchmark": str(collection)}),
            "--model", "kinj_rag", "--model_args",
            f"base=local-completions,model=fake,base_url={url},tokenizer={tiny_tokenizer},k=1,max_length=512,trace={trace}",
            output=tmp_path / "out",
        )  # fmt: skip
    finally:
        server.shutdown()
    assert done.returncode == 0, done.stderr
    said = results(tmp_path / "out")["config"]["kinj"]
    assert said["base"]["model"] == "fake"
    assert said["length_checked"] is True
    assert said["tasks"]["kinj_benchmark_option"]["recall@1"] == 1.0
    assert json.loads(trace.read_text().splitlines()[0])["prompts"][0].startswith(
        "Passage 1: The water tower of Arvada"
    )


@pytest.mark.long
@pytest.mark.skipif(
    importlib.util.find_spec("uvicorn") is None, reason="`transformers serve` needs transformers[serving]"
)
def test_generation_over_a_real_chat_server(lm_eval, collection, tiny_model, tmp_path, results):
    port = free_port()
    serve = shutil.which("transformers", path=os.path.dirname(sys.executable))
    log = (tmp_path / "serve.log").open("w")
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    server = subprocess.Popen([serve, "serve", "--port", str(port), "--device", "cpu"], stdout=log, stderr=log, env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(url, server, tmp_path / "serve.log")
        trace = tmp_path / "trace.jsonl"
        done = lm_eval(
            "--tasks", "kinj_benchmark_generate", "--limit", "2",
            "--metadata", json.dumps({"benchmark": str(collection)}), "--apply_chat_template",
            "--gen_kwargs", "max_gen_toks=4", "--model", "kinj_rag", "--model_args",
            f"base=local-chat-completions,model={tiny_model},base_url={url}/v1/chat/completions,k=1,trace={trace}",
            output=tmp_path / "out",
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(30)
    assert done.returncode == 0, done.stderr
    said = results(tmp_path / "out")["config"]["kinj"]
    assert said["length_checked"] is False
    [chat] = json.loads(trace.read_text().splitlines()[0])["prompts"]
    [message] = json.loads(chat)
    assert message["role"] == "user"
    assert message["content"].startswith("Passage 1: The water tower of Arvada")


def wait_until_up(url, server, log):
    for _ in range(120):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1)  # noqa: S310  # our own server on loopback
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"the server did not come up: {log.read_text()}")
