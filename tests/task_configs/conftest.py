"""Tasks as lm-eval loads them from task_configs/, and made-up MMLU rows."""

import csv
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager

TASKS = Path(__file__).resolve().parents[2] / "task_configs"
SUBJECTS = ("anatomy", "astronomy", "college_biology", "prehistory", "college_chemistry")


def mmlu_rows(subject):
    """Rows with what could differ between two ways of reading: spaces, quotes, a line break, other scripts."""
    texts = (f"  Which {subject}? ", 'The "red" one,\nor not?', "Größe — 42 µm", "{{choices[0]}} is", "5", "A")
    return [
        (f"{text}{n}", [f"{text} {letter}" for letter in "abcd"], (n * 3) % 4) for n, text in enumerate(texts)
    ]  # fmt: skip


@pytest.fixture
def mmlu_dir(tmp_path):
    folder = tmp_path / "mmlu_csv"
    for subject in SUBJECTS:
        (folder / subject).mkdir(parents=True)
        for split in ("dev", "val", "test"):
            with (folder / subject / f"{split}.csv").open("w", newline="", encoding="utf-8") as sink:
                csv.writer(sink).writerows(
                    [f"{split} {question}", *choices, "ABCD"[answer]]
                    for question, choices, answer in mmlu_rows(subject)
                )
    return folder


@pytest.fixture
def manager():
    """A task manager of our folder alone, as lm-eval makes it out of --include_path and --metadata."""

    def make(**metadata):
        return TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)

    return make
