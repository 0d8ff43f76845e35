"""Training speed and peak memory of kinj against a bare PyTorch loop and against TRL's own SFTTrainer.

python benchmarks/training.py --model DIR --rounds 3

The texts are the chunks behind the dev questions and five paraphrases of each, of the current-events collection. All
train the full weights by AdamW at the same precision, on the same blocks in the same order:

kinj      `BlockTrainer`, whole texts packed in blocks, none attends to another
bare      a loop of forward, backward and step over kinj's own batches: what the hardware gives
trl       SFTTrainer on the same packed rows (`padding_free`, `seq_lengths`), with its own loss
unpacked  SFTTrainer with one text a row, padded to the longest of its batch

Each runs in a process of its own, in turn; the first two steps are not timed. Tokens are those of texts, never padding.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

RIVALS = ("kinj", "bare", "trl", "unpacked")
WARM_UP = 2


def measure(rival: str, model: str, steps: int, batch: int, length: int, threads: int) -> dict[str, float]:
    """Tokens a second over the timed steps, and the process's peak memory in GiB."""
    import torch
    from transformers import AutoTokenizer

    from kinj_training.plan import make_plan
    from kinj_training.recipe.loading import load_recipe

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        words = {"model_name_or_path": model, "split": "dev", "paraphrases": 5, "max_length": length,
                 "layout": "single" if rival == "unpacked" else "packed", "per_device_train_batch_size": batch,
                 "gradient_accumulation_steps": 1, "num_train_epochs": 1, "train_sampling_strategy": "sequential",
                 "output_dir": folder, "save_strategy": "no", "eval_strategy": "no", "logging_strategy": "no",
                 "disable_tqdm": True}  # fmt: skip
        recipe = load_recipe("paraphrase", [word for key, value in words.items() for word in (f"--{key}", str(value))])
        tokenizer = AutoTokenizer.from_pretrained(model)
        plan = make_plan(recipe, tokenizer, 1)
        plan = replace(plan, blocks=plan.blocks[: steps * batch], held_out=[])
        lengths = [len(block.input_ids) for block in plan.blocks]
        rows = [lengths[i : i + batch] for i in range(0, len(lengths), batch)]
        clock = Clock([sum(row) for row in rows])
        run = {"kinj": run_kinj, "bare": run_bare, "trl": run_trl, "unpacked": run_trl}[rival]
        run(recipe, plan, tokenizer, batch, clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    padded = sum(len(row) * max(row) for row in rows) if rival == "unpacked" else sum(lengths)
    return {"tokens_per_second": clock.speed(), "peak_gib": peak, "fill": sum(lengths) / padded}


class Clock:
    """Notes when each optimizer step ended."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens
        self._ends: list[float] = []

    def step(self) -> None:
        """To be called at the end of each step."""
        self._ends.append(time.perf_counter())

    def speed(self) -> float:
        """Tokens a second after the warm-up."""
        return sum(self._tokens[WARM_UP:]) / (self._ends[-1] - self._ends[WARM_UP - 1])


def run_kinj(recipe: Any, plan: Any, tokenizer: Any, batch: int, clock: Clock) -> None:
    """Trains as `kinj train` does."""
    from kinj_training.base import find_base
    from kinj_training.run.job import Job

    job = Job(
        plan,
        tokenizer,
        recipe.training,
        recipe.model,
        given={"eval_strategy", "logging_steps"},
        accuracy_task=None,
        collection=recipe.data.collection,
        command=recipe.command,
        description={},
    )
    trainer = job.make_trainer(find_base(recipe.base), plan.sha256)
    trainer.add_callback(ticking(clock))
    trainer.train()


def run_bare(recipe: Any, plan: Any, tokenizer: Any, batch: int, clock: Clock) -> None:
    """The shortest loop that does the same."""
    import torch
    from transformers import AutoModelForCausalLM

    from kinj_training.blocks.collator import BlockCollator, to_dataset

    model = AutoModelForCausalLM.from_pretrained(recipe.model.model_name_or_path, dtype=torch.float32)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.training.learning_rate)
    rows, collate = to_dataset(plan.blocks), BlockCollator()
    for start in range(0, len(rows), batch):
        inputs = collate([rows[i] for i in range(start, min(start + batch, len(rows)))])
        inputs = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.training.bf16):
            loss = model(**inputs, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.training.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        clock.step()


def run_trl(recipe: Any, plan: Any, tokenizer: Any, batch: int, clock: Clock) -> None:
    """SFTTrainer as it comes, on rows made by us so that no token differs."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTTrainer

    packed = recipe.data.layout == "packed"
    rows = {
        "input_ids": [list(block.input_ids) for block in plan.blocks],
        "labels": [list(block.labels) for block in plan.blocks],
    }
    if packed:
        rows["seq_lengths"] = [list(block.lengths) for block in plan.blocks]
    settings = replace(recipe.training, max_length=None, padding_free=packed)
    model = AutoModelForCausalLM.from_pretrained(recipe.model.model_name_or_path, dtype="float32")
    trainer = SFTTrainer(model=model, args=settings, train_dataset=Dataset.from_dict(rows), processing_class=tokenizer)
    trainer.add_callback(ticking(clock))
    trainer.train()


def ticking(clock: Clock) -> Any:
    """A callback that tells the clock of each step."""
    from transformers import TrainerCallback

    class Tick(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            clock.step()

    return Tick()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a causal language model")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=4, help="blocks in a batch")
    parser.add_argument("--length", type=int, default=256, help="tokens in a block")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="each rival runs this often; the median counts")
    parser.add_argument("--rival", choices=RIVALS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rival:
        sized = (given.steps, given.batch, given.length, given.threads)
        print(json.dumps(measure(given.rival, given.model, *sized)))
        return
    found: dict[str, list[dict[str, float]]] = {rival: [] for rival in RIVALS}
    for number in range(given.rounds):
        for rival in RIVALS:
            done = subprocess.run(
                [sys.executable, *sys.argv, "--rival", rival], check=True, stdout=subprocess.PIPE, text=True
            )
            found[rival].append(json.loads(done.stdout.splitlines()[-1]))
            speed = found[rival][-1]["tokens_per_second"]
            print(f"round {number + 1}: {rival} {speed:.0f} tokens/s", file=sys.stderr)
    speeds = {rival: sorted(one["tokens_per_second"] for one in runs)[len(runs) // 2] for rival, runs in found.items()}
    for rival, runs in found.items():
        peak = max(one["peak_gib"] for one in runs)
        ratio = speeds["kinj"] / speeds[rival]
        fill = f"{100 * runs[0]['fill']:.0f} % of what goes through the model is text"
        print(f"{rival:9} {speeds[rival]:7.1f} tokens/s   peak {peak:.2f} GiB   kinj is {ratio:.2f}x of it   {fill}")


if __name__ == "__main__":
    main()
