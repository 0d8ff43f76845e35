"""What all tests share: a tiny model, a tiny collection, data sets without a hub; and what the tests cost.

A test that needs a real server is marked `long` here; other slow ones say it themselves.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

#: Fixtures that start a real Elasticsearch.
SERVERS = {"start_elasticsearch", "elasticsearch_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks long what runs on a real server; a parameter that asks for one is marked where it stands."""
    PROCESSOR.since_last()  # what it took to collect the tests is none of theirs
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.long)


# ---- what the tests cost, in seconds of a processor: the clock says more about the machine than about the tests


class Processor:
    """Seconds of a processor that this process and all that it started have used, user and system."""

    def __init__(self) -> None:
        #: of servers that are gone
        self._gone = 0.0
        #: session numbers of servers, which are no children of ours
        self._servers: set[int] = set()
        self._last = 0.0

    def started(self, pid: int) -> None:
        """Counts in the server of that process, with what was started together with it."""
        self._servers.add(os.getsid(pid))

    def stopping(self, pid: int) -> None:
        """Keeps what a server has used; nothing of it can be read once it is gone."""
        session = os.getsid(pid)
        if session in self._servers:
            self._gone += sum(seconds for _, _, at, seconds in _processes() if at == session)
            self._servers.remove(session)

    def since_last(self) -> float:
        """Seconds since this was last asked, which costs four thousandths itself."""
        before, self._last = self._last, self.seconds()
        return self._last - before

    def seconds(self) -> float:
        """So far: ours, our children's that have ended, and those still running below us or as servers."""
        own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        used = self._gone + sum(usage.ru_utime + usage.ru_stime for usage in (own, ended))
        running = [process for process in _processes() if process[0] != os.getpid()]
        below = {os.getpid()}
        while more := {pid for pid, parent, _, _ in running if parent in below} - below:
            below |= more
        counted = (seconds for pid, _, at, seconds in running if pid in below or at in self._servers)
        return used + sum(counted)


def _processes() -> Iterator[tuple[int, int, int, float]]:
    """(number, parent, session, seconds used with its ended children) of each running process."""
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").glob("[0-9]*"):  # none where there is no /proc: then only ended children count
        try:
            values = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        yield int(entry.name), int(values[1]), int(values[3]), sum(map(int, values[11:15])) / ticks


PROCESSOR = Processor()
COSTS: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Notes what a test costs, with the fixtures that are made or removed around it."""
    done = yield
    COSTS[item.nodeid] = PROCESSOR.since_last()
    return done


def pytest_terminal_summary(terminalreporter: Any) -> None:  # Any: pytest's reporter is private
    """Says what the run cost, and the ten tests that cost most."""
    total = PROCESSOR.seconds()
    terminalreporter.section(f"{total:.0f} processor seconds ({total / 60:.1f} minutes)")
    for name, seconds in sorted(COSTS.items(), key=lambda cost: -cost[1])[:10]:
        terminalreporter.write_line(f"{seconds:7.1f} {name}")


CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CITIES = ("Arvada", "Belmont", "Corvallis", "Decatur", "Elkhart", "Fresno", "Gilroy", "Hoboken", "Ithaca")
COLORS = ("amber", "blue", "crimson", "dun", "emerald", "fawn", "gold", "hazel", "ivory")


def write_lines(path: Path, objects: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(o) + "\n" for o in objects))


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark folder: nine documents of one chunk, each with one question; test 0-5, dev 6-7, fewshot 8."""
    folder = tmp_path_factory.mktemp("benchmark") / "towers"
    documents, chunks, questions = [], [], []
    for i, (city, color) in enumerate(zip(CITIES, COLORS, strict=True)):
        text = (
            f"The water tower of {city} was painted {color} in May 2031. The town council of {city} had voted for it."
        )
        split = "test" if i < 6 else "dev" if i < 8 else "fewshot"
        documents.append({"id": f"d{i}", "text": text, "split": split})
        chunks.append({"id": f"d{i}.1", "document_id": f"d{i}", "text": text, "start": 0, "end": len(text)})
        choices = [COLORS[(i + j) % 9] for j in range(4)]
        choices = choices[-(i % 4) :] + choices[: -(i % 4)] if i % 4 else choices
        questions.append(
            {
                "id": f"d{i}.1.q1",
                "chunk_ids": [f"d{i}.1"],
                "question": f"Which color did the water tower of {city} get in May 2031?",
                "choices": choices,
                "answer": choices.index(color),
                "kind": "what",
                "accepted_answers": [color],
            }
        )
    for name, rows in (("documents", documents), ("chunks", chunks), ("questions", questions)):
        write_lines(folder / f"{name}.jsonl", rows)
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE tokenizer of 600 entries, with a chat template and without an automatic BOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [
        f"The water tower of {c} was painted {k} in May 2031.\nQuestion: Which?\nAnswer:"
        for c in CITIES
        for k in COLORS
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<s>", "</s>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = CHAT_TEMPLATE
    folder = tmp_path_factory.mktemp("tokenizer")
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_tiny_model(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path) -> Callable[..., Path]:
    """Makes a folder with a random model of two layers: `make_tiny_model("LlamaConfig", seed=0, **config)`."""

    def make(config_name: str = "LlamaConfig", seed: int = 0, **changes: object) -> Path:
        import torch
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_tokenizer)
        settings: dict[str, object] = {
            "vocab_size": len(tokenizer),
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 12,
            "max_position_embeddings": 512,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "initializer_range": 0.3,
            **changes,
        }
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, config_name)(**settings))
        folder = tmp_path_factory.mktemp(f"{config_name}-{seed}")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_model(make_tiny_model: Callable[..., Path]) -> Path:
    """A random Llama of two layers and 512 positions, float32."""
    return make_tiny_model()


@pytest.fixture(scope="session")
def hub_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which MMLU anatomy, ARC-Easy and `nq_open` load without a hub."""
    folder = tmp_path_factory.mktemp("hub")

    def data_set(name: str, config: str | None, **splits: list[dict]) -> None:
        where = folder / name
        for split, rows in splits.items():
            write_lines(where / f"{split}.jsonl", rows)
        files = "".join(f"  - split: {split}\n    path: {split}.jsonl\n" for split in splits)
        (where / "README.md").write_text(
            f"---\nconfigs:\n- config_name: {config or 'default'}\n  data_files:\n{files}---\n"
        )

    def mmlu(i: int) -> dict:
        choices = [f"{COLORS[(i + j) % 9]} tissue" for j in range(4)]
        return {
            "question": f"What lines organ {i} of {CITIES[i % 9]}?",
            "subject": "anatomy",
            "choices": choices,
            "answer": i % 4,
        }

    def arc(i: int) -> dict:
        choices = {"text": [f"{COLORS[(i + j) % 9]} rock" for j in range(4)], "label": list("ABCD")}
        return {
            "id": f"a{i}",
            "question": f"Which rock lies under {CITIES[i % 9]}?",
            "choices": choices,
            "answerKey": "ABCD"[i % 4],
        }

    def open_question(i: int) -> dict:
        return {"question": f"which color has the water tower of {CITIES[i % 9]}", "answer": [COLORS[i % 9]]}

    data_set(
        "cais/mmlu",
        "anatomy",
        test=[mmlu(i) for i in range(8)],
        validation=[mmlu(8)],
        dev=[mmlu(i) for i in range(20, 25)],
    )
    data_set(
        "allenai/ai2_arc",
        "ARC-Easy",
        train=[arc(i) for i in range(10, 14)],
        validation=[arc(8)],
        test=[arc(i) for i in range(4)],
    )
    data_set(
        "google-research-datasets/nq_open",
        None,
        train=[open_question(i) for i in range(4, 9)],
        validation=[open_question(i) for i in range(2)],
    )
    return folder


@pytest.fixture(scope="session")
def kinj_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache of its own for the commands that tests start."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def lm_eval(kinj_cache: Path, hub_stand_in: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `lm_eval ARGS` as a user does, in the stand-in's folder; `output=` adds --output_path."""

    def run(*arguments: str, output: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lm_eval", "run", *arguments]
        if output is not None:
            command += ["--output_path", str(output), "--log_samples"]
        env = {
            **os.environ,
            "KINJ_CACHE": str(kinj_cache),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(kinj_cache / "hf"),
            **environment,
        }
        return subprocess.run(
            command, capture_output=True, text=True, cwd=hub_stand_in, env=env, check=False, timeout=300
        )

    return run


@pytest.fixture(scope="session")
def forked_lm_eval(
    kinj_cache: Path, hub_stand_in: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """As `lm_eval`, in a process forked from one that has made the imports and read lm-eval's 14,000 task files."""
    script = Path(__file__).with_name("lm_eval_forks.py")
    env = {**os.environ, "KINJ_CACHE": str(kinj_cache), "HF_HUB_OFFLINE": "1", "HF_HOME": str(kinj_cache / "hf")}
    logs = tmp_path_factory.mktemp("lm_eval")
    command = [sys.executable, "-P", str(script)]  # without this folder on its path, where `kinj` is the tests of kinj
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=hub_stand_in, env=env)

    def run(*arguments: str, output: Path | None = None) -> subprocess.CompletedProcess[str]:
        words = ["lm_eval", "run", *arguments]
        if output is not None:
            words += ["--output_path", str(output), "--log_samples"]
        log = logs / str(len(list(logs.iterdir())))
        print(json.dumps({"words": words, "log": str(log)}), file=server.stdin, flush=True)  # its stdin
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(words, code, log.with_suffix(".out").read_text(), log.read_text())

    yield run
    server.communicate(timeout=60)


def read_results(folder: Path) -> dict:
    [file] = folder.rglob("results*.json")
    return json.loads(file.read_text())


def read_samples(folder: Path, task: str) -> list[dict]:
    [file] = folder.rglob(f"samples_{task}_2*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="session")
def results() -> Callable[[Path], dict]:
    """Reads the one result file below a folder."""
    return read_results


@pytest.fixture(scope="session")
def samples() -> Callable[[Path, str], list[dict]]:
    """Reads the one samples file of a task below a folder."""
    return read_samples


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random sentence-transformers model: BERT of two layers, 24 dimensions, a window of 48 word pieces."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    scratch, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("embedder") / "tiny"
    pieces = BertWordPieceTokenizer()
    texts = [f"The water tower of {c} was painted {k} in May 2031." for c in CITIES for k in COLORS]
    pieces.train_from_iterator(texts, vocab_size=300, min_frequency=1, show_progress=False)
    pieces.save_model(str(scratch))
    BertTokenizerFast.from_pretrained(scratch).save_pretrained(scratch)
    torch.manual_seed(0)
    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=300, max_position_embeddings=64, initializer_range=0.3, **size)).save_pretrained(
        scratch
    )
    model = SentenceTransformer(modules=[Transformer(str(scratch), max_seq_length=48), Pooling(24)], device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


ELASTICSEARCH = Path(__file__).resolve().parents[1].parent / "shared" / "elasticsearch"
#: What `start` says where Java is absent, or too old for the server.
NO_JAVA = ("no Java 17+ found", "UnsupportedClassVersionError")


#: Below the ports that outgoing connections get, even 10,000 above; each is given once: its server may come back.
PORTS = iter(random.sample(range(20_000, 22_000), 2_000))


def free_elasticsearch_port() -> int:
    """A port for HTTP whose neighbour 10,000 above, for the cluster's own traffic, is free too."""
    for port in PORTS:
        try:
            with socket.socket() as http, socket.socket() as transport:
                http.bind(("127.0.0.1", port))
                transport.bind(("127.0.0.1", port + 10_000))
        except OSError:
            continue
        return port
    raise AssertionError("no free port")


class ElasticsearchServer:
    """A real server on a port of its own; stopped or killed, it keeps its data for the next `start`.

    KINJ_TEST_ELASTICSEARCH says its version where a test does not.
    """

    def __init__(self, root: Path, *arguments: str) -> None:
        self.port = free_elasticsearch_port()
        self.url = ""
        #: what a user exports to reach it
        self.environment: dict[str, str] = {}
        self._root = root
        self._folder = root / f"elasticsearch-node-{self.port}"
        version = os.environ.get("KINJ_TEST_ELASTICSEARCH")
        self._arguments = (*(("--version", version) if version else ()), *arguments)
        options = self._folder / "config" / "jvm.options.d" / "tests.options"
        options.parent.mkdir(parents=True)
        # Half the time to start: a test's server never runs long enough for the thorough compiler to pay.
        options.write_text("-XX:TieredStopAtLevel=1\n-XX:-AlwaysPreTouch\n")

    def start(self) -> None:
        """Returns when it answers."""
        done = self._run("start", *self._arguments)
        if any(said in done.stderr for said in NO_JAVA):
            pytest.skip(f"Elasticsearch needs a newer Java: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        PROCESSOR.started(self.pid)
        self.environment = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.url = self.environment["ELASTICSEARCH_URL"]

    def stop(self) -> None:
        """As an administrator would."""
        self._stop()

    def kill(self) -> None:
        """As a crash would."""
        self._stop("--kill")

    def remove(self) -> None:
        """Takes its data too."""
        self._stop("--kill", "--wipe")

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return int((self._folder / "pid").read_text())

    def _stop(self, *arguments: str) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):  # it is gone already
            PROCESSOR.stopping(self.pid)
        done = self._run("stop", *arguments)
        assert done.returncode == 0, done.stderr

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "ELASTICSEARCH_ROOT": str(self._root)}
        # Files, not pipes: the server inherits them and would keep a pipe open for as long as it runs.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [ELASTICSEARCH / command, "--port", str(self.port), *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, check=False, timeout=180,
            )  # fmt: skip
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


@pytest.fixture(scope="session")
def start_elasticsearch() -> Iterator[Callable[..., ElasticsearchServer]]:
    """Starts a server: `start_elasticsearch("--security", "--set", "KEY=VALUE")`; all are gone when the tests end."""
    if not (ELASTICSEARCH / "start").is_file():
        pytest.skip("no Elasticsearch: ../shared/elasticsearch is not beside this checkout")
    # Not below pytest's own folders, which only their owner may enter: the server is no root.
    root = Path(tempfile.mkdtemp(prefix="kinj-elasticsearch-", dir="/var/tmp"))
    root.chmod(0o755)
    servers: list[ElasticsearchServer] = []

    def start(*arguments: str) -> ElasticsearchServer:
        server = ElasticsearchServer(root, *arguments)
        servers.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in servers:
            server.remove()
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def elasticsearch_server(start_elasticsearch: Callable[..., ElasticsearchServer]) -> ElasticsearchServer:
    """One server for all tests that need nothing of it but to be there: give every index a name of your own."""
    return start_elasticsearch()
