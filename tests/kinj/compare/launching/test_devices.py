"""How many devices a model takes, and what its processes are told of it."""

import json

import pytest

from kinj.compare.launching.devices import (
    ROOM,
    count_devices,
    device_lines,
    devices_of,
    holding,
    main_memory,
    spread,
    weight_bytes,
)
from kinj.compare.plan import ModelSettings, make_plan
from kinj.errors import UserError

GB = 10**9


@pytest.fixture
def folder_of(tmp_path):
    """A folder with weights of so many bytes, which are written nowhere."""

    def make(size, dtype="bfloat16"):
        (tmp_path / "config.json").write_text(json.dumps({"dtype": dtype}))
        with (tmp_path / "model.safetensors").open("wb") as file:
            file.truncate(size)
        return str(tmp_path)

    return make


@pytest.mark.parametrize(
    ("size", "memory", "is_split", "count"),
    [
        (14 * GB, 80 * GB, False, 1),
        (70 * GB, 80 * GB, False, 2),
        (140 * GB, 80 * GB, False, 3),
        (140 * GB, 80 * GB, True, 4),
        (66 * GB, 80 * GB, False, 1),
        (67 * GB, 80 * GB, False, 2),
    ],
)
def test_weights_are_over_as_many_devices_as_hold_them_and_a_fifth_more(size, memory, is_split, count):
    assert holding(size, memory, is_split=is_split) == count


@pytest.mark.parametrize(("dtype", "size"), [(None, 6_000), ("bfloat16", 6_000), ("float32", 12_000)])
def test_the_size_is_that_of_the_dtype_they_are_loaded_in(folder_of, dtype, size):
    assert weight_bytes(ModelSettings(pretrained=folder_of(6_000), dtype=dtype)) == size


@pytest.fixture
def plan(folder_of):
    """A plan of one model of 100 kB with these settings."""

    def make(**settings):
        model = {"pretrained": folder_of(100_000), **settings}
        return make_plan("plan.yaml", {"models": {"m": model}, "tasks": ["kinj_mmlu"]})

    return make


@pytest.mark.parametrize(
    ("settings", "memory", "count"),
    [
        ({}, [60_000, 80_000], 2),
        ({}, [], 1),
        ({"devices": 3}, [], 3),
        ({"devices": 3}, [60_000], 3),
        ({"base": "vllm"}, [50_000], 4),
        ({"base": "vllm", "arguments": {"tensor_parallel_size": 8}}, [50_000], 8),
        ({"device": "cpu"}, [60_000], 0),
        ({"base": "local-completions", "pretrained": None}, [60_000], 0),
    ],
)
def test_the_plans_word_goes_before_the_size_and_a_server_takes_no_device(plan, settings, memory, count):
    assert count_devices(plan(**settings), memory) == {"m": count}


def test_a_device_by_its_number_is_refused_where_units_get_their_own(plan):
    with pytest.raises(UserError, match=r"models\.m\.device: cuda:1: units get devices of their own here"):
        count_devices(plan(device="cuda:1"), [60_000])
    assert count_devices(plan(device="cuda:1"), []) == {"m": 1}


def test_it_says_why_a_model_takes_several(plan):
    [line] = device_lines(plan(), {"m": 2}, [60_000_000])
    assert line.startswith("m: 2 devices a unit: its weights take 0.0 GB, and 1.2 of that; a device has 0.1 GB")
    assert list(device_lines(plan(devices=2), {"m": 2}, [])) == ["m: 2 devices a unit: as the plan says"]
    assert list(device_lines(plan(), {"m": 1}, [])) == []


@pytest.mark.parametrize(
    ("base", "added"),
    [("hf", {"parallelize": True}), ("vllm", {"tensor_parallel_size": 2}), ("sglang", {"tp_size": 2})],
)
def test_a_spread_model_is_told_so_by_its_engines_argument_and_keeps_its_cells_ids(
    comparison, plan_values, base, added
):
    models = {"tiny": {**plan_values()["models"]["tiny"], "base": base, "device": None}}
    whole = comparison(models=models, injection=["none"])
    given = make_plan("plan.yaml", plan_values(models=models))
    [unit] = spread(given, whole, {"tiny": 2}).units
    assert (unit.devices, devices_of(unit)) == (2, 2)
    assert all(planned.model_args.items() >= added.items() for planned in unit.cells)
    assert unit.untrained_args.items() >= added.items()
    assert [planned.cell for planned in unit.cells] == [planned.cell for planned in whole.units[0].cells]
    assert spread(given, whole, {"tiny": 1}) == whole


def test_devices_change_no_id(comparison, plan_values):
    models = {"tiny": {**plan_values()["models"]["tiny"], "devices": 2}}
    assert [unit.id for unit in comparison(models=models).units] == [unit.id for unit in comparison().units]


def test_main_memory_is_that_of_the_training_or_of_the_weights_and_some_room(
    comparison, plan_values, tiny_model, tmp_path
):
    made, plan = comparison(), make_plan("plan.yaml", plan_values())
    plain, trained = (unit.id for unit in made.units)
    size = round(ROOM * weight_bytes(ModelSettings(pretrained=str(tiny_model))))
    assert main_memory(plan, made, {trained: 10 * size}) == {plain: size, trained: 10 * size}
    two = {"name": "raw", "recipe": str(tmp_path / "towers.yaml"), "settings": {"num_processes": 2}}
    [apart] = comparison(injection=[two]).units
    assert main_memory(plan, comparison(injection=[two]), {apart.id: 10 * size}) == {apart.id: 20 * size}


def test_a_training_takes_a_device_for_each_of_its_processes(comparison, tmp_path):
    arm = {"recipe": str(tmp_path / "towers.yaml"), "settings": {"num_processes": 4}}
    [unit] = comparison(injection=[arm]).units
    assert devices_of(unit) == 4
    launched = unit.training.command(tmp_path / "checkpoint")
    assert launched[3:8] == ["torch.distributed.run", "--standalone", "--nproc_per_node", "4", "--no-python"]
    assert launched[8:13] == [*launched[:3], "kinj.cli", "train"]
    assert launched[-2:] == ["--output_dir", str(tmp_path / "checkpoint")]


def test_a_training_is_started_as_accelerates_file_says(comparison, tmp_path):
    arm = {"recipe": str(tmp_path / "towers.yaml"), "settings": {"num_processes": 2}, "launch": "fsdp.yaml"}
    with pytest.raises(UserError, match=r"injection arm towers: launch: no file fsdp\.yaml"):
        comparison(injection=[arm])
    (tmp_path / "fsdp.yaml").touch()
    [unit] = comparison(injection=[arm]).units
    launched = unit.training.command(tmp_path / "checkpoint")
    file = str(tmp_path / "fsdp.yaml")
    assert launched[3:8] == ["accelerate.commands.launch", "--config_file", file, "--main_process_port", "0"]
    assert launched[8:11] == ["--num_processes", "2", "--no_python"]
    assert comparison(injection=[{**arm, "launch": None}]).units[0].id == unit.id
