"""Run in a forked process by the fixtures `kinj_train` and `fork_lm_eval`: WORDS, with what HOOK says done to it."""

import json
import logging
import os
import signal
import sys

WORDS, HOOK, LOG, ENVIRONMENT = globals()["WORDS"], globals()["HOOK"], globals()["LOG"], globals()["ENVIRONMENT"]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after_step(step):
    from transformers import DefaultFlowCallback

    was = DefaultFlowCallback.on_step_end

    def on_step_end(self, args, state, control, **more):
        if state.global_step == step:
            die()
        return was(self, args, state, control, **more)

    DefaultFlowCallback.on_step_end = on_step_end


def kill_in_save(step, method, broken):
    """Inside the checkpoint of a step: `method` has run, and the file `broken` holds only its first half."""
    from kinj_training.run.trainer import BlockTrainer

    was = getattr(BlockTrainer, method)

    def save(self, output_dir, *arguments, **more):
        was(self, output_dir, *arguments, **more)
        if self.state.global_step == step:
            file = os.path.join(output_dir, broken)
            os.truncate(file, os.path.getsize(file) // 2)
            die()

    setattr(BlockTrainer, method, save)


def kill_before_record(step):
    from kinj_training.run import trainer

    was = trainer.record_completion

    def record_completion(folder, **progress):
        if progress["step"] == step:
            die()
        was(folder, **progress)

    trainer.record_completion = record_completion


def kill_before_manifest():
    from kinj_training.run import folder

    folder.write_manifest = lambda *_: die()


def kill_before_config():
    from pathlib import Path

    was = Path.replace

    def replace(self, target):
        if self.name == "config.json":
            die()
        return was(self, target)

    Path.replace = replace


def interrupt_after_step(step):
    from transformers import DefaultFlowCallback

    was = DefaultFlowCallback.on_step_end

    def on_step_end(self, args, state, control, **more):
        if state.global_step == step:
            raise KeyboardInterrupt
        return was(self, args, state, control, **more)

    DefaultFlowCallback.on_step_end = on_step_end


def set_threads(count):
    import torch

    torch.set_num_threads(count)


def lose_a_token():
    import torch

    from kinj_training.blocks.collator import BlockCollator

    was = BlockCollator.__call__

    def collate(self, rows):
        batch = was(self, rows)
        return {**batch, "labels": batch["labels"].index_fill(1, torch.tensor([3]), -100)}

    BlockCollator.__call__ = collate


def show_every_step(terminal):
    from kinj import progress

    progress._SECONDS_BETWEEN_LINES = progress._QUIET_SECONDS = 0
    if terminal:
        os.environ["TERM"] = "xterm"
        sys.stderr.isatty = lambda: True


def forget_loss_arguments():
    from transformers import LlamaForCausalLM

    LlamaForCausalLM.accepts_loss_kwargs = False


def fail_lm_eval():
    from types import SimpleNamespace

    from kinj import lm_eval_command
    from kinj_training.run import accuracy

    accuracy.refuse_unknown_task = lambda task: None
    lm_eval_command.sys = SimpleNamespace(executable="/bin/false")


def score_without_lm_eval():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from kinj_training.run import accuracy

    def read(model, task, collection, output):
        loaded = AutoModelForCausalLM.from_pretrained(model)
        AutoTokenizer.from_pretrained(model)
        return {"task": "read", "scores": {"parameters": float(loaded.num_parameters())}, "n": 1}

    accuracy._ask = read
    accuracy.refuse_unknown_task = lambda task: None


def fill_disk(step, in_save):
    """From the checkpoint of a step on nothing is free; with `in_save` that turns out while it is written."""
    from types import SimpleNamespace

    import torch

    from kinj_training.run import limits
    from kinj_training.run.trainer import BlockTrainer

    state = {"free": 10**12}
    limits.shutil = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=state["free"]))
    save_checkpoint = BlockTrainer._save_checkpoint

    def fail(*_, **__):
        state["free"] = 0
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 13760 vs 13652")

    def _save_checkpoint(self, model, trial):
        if self.state.global_step == step and in_save:
            torch.save = fail
        elif self.state.global_step == step:
            state["free"] = 1000
        save_checkpoint(self, model, trial)

    BlockTrainer._save_checkpoint = _save_checkpoint


def exhaust_memory(step, kind):
    """In a step the memory is full, as a GPU says it, or the processor's allocator."""
    import torch

    from kinj_training.run.trainer import BlockTrainer

    was = BlockTrainer.compute_loss

    def compute_loss(self, *arguments, **more):
        if self.state.global_step + 1 == step:
            if kind == 0:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
            torch.empty(10**15)
        return was(self, *arguments, **more)

    BlockTrainer.compute_loss = compute_loss


def tomorrow():
    from datetime import date, timedelta

    from transformers.utils import chat_template_utils

    from kinj_training.run import train

    class Tomorrow(date):
        @classmethod
        def today(cls):
            return date.today() + timedelta(days=1)

    train.date = Tomorrow
    was = chat_template_utils.datetime

    class Clock(was):
        @classmethod
        def now(cls, tz=None):
            return was.now(tz) + timedelta(days=1)

    chat_template_utils.datetime = Clock


def hide_trl():
    for module in [name for name in sys.modules if name.split(".")[0] in ("trl", "kinj_training")]:
        del sys.modules[module]
    sys.modules["trl"] = None


HOOKS = {
    "step": kill_after_step,
    "weights": lambda step: kill_in_save(step, "save_model", "model.safetensors"),
    "optimizer": lambda step: kill_in_save(step, "_save_optimizer_and_scheduler", "optimizer.pt"),
    "record": kill_before_record,
    "manifest": kill_before_manifest,
    "config": kill_before_config,
    "interrupt": interrupt_after_step,
    "threads": set_threads,
    "full-disk": fill_disk,
    "out-of-memory": exhaust_memory,
    "tomorrow": tomorrow,
    "without-trl": hide_trl,
    "lose-a-token": lose_a_token,
    "show": show_every_step,
    "own-loss": forget_loss_arguments,
    "failing-lm-eval": fail_lm_eval,
    "without-lm-eval": score_without_lm_eval,
}

sink = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
for stream in (1, 2):
    os.dup2(sink, stream)
os.environ |= json.loads(ENVIRONMENT)
sys.argv = WORDS
logging.getLogger().handlers.clear()
if HOOK:
    name, *numbers = HOOK.split(":")
    HOOKS[name](*map(int, numbers))

if WORDS[0] == "lm_eval":
    from lm_eval.__main__ import cli_evaluate as main
else:
    from kinj.cli import main
main()
