"""Whether a comparison that is killed at random ends with the bytes of an undisturbed one.

    python benchmarks/compare_kills.py OUT            # on the demo model: hours on two CPU cores
    python benchmarks/compare_kills.py OUT --tiny     # on a random model of two layers: minutes

Three injection arms x three reading arms x two tasks x two seeds, twelve questions each, trainings of a few steps. It
runs once undisturbed, then again, killed by SIGKILL at random moments and started anew. Held against each other: of
every cell the samples (log-likelihoods, metrics), the metrics in the results and the trace (passages and prompts), and
the SHA-256 of every trained model's weights.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from compare import make_model

from kinj.manifest import sha256_file, sha256_json

FEW_STEPS = {
    "split": "fewshot",
    "num_train_epochs": 1,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
}


def main() -> int:
    """Prints what was killed and what differs; the exit status is 1 where anything does, or nothing was killed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path, help="a folder that is not there yet; both comparisons stay in it")
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--seed", type=int, default=0, help="draws the moments")
    options.add_argument("--tiny", action="store_true", help="take a random model in the demo model's place")
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True)
    out = chosen.out.resolve()
    model = make_model(out / "model", 0) if chosen.tiny else None
    (out / "plan.yaml").write_text(yaml.safe_dump(plan_of(model)))
    started = time.monotonic()
    end(start(out, "undisturbed"))
    seconds = time.monotonic() - started
    print(f"undisturbed: {seconds / 60:.1f} minutes, {len(told(out / 'undisturbed'))} cells", flush=True)
    draw, killed = random.Random(chosen.seed), 0  # noqa: S311  # moments, no secret
    while killed < chosen.kills:
        process, patience = start(out, "killed"), draw.uniform(0.02, 0.25) * seconds
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            print(f"kill {killed} after {patience:.0f} s: {len(told(out / 'killed'))} cells complete", flush=True)
        else:
            break
    end(start(out, "killed"))
    differing = differences(out / "undisturbed", out / "killed")
    print(f"killed {killed} times of {chosen.kills}; differing: {', '.join(differing) or 'nothing'}")
    if not killed:
        print("it ended before the first kill, so this shows nothing: take another --seed")
    return int(bool(differing) or not killed)


def plan_of(model: str | None) -> dict[str, object]:
    """The plan, of the demo model where none is given."""
    bm25 = {"retriever": "bm25", "k": 1}
    return {
        "models": {"model": {"pretrained": model, "device": "cpu"}},
        "benchmark": "current_events",
        "tasks": ["kinj_current_events_option", "kinj_current_events"],
        "splits": ["test"],
        "injection": [
            "none",
            {"recipe": "raw", "search": False, "settings": FEW_STEPS},
            {"recipe": "paraphrase", "search": False, "settings": {**FEW_STEPS, "paraphrases": 1}},
        ],
        "reading": ["none", bm25, {**bm25, "name": "at the question", "placement": "question"}],
        "seeds": [0, 1],
        "controls": [],
        "forgetting": [],
        "limit": 12,
    }


def start(out: Path, name: str) -> subprocess.Popen[bytes]:
    """Starts the comparison of that name, or goes on with it."""
    words = [sys.executable, "-P", "-m", "kinj.cli", "compare", str(out / "plan.yaml"), "--output_dir", str(out / name)]
    with (out / f"{name}.log").open("ab") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, cwd=out)


def end(process: subprocess.Popen[bytes]) -> None:
    """Waits for its end, which must be a good one."""
    if process.wait():
        raise SystemExit(f"{process.args}: exit status {process.returncode}: see the logs beside its folder")


def told(folder: Path) -> dict[str, str]:
    """Of each complete cell and each trained model, a hash of what must not depend on when it was made."""
    found = {}
    for manifest in folder.glob("cells/*/manifest.json"):
        [samples] = manifest.parent.glob("samples_*.jsonl")
        [results] = manifest.parent.glob("results_*.json")
        metrics = json.loads(results.read_text())["results"]
        parts = [sha256_file(samples), metrics, sha256_file(manifest.parent / "trace.jsonl")]
        found[f"cell {manifest.parent.name}"] = sha256_json(parts)
    return found


def differences(one: Path, other: Path) -> list[str]:
    """The cells and weights that are not the same in both."""
    ours, theirs = ({**told(folder), **weights(folder)} for folder in (one, other))
    return sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))


def weights(folder: Path) -> dict[str, str]:
    """SHA-256 of each trained model's weights, by its unit."""
    files = folder.glob("units/*/checkpoint/*.safetensors")
    return {f"weights {file.parts[-3]} {file.name}": sha256_file(file) for file in files}


if __name__ == "__main__":
    sys.exit(main())
