"""What `kinj compare` costs besides training, retrieval and scoring, against the same cells by `lm_eval` commands.

    python benchmarks/compare.py            # the overhead
    python benchmarks/compare.py --smoke    # the whole of the plan `smoke`; needs the demo model, takes minutes

Processor seconds of all processes, on a random model of two layers whose answers cost next to nothing, so that what is
left is start-up. One unit of 4 reading arms x 5 tasks may cost two start-ups of a single `lm_eval` command, measured in
the same run, where twenty commands pay twenty; each further unit may add one and a half.

`smoke` stands against its training by `kinj train` and its cells by `lm_eval --model hf` commands; where passages are
read, which `hf` cannot, by the single command of the cell's manifest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from kinj.hub.find import find_demo_model

TASKS = ("kinj_current_events", "kinj_current_events_option", "kinj_benchmark", "kinj_benchmark_option")
OPEN_TASK = "kinj_current_events_generate"
FIRST, FURTHER = 2.0, 1.5


def main() -> int:
    """Prints the ratios; the exit status is 1 where one is above its aim."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--limit", type=int, default=1, help="questions of each task")
    options.add_argument("--smoke", action="store_true", help="measure the plan that ships instead")
    chosen = options.parse_args()
    if chosen.smoke:
        return smoke()
    limit = chosen.limit
    with tempfile.TemporaryDirectory(prefix="kinj-compare-") as scratch:
        folder = Path(scratch)
        models = [make_model(folder / f"model-{seed}", seed) for seed in (0, 1)]
        one, out = compare(folder, "one", models[:1], limit)
        both, _ = compare(folder, "two", models, limit)
        single = cost_of_single_command(out)
    print(f"a single lm_eval command: {single:.1f} processor seconds")
    print(f"one unit, 20 cells: {one:.1f}, {one / single:.2f} of a single command (aim {FIRST}); 20 commands: 20.00")
    print(f"a second unit, 20 cells more: {both - one:.1f}, {(both - one) / single:.2f} (aim {FURTHER})")
    return int(one / single > FIRST or (both - one) / single > FURTHER)


def smoke() -> int:
    """Prints what the plan `smoke` takes and what its parts take by single commands."""
    with tempfile.TemporaryDirectory(prefix="kinj-compare-") as scratch:
        folder, out = Path(scratch), Path(scratch, "out")
        started = time.monotonic()
        words = [sys.executable, "-P", "-m", "kinj.cli", "compare", "smoke", "--output_dir", str(out)]
        whole = processor_seconds(words, folder, threads=None)
        minutes = (time.monotonic() - started) / 60
        print(f"smoke: {whole:.0f} processor seconds, {minutes:.1f} minutes by the clock", flush=True)
        parts = 0.0
        for name, command in single_commands(out, folder):
            seconds = processor_seconds([sys.executable, "-P", "-m", *command], folder, threads=None)
            print(f"  {name}: {seconds:.0f}", flush=True)
            parts += seconds
    print(f"its parts by single commands: {parts:.0f}; smoke takes {whole / parts:.2f} of it")
    return 0


def single_commands(out: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """What does a comparison's trainings and cells one by one."""
    for file in sorted(out.glob("units/*/unit.json")):
        for command in json.loads(file.read_text())["commands"]:
            if "train" in command["words"]:
                words = command["words"][command["words"].index("kinj.cli") :]
                yield "kinj train", [*words[: words.index("--output_dir")], "--output_dir", str(folder / "trained")]
    for file in sorted(out.glob("cells/*/manifest.json")):
        manifest = json.loads(file.read_text())
        words = shlex.split(manifest["command"])
        at, cell = words.index("--model"), manifest["cell"]
        name = f"{cell['injection']}, {cell['reading']}"
        if cell["retriever"] == "none":
            arguments = json.loads(words[at + 3])
            arguments = {key: value for key, value in arguments.items() if key not in ("retriever", "trace")}
            arguments = {**find_demo_model().arguments, "dtype": "float32", **arguments}
            words[at : at + 4] = ["--model", "hf", "--model_args", json.dumps(arguments)]
        yield f"lm_eval --model {words[at + 1]} ({name})", words


def make_model(folder: Path, seed: int) -> str:
    """A random Llama of two layers with the demo model's tokenizer."""
    import torch
    import transformers

    demo = find_demo_model().arguments["pretrained"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(demo)
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def compare(folder: Path, name: str, models: list[str], limit: int) -> tuple[float, Path]:
    """Processor seconds of `kinj compare` over all of it, and its output folder."""
    bm25 = {"retriever": "bm25", "k": 1}
    plan = {
        "models": {Path(model).name: {"pretrained": model, "device": "cpu"} for model in models},
        "benchmark": "current_events",
        "tasks": [*TASKS, OPEN_TASK],
        "splits": ["test"],
        "reading": ["none", bm25, {**bm25, "name": "at the question", "placement": "question"}, {**bm25, "k": 2}],
        "controls": [],
        "limit": limit,
    }
    plan["reading"][3]["name"] = "two"
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(plan))
    words = [sys.executable, "-P", "-m", "kinj.cli", "compare", str(folder / f"{name}.yaml")]
    return processor_seconds([*words, "--output_dir", str(folder / name)], folder), folder / name


def cost_of_single_command(out: Path) -> float:
    """Processor seconds of the command of one closed-book cell, typed alone."""
    manifests = [json.loads(file.read_text()) for file in out.glob("cells/*/manifest.json")]
    command = next(m["command"] for m in manifests if m["cell"]["reading"] == "none" and m["cell"]["task"] in TASKS)
    words = [sys.executable, "-P", "-m", *shlex.split(command)]
    return processor_seconds(words, out)


def processor_seconds(words: list[str], folder: Path, threads: int | None = 1) -> float:
    """User and system seconds of a command and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
