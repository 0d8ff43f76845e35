"""What training on texts puts into a small model: the injection arms of docs/training.md, trained, asked and compared.

python benchmarks/injection_arms.py train  --model DIR --out OUT --learning_rate 1e-4
python benchmarks/injection_arms.py ask    --model DIR --out OUT --mmlu ../shared/data/mmlu
python benchmarks/injection_arms.py read   --model DIR --out OUT --texts ../shared/data/corpus/anatomy.jsonl
python benchmarks/injection_arms.py report --out OUT

`train` makes each arm by `kinj train` (keys that it does not know go there), `ask` asks each by `lm_eval`, `read` takes
each one's loss on general texts; all go on where they were interrupted. `report` prints accuracy, paired differences,
the spread of the seeds, and forgetting.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinj.jsonl import read_objects

RECIPES = Path(__file__).parents[1] / "training" / "recipes"
RESAMPLES = 10_000
METRICS = ("acc", "acc_norm")


@dataclass(frozen=True, slots=True)
class Arm:
    """One checkpoint: an injection arm and a seed; no recipe: the base model."""

    name: str
    seed: int
    recipe: str | None

    @property
    def folder(self) -> str:
        """Where its checkpoint lies under --out."""
        return f"{self.name}-seed{self.seed}" if self.recipe else self.name


@dataclass(frozen=True, slots=True)
class Asked:
    """One set of questions, and what may be read for them."""

    name: str
    task: str
    metadata: dict[str, str]
    model_args: str
    limit: int | None = None


ARMS = (
    Arm("base", 0, None),
    Arm("raw", 0, "raw.yaml"),
    *(Arm(f"{name}-5", seed, f"{name}.yaml") for seed in (0, 1) for name in ("paraphrase", "repeat")),
)
OPTION = "kinj_current_events_option"
CLOSED, OPEN = "trained documents, closed book", "trained documents, bm25 k=1"
#: Of the general texts, so many blocks of so many tokens are read.
BLOCKS, LENGTH = 40, 512


def asked(mmlu: Path | None) -> Iterator[Asked]:
    """What every checkpoint is asked."""
    yield Asked(CLOSED, OPTION, {"split": "dev"}, "retriever=none")
    yield Asked(OPEN, OPTION, {"split": "dev"}, "retriever=bm25,k=1")
    yield Asked("other documents, closed book", OPTION, {"split": "test"}, "retriever=none", limit=300)
    if mmlu is not None:
        yield Asked("anatomy by letters, closed book", "kinj_mmlu_anatomy", {"mmlu_dir": str(mmlu)}, "retriever=none")


def train(out: Path, model: str, extra: Sequence[str]) -> None:
    """Trains every arm that is not complete; `kinj train` itself resumes one that was interrupted."""
    for arm in ARMS:
        if arm.recipe is None:
            continue
        command = ["kinj", "train", str(RECIPES / arm.recipe), "--model_name_or_path", model, "--split", "dev"]
        if arm.name != "raw":
            command += ["--paraphrases", "5"]
        command += ["--seed", str(arm.seed), "--data_seed", str(arm.seed)]
        run([*command, "--output_dir", str(out / arm.folder), *extra])


def ask(out: Path, model: str, mmlu: Path | None) -> None:
    """Asks every checkpoint every set of questions whose answers are not there yet."""
    for arm in ARMS:
        for questions in asked(mmlu):
            place = out / "answers" / arm.folder / questions.name.replace(" ", "_")
            if any(place.rglob("results*.json")):
                continue
            checkpoint = model if arm.recipe is None else str(out / arm.folder)
            command = ["lm_eval", "--model", "kinj_rag", "--tasks", questions.task, "--log_samples"]
            command += ["--model_args", f"pretrained={checkpoint},dtype=float32,{questions.model_args}"]
            command += ["--metadata", json.dumps(questions.metadata), "--output_path", str(place)]
            if questions.limit:
                command += ["--limit", str(questions.limit)]
            run(command)


def read(out: Path, model: str, texts: Path) -> None:
    """Writes each checkpoint's mean loss over the first blocks of the texts, joined, where it is not there yet."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens: list[int] = []
    for _, row in read_objects(texts):
        if len(tokens) >= BLOCKS * LENGTH:
            break
        tokens += tokenizer(row["text"], add_special_tokens=False)["input_ids"]
    blocks = torch.tensor(tokens[: BLOCKS * LENGTH]).view(-1, LENGTH)
    for arm in ARMS:
        file = loss_file(out, arm)
        if file.is_file():
            continue
        checkpoint = model if arm.recipe is None else str(out / arm.folder)
        reader = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
        with torch.inference_mode():
            losses = [float(reader(block[None], labels=block[None]).loss) for block in blocks]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"texts": texts.name, "losses": losses}))
        print(
            f"{arm.folder}: {np.mean(losses):.4f} nats a token over {blocks.numel()} tokens of {texts.name}", flush=True
        )


def loss_file(out: Path, arm: Arm) -> Path:
    """Where a checkpoint's losses on general texts lie, one a block."""
    return out / "answers" / arm.folder / "general_texts.json"


def run(command: list[str]) -> None:
    """Shows the command and runs it from this interpreter's folder."""
    print("$", " ".join(command), flush=True)
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True)


def report(out: Path) -> None:
    """Prints, for each set of questions, accuracy by arm and the paired differences of arms."""
    for questions in asked(Path("-")):
        for metric in METRICS:
            answers = {arm: read_answers(out, arm, questions, metric) for arm in ARMS}
            found = {arm: rows for arm, rows in answers.items() if rows}
            if found:
                print(f"\n## {questions.name}, {metric}")
                print_table(found)
    for metric in METRICS:
        print_against_retrieval(out, metric)
    print("\n## loss on general texts, nats a token")
    for arm in ARMS:
        if loss_file(out, arm).is_file():
            read_there = json.loads(loss_file(out, arm).read_text())
            print(f"| {arm.folder} | {np.mean(read_there['losses']):.3f} |")


def read_answers(out: Path, arm: Arm, questions: Asked, metric: str) -> dict[str, tuple[str, float]]:
    """Question id -> (its document, right or wrong) of one run; empty where it was not asked or has not that metric."""
    place = out / "answers" / arm.folder / questions.name.replace(" ", "_")
    rows: dict[str, tuple[str, float]] = {}
    for file in place.rglob("samples_*.jsonl"):
        for _, row in read_objects(file):
            if metric in row:
                doc = row["doc"]
                chunk = doc["chunk_ids"][0] if "chunk_ids" in doc else f"question {row['doc_id']}"
                rows[str(row["doc_id"])] = chunk, float(row[metric])
    return rows


def print_against_retrieval(out: Path, metric: str) -> None:
    """Prints what each trained arm gives without passages, minus what the base model gives with them."""
    sets = {one.name: one for one in asked(None)}
    base = read_answers(out, ARMS[0], sets[OPEN], metric)
    print(f"\n## trained and closed book - base and {OPEN}, {metric}")
    for name in dict.fromkeys(arm.name for arm in ARMS[1:]):
        runs = [rows for arm in ARMS if arm.name == name and (rows := read_answers(out, arm, sets[CLOSED], metric))]
        if base and runs:
            right = np.mean([[rows[one][1] for one in base] for rows in runs], axis=0)
            difference = right - np.array([row[1] for row in base.values()])
            low, high = interval(difference, [row[0] for row in base.values()])
            print(f"| {name} | {100 * difference.mean():+.1f} | {100 * low:+.1f} to {100 * high:+.1f} |")


def print_table(found: dict[Arm, dict[str, tuple[str, float]]]) -> None:
    """Prints each arm's accuracy, then the paired differences with their intervals."""
    ids = sorted(set.intersection(*(set(rows) for rows in found.values())))
    clusters = [next(iter(found.values()))[one][0] for one in ids]
    names = list(dict.fromkeys(arm.name for arm in found))
    right = {
        name: np.array([[rows[one][1] for one in ids] for arm, rows in found.items() if arm.name == name])
        for name in names
    }
    print(f"n = {len(ids)} questions of {len(set(clusters))} chunks; each line one arm, seeds apart")
    for name in names:
        seeds = ", ".join(f"{100 * seed.mean():.1f}" for seed in right[name])
        print(f"| {name} | {100 * right[name].mean():.1f} | {seeds} |")
    pairs = [(name, "base") for name in names if name != "base"] + [("paraphrase-5", "repeat-5")]
    for one, other in pairs:
        if one in right and other in right:
            difference = right[one].mean(axis=0) - right[other].mean(axis=0)
            low, high = interval(difference, clusters)
            print(f"| {one} - {other} | {100 * difference.mean():+.1f} | {100 * low:+.1f} to {100 * high:+.1f} |")


def interval(difference: npt.NDArray[np.float64], clusters: Sequence[str]) -> tuple[float, float]:
    """95 % percentile interval of the mean paired difference, resampling whole chunks (clustered bootstrap), seed 0."""
    _, which = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(which, difference), np.bincount(which)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["train", "ask", "read", "report"])
    parser.add_argument("--model", help="folder of the base model")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and answers")
    parser.add_argument("--mmlu", type=Path, help="folder of MMLU's CSV files; without it forgetting is not asked for")
    parser.add_argument("--texts", type=Path, help="JSON lines with general texts, to see what is forgotten")
    given, extra = parser.parse_known_args()
    if given.step == "report":
        report(given.out)
    elif given.model is None:
        parser.error("--model is needed")
    elif given.step == "train":
        train(given.out, given.model, extra)
    elif given.step == "read":
        read(given.out, given.model, given.texts or parser.error("--texts is needed"))
    else:
        ask(given.out, given.model, given.mmlu)


if __name__ == "__main__":
    main()
