"""lm-eval's tasks for a process that runs many: their files are read once, whatever metadata each run gives them."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

from lm_eval.api.task import Task
from lm_eval.tasks import TaskManager

import kinj_lm_eval_plugin
from kinj.errors import UserError, nearest
from kinj_models.settings import Json


class Tasks:
    """Gives lm-eval's task managers, which differ in their metadata alone."""

    def manager_of(self, task: str, metadata: Json) -> TaskManager:
        """A manager that knows the task; of kinj's own tasks one that has read their few files alone.

        lm-eval's own takes seconds for its 14,000 files.

        Raises:
            UserError: no such task, or it is a group of several.
        """
        known = self._ours if task in self._ours.task_index else self._all
        if task not in known.task_index:
            near = nearest(task, known.all_subtasks)
            hint = f"did you mean {near!r}?" if near else "`lm_eval ls tasks` lists them"
            raise UserError(f"{task}: lm-eval has no such task; {hint}")
        if task not in known.all_subtasks:
            raise UserError(f"{task} is a group: name its tasks, each of which is a cell (`lm_eval ls subtasks`)")
        manager = copy.copy(known)
        manager.metadata = metadata
        manager._factory = type(known._factory)(meta=metadata)
        return manager

    def load(self, name: str, metadata: Json) -> Task:
        """The task itself.

        Raises:
            UserError: as `manager_of`.
        """
        return self.manager_of(name, metadata).load([name])["tasks"][name]

    @cached_property
    def _ours(self) -> Any:  # Any: lm-eval ships no types
        return TaskManager(include_defaults=False, include_path=str(kinj_lm_eval_plugin.task_folder()))

    @cached_property
    def _all(self) -> Any:  # Any: lm-eval ships no types
        return TaskManager()
