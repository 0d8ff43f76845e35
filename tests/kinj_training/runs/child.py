"""Run in a process of its own by the fixture `kinj_train`: `kinj` with WORDS, killed where KILL says."""

import json
import logging
import os
import signal
import sys

WORDS, KILL, LOG, ENVIRONMENT = globals()["WORDS"], globals()["KILL"], globals()["LOG"], globals()["ENVIRONMENT"]


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
    from kinj_training.trainer import BlockTrainer

    was = getattr(BlockTrainer, method)

    def save(self, output_dir, *arguments, **more):
        was(self, output_dir, *arguments, **more)
        if self.state.global_step == step:
            file = os.path.join(output_dir, broken)
            os.truncate(file, os.path.getsize(file) // 2)
            die()

    setattr(BlockTrainer, method, save)


def kill_before_mark(step):
    from kinj_training import trainer

    was = trainer.mark_complete

    def mark_complete(folder, **said):
        if said["step"] == step:
            die()
        was(folder, **said)

    trainer.mark_complete = mark_complete


def kill_before_manifest():
    from kinj_training import finished

    finished.write_manifest = lambda *_: die()


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

    def on_step_end(self, args, state, control, **more):
        if state.global_step == step:
            raise KeyboardInterrupt

    DefaultFlowCallback.on_step_end = on_step_end


KILLS = {
    "step": kill_after_step,
    "weights": lambda step: kill_in_save(step, "save_model", "model.safetensors"),
    "optimizer": lambda step: kill_in_save(step, "_save_optimizer_and_scheduler", "optimizer.pt"),
    "mark": kill_before_mark,
    "manifest": kill_before_manifest,
    "config": kill_before_config,
    "interrupt": interrupt_after_step,
}

sink = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
for stream in (1, 2):
    os.dup2(sink, stream)
os.environ |= json.loads(ENVIRONMENT)
sys.argv = ["kinj", *WORDS]
logging.getLogger().handlers.clear()
if KILL:
    name, *numbers = KILL.split(":")
    KILLS[name](*map(int, numbers))

from kinj.cli import main  # noqa: E402  # after the kill is armed

main(WORDS)
