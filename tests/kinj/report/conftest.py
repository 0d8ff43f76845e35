"""Result files as lm-eval 0.4.13 writes them, with the keys of real ones; and comparisons, drawn, not computed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from kinj.jsonl import to_object
from kinj.manifest import sha256_json
from kinj.records import Cell

STAMP = "2026-05-01T10-00-00.000000"


def sample(i: int, value: float, *, filter_name: str = "none", metric: str = "acc", options: int = 4, **more) -> dict:
    doc = {"question": f"Question {i}?", "answer": i % 4, **more.pop("doc", {})}
    return {
        "doc_id": i,
        "doc": doc,
        "target": str(i % 4),
        "arguments": {},
        "resps": [[["-1.0", "False"]]] * options,
        "filtered_resps": [],
        "filter": filter_name,
        "metrics": [metric],
        "doc_hash": hashlib.sha256(json.dumps(doc).encode()).hexdigest(),
        "prompt_hash": "p",
        "target_hash": hashlib.sha256(str(i % 4).encode()).hexdigest(),
        metric: value,
        **more,
    }


def run_of(task: str = "arc_easy", value: float = 0.5, n: int = 40, *, metric: str = "acc", **more) -> dict:
    """The content of a result file with one task."""
    arguments = more.pop("model_args", {"pretrained": "org/small"})
    config = {"model": "hf", "model_args": arguments, "batch_size": "8", "device": "cpu", "gen_kwargs": {}}
    config |= {"fewshot_seed": 1234, **more.pop("config", {})}
    scores = {f"{metric},none": value, f"{metric}_stderr,none": 0.08}
    return {
        "results": {task: {"alias": task, "name": task, "sample_len": n, **scores}},
        "group_subtasks": {},
        "configs": {task: {"task": task, "output_type": "multiple_choice", "doc_to_choice": list("ABCD"),
                           "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True}]}},
        "versions": {task: 1.0},
        "n-shot": {task: 0},
        "higher_is_better": {task: {metric: True}},
        "n-samples": {task: {"original": n, "effective": n}},
        "config": config,
        "date": 1796048006.0,
        "lm_eval_version": "0.4.13",
        "model_name": str(arguments.get("pretrained", "random words")),
        "chat_template": None,
        "system_instruction": None,
        **more,
    }  # fmt: skip


def write_run(folder: Path, run: dict, samples: dict[str, list[dict]] | None = None, stamp: str = STAMP) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"results_{stamp}.json"
    file.write_text(json.dumps(run))
    for task, rows in (samples or {}).items():
        (folder / f"samples_{task}_{stamp}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture(scope="session")
def new_run() -> Callable[..., dict]:
    """Makes the content of a result file."""
    return run_of


@pytest.fixture(scope="session")
def new_sample() -> Callable[..., dict]:
    """Makes a row of samples."""
    return sample


@pytest.fixture(scope="session")
def log_run() -> Callable[..., Path]:
    """Writes a result file, and samples by task."""
    return write_run


@pytest.fixture(scope="session")
def log_answers() -> Callable[..., Path]:
    """Writes a run of one task with these answers: `log_answers(folder, [1, 0, …], task=…, model_args=…)`."""

    def write(
        folder: Path, values: list[float], task: str = "arc_easy", *, first: int = 0, stamp: str = STAMP, **more
    ) -> Path:
        mean = sum(values) / len(values)
        rows = [sample(first + i, value) for i, value in enumerate(values)]
        return write_run(folder, run_of(task, mean, len(values), **more), {task: rows}, stamp)

    return write


# ---- comparisons

TASK = "kinj_benchmark_option"
LETTERS = "ABCD"


def seal(rows: Sequence[dict]) -> dict:
    """What a manifest says of the rows of samples."""
    count = {"questions": len(rows), "filters": 1, "rows": len(rows)}
    hashes = {f"{row.get('doc_hash')} {row.get('target_hash')}" for row in rows}
    return {"rows": count, "questions_sha256": sha256_json(sorted(hashes))}


class Drawn:
    """A comparison's folder, one model and task unless said otherwise."""

    def __init__(  # each a way in which folders differ
        self,
        folder: Path,
        *,
        questions: int = 60,
        per_chunk: int = 2,
        gains: dict[str, float] | None = None,
        models: Sequence[str] = ("m",),
        ks: Sequence[int] = (1,),
        seeds: Sequence[int] = (0,),
        splits: Sequence[str] = ("test",),
        spread: float = 0.0,
        controls: bool = False,
        forgetting: bool = False,
        task: str = TASK,
        text: str = "The tower was painted blue.",
        seed: int = 0,
        plan: dict | None = None,
    ) -> None:
        self.folder = folder
        self.gains = {"base": 0.0, "RAG": 1.5, "FT": 0.3, "FT+RAG": 1.5, **(gains or {})}
        self.questions, self.per_chunk, self.text = questions, per_chunk, text
        self.task = task
        self.draw = np.random.default_rng(seed)
        self.latent = {}
        self.cells: list[Cell] = []
        self.spread = {s: spread * self.draw.standard_normal() for s in seeds}
        values = {
            "models": {name: {"pretrained": None} for name in models},
            "tasks": [task], "splits": list(splits), "seeds": list(seeds),
            "injection": [{"name": "none"}, {"name": "raw", "recipe": "raw"}],
            "reading": [{"name": "none"}, {"name": "bm25", "retriever": "bm25", "k": list(ks)}],
            "contrasts": ["RAG - base", "FT - base", "FT - RAG", "FT+RAG - RAG", "FT+RAG - FT"],
            "same_within": 3.0, "spread_prior": {"scale": 3.0, "degrees_of_freedom": 3},
            **(plan or {}),
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plan.yaml").write_text(yaml.safe_dump(values))
        readings = [("none", "none", None), *((f"bm25 k={k}", "bm25", k) for k in ks)]
        for model in models:
            for injection, seed_ in [("none", None), *(("raw", s) for s in seeds)]:
                for split in splits:
                    for reading, retriever, k in readings:
                        self.add(model, injection, seed_, split, reading, retriever, k)
                    if controls and injection == "none":
                        self.add(model, injection, None, split, "gold k=1", "gold", 1, role="control")
                        self.add(model, injection, None, split, "distractors k=1", "distractors", 1, role="control")
                if controls and injection == "none":
                    self.add(model, injection, None, splits[-1], "none, reversed", "none", None, role="noise")
                if forgetting:
                    self.add(model, injection, seed_, "", "none", "none", None, role="forgetting", task="mmlu_anatomy")
        self._write_passages()
        self.write_cells()

    def add(self, model, injection, seed, split, reading, retriever, k, role="main", task=None) -> Cell:
        number = len(self.cells)
        unit = f"{abs(hash((model, injection, seed))) % 16**16:016x}"
        cell = Cell(
            f"{number:016x}", unit, model, injection, reading, task or self.task, retriever, k, seed, split, role=role
        )
        self.cells.append(cell)
        self._write(cell)
        return cell

    def write_cells(self) -> None:
        lines = (json.dumps(to_object(cell)) + "\n" for cell in self.cells)
        (self.folder / "cells.jsonl").write_text("".join(lines))

    def remove(self, fits: Callable[[Cell], bool]) -> None:
        """Takes away the manifest of every cell that fits: it was never completed."""
        for cell in self.cells:
            if fits(cell):
                (self.folder / "cells" / cell.id / "manifest.json").unlink()

    def rewrite(self, cell: Cell, change: Callable[[dict], dict | None], *, sealed: bool = True) -> None:
        """Changes the rows of a cell's samples; None drops one. The manifest is as if it had been asked so."""
        [file] = (self.folder / "cells" / cell.id).glob("samples_*.jsonl")
        rows = [change(json.loads(line)) for line in file.read_text().splitlines()]
        rows = [row for row in rows if row is not None]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if sealed:
            manifest = file.with_name("manifest.json")
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **seal(rows)}))

    def cell(self, **fields: object) -> Cell:
        return next(c for c in self.cells if all(getattr(c, name) == value for name, value in fields.items()))

    def _right(self, cell: Cell) -> np.ndarray:
        key = (cell.model, cell.task, cell.split)
        if key not in self.latent:
            clusters = np.repeat(self.draw.standard_normal(self.questions), self.per_chunk)[: self.questions]
            self.latent[key] = 0.7 * clusters + self.draw.standard_normal(self.questions)
        side = ("FT" if cell.injection != "none" else "base") if cell.k is None else ""
        side = side or ("FT+RAG" if cell.injection != "none" else "RAG")
        gain = 3.0 if cell.retriever == "gold" else 0.0 if cell.retriever == "distractors" else self.gains[side]
        gain += 0.1 * ((cell.k or 1) - 1) + self.spread.get(cell.seed, 0.0)
        if cell.role in ("noise", "orders"):
            return self.base_right.copy()
        gain = 2.5 if cell.role == "everything" else gain
        right = self.latent[key] + gain + 0.4 * self.draw.standard_normal(self.questions) > 0
        if cell.injection == "none" and cell.k is None and cell.role == "main":
            self.base_right = right
        return right

    def _write(self, cell: Cell) -> None:
        place = self.folder / "cells" / cell.id
        place.mkdir(parents=True)
        right, rows, trace = self._right(cell), [], []
        own = cell.reading if cell.role == "orders" else ""  # other orders of the options are other rows
        for n in range(self.questions):
            answer = n % 4
            best = answer if right[n] else (answer + 1) % 4
            logs = [[str(-1.0 if i == best else -3.0 - 0.1 * i), "False"] for i in range(4)]
            chunk = f"c{cell.split}{n // self.per_chunk}"
            doc = {
                "id": f"{cell.split or 'x'}{n}", "question": f"What color is tower {n}?", "answer": answer,
                "choices": [f"{color} {n}" for color in ("red", "blue", "dun", "gold")], "chunk_ids": [chunk],
                "kind": ("who", "what")[n % 2], "form": "direct", "knowledge": "new", "evidence": ["painted blue"],
            }  # fmt: skip
            rows.append(
                {"doc_id": n, "doc": doc, "target": str(answer), "arguments": {"context": "Q", "options": [*LETTERS]},
                 "resps": [[one] for one in logs], "filtered_resps": logs, "filter": "none", "metrics": ["acc"],
                 "doc_hash": f"{cell.task}{cell.split}{n}{own}", "prompt_hash": "p", "target_hash": "t",
                 "acc": float(right[n])}
            )  # fmt: skip
            found = n % 5 > 0
            passages = [
                {"chunk_id": chunk if found and rank == 1 else f"other{rank}", "document_id": "d", "rank": rank,
                 "score": 1.0, "sent": True}
                for rank in range(1, (cell.k or 0) + 1)
            ]  # fmt: skip
            prompt = "".join(f"Passage {p['rank']}: {self.text}\n" for p in passages) + f"Question: {doc['question']}"
            trace.append(
                {"task": cell.task, "doc_id": n, "question_id": doc["id"], "passages": passages, "prompts": [prompt]}
            )
        stamp = "2026-01-01T00-00-00"
        retrieval = {} if cell.k is None else {
            "recall@1": 0.8, f"recall@{cell.k}": 0.8, "mrr": 0.8, "gold_sent": 0.8, "passages_dropped": 0,
            "questions_with_gold_sent": [row["doc"]["id"] for n, row in enumerate(rows) if n % 5 > 0],
        }  # fmt: skip
        results = {
            "results": {cell.task: {"acc,none": float(np.mean(right))}},
            "config": {"kinj": {"tasks": {cell.task: retrieval}, "questions_about_trained_texts": None}},
        }
        (place / f"results_{stamp}.json").write_text(json.dumps(results))
        for name, lines in ((f"samples_{cell.task}_{stamp}.jsonl", rows), ("trace.jsonl", trace)):
            (place / name).write_text("".join(json.dumps(row) + "\n" for row in lines))
        manifest = {
            "made_by": "kinj compare", "cell": asdict(cell), "command": f"lm_eval --tasks {cell.task}",
            **seal(rows), "responses_sha256": f"responses of {cell.id}", "seconds": 6.0,
            "tokens": self.questions * (100 if cell.k is None else 300 * cell.k), "memory": 2**30, "device": "cpu",
        }  # fmt: skip
        (place / "manifest.json").write_text(json.dumps(manifest))
        if cell.injection != "none":
            unit = self.folder / "units" / cell.unit
            unit.mkdir(parents=True, exist_ok=True)
            training = {
                "arm": "raw", "recipe": "raw", "tokens": 1_000_000, "seconds": 600.0, "steps": 100,
                "weights_sha256": f"weights of {cell.unit}", "data": {"documents": 67, "texts": 67},
                "files": {"w": 2**20},
            }  # fmt: skip
            (unit / "training.json").write_text(json.dumps(training))

    def _write_passages(self) -> None:
        place = self.folder / "passages" / "0123456789abcdef"
        place.mkdir(parents=True)
        splits = {cell.split for cell in self.cells}
        chunks = [f"c{split}{n}" for split in splits for n in range(math.ceil(self.questions / self.per_chunk))]
        chunks += [f"other{n}" for n in range(1, 11)]
        rows = [{"passages": [{"chunk_id": chunk, "text": self.text, "title": "Towers"}]} for chunk in chunks]
        (place / "passages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def make_drawn() -> type[Drawn]:
    """Writes a comparison's folder: `make_drawn(FOLDER, questions=60, seeds=(0, 1), …)`."""
    return Drawn


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Drawn]:
    """The same into a folder of the test: `drawn(questions=60, …)`; `name` says which."""
    return lambda name="out", **settings: Drawn(tmp_path / name, **settings)
