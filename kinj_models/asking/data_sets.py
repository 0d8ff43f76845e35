"""`python -m kinj_models.asking.data_sets FILE`: brings the data set of each task here, and says which cannot be had.

FILE is JSON: `questions` (each with `key`, `task` and `metadata`) and `lacking`, the file for the reasons by key.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from kinj.errors import UserError
from kinj.hub.find import hub_errors
from kinj.manifest import write_whole
from kinj_models.settings import Json
from kinj_models.tasks import Tasks

log = logging.getLogger("kinj.data_sets")

#: Enough of a reason for one line.
_REASON_CHARACTERS = 300


def main(file: Path) -> None:
    """Returns once all that can be had is here; the reasons of the others are in the file that it is told."""
    request = json.loads(file.read_text(encoding="utf-8"))
    tasks, lacking = Tasks(), {}
    for asked in request["questions"]:
        if (reason := _why_lacking(tasks, asked)) is not None:
            lacking[asked["key"]] = reason
    write_whole(Path(request["lacking"]), json.dumps(lacking, indent=1, ensure_ascii=False) + "\n")


def _why_lacking(tasks: Tasks, asked: Json) -> str | None:
    """None where the task's questions are here."""
    try:
        count = len(list(tasks.load(asked["task"], asked["metadata"]).eval_docs))
    except hub_errors() + (UserError, ValueError) as error:  # noqa: RUF005  # datasets raises ValueError of a wrong name
        return " ".join(str(error).split())[:_REASON_CHARACTERS]
    log.info("%s: %d questions", asked["key"], count)
    return None


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(Path(sys.argv[1]))
