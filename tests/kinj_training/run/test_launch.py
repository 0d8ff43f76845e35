"""Several processes: the same weights as one, or a refusal; and the launch files that ship."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file

LAUNCH = Path(__file__).parents[3] / "training" / "recipes" / "launch"


def launched(module, *words):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=300)


@pytest.mark.long
def test_two_processes_killed_and_gone_on_with_give_the_weights_of_one_with_two_accumulation_steps(
    write_recipe, kinj_train, weights, manifest, tmp_path
):
    # nine blocks: the last step of an epoch has one for the first process and a blank for the second
    settings = {"layout": "single", "save_strategy": "steps", "save_steps": 2}
    one = write_recipe("one", **settings, gradient_accumulation_steps=2, output_dir=str(tmp_path / "one"))
    two = write_recipe("two", **settings, gradient_accumulation_steps=1, num_processes=2)
    assert kinj_train(one).code == 0
    killed = kinj_train(two, world=2, hook="step:8", hook_rank=1)
    assert killed.code == -signal.SIGKILL, killed.output
    done = launched("torch.distributed.run", "--nproc_per_node", 2, "--standalone", "-m", "kinj_training", two)
    assert done.returncode == 0, done.stderr
    assert "going on at step 6" in done.stderr
    assert weights(tmp_path / "out") == weights(tmp_path / "one")
    told, expected = manifest(tmp_path / "out"), manifest(tmp_path / "one")
    for key in ("tokens", "targets", "steps"):
        assert told[key] == expected[key]
    held_out = [[line["loss"] for line in side["held_out_losses"]] for side in (told, expected)]
    assert held_out[0] == pytest.approx(held_out[1], abs=1e-5)
    assert told["processes"] == 2


@pytest.mark.long
def test_a_launch_that_silently_comes_up_with_one_process_is_refused(write_recipe):
    recipe = write_recipe(num_processes=2)
    done = launched("accelerate.commands.launch", "--cpu", "--num_processes", 2, "-m", "kinj_training", recipe)
    assert done.returncode != 0
    assert f"2 was asked for, but 1 came up: start it with `torchrun --nproc_per_node 2 -m kinj_training {recipe}`" in done.stderr  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("name", ["ddp-4", "fsdp2-4"])
def test_a_launch_file_is_read_by_accelerates_own_loader(name):
    file = LAUNCH / f"{name}.yaml"
    config = load_config_from_file(str(file))
    assert (config.num_processes, config.use_cpu) == (4, False)
    assert f"accelerate launch --config_file training/recipes/launch/{name}.yaml -m kinj_training" in file.read_text()
    if name == "fsdp2-4":
        assert config.distributed_type == "FSDP"
        assert config.fsdp_config["fsdp_version"] == 2
        # Checkpoints and the final folder are written as one model, which anything can load.
        assert config.fsdp_config["fsdp_state_dict_type"] == "FULL_STATE_DICT"
    else:
        assert config.distributed_type == "MULTI_GPU"
