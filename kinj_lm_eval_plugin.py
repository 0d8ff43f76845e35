"""Makes `kinj_rag` and the kinj tasks known to lm-eval 0.4.13, which looks for no plugins itself.

Where a later lm-eval has found `kinj_rag` by its entry point, the registry knows it and nothing is added. Results of a
`kinj_rag` whose model no argument names get a stable name, where lm-eval would draw a random one for each run.

Called by the start-up hook; `python -m kinj_models` calls it where there is none.
"""

from __future__ import annotations

import functools
import inspect
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

log = logging.getLogger("lm_eval.kinj")

#: The name on a module that has our part already.
_EXTENDED = "_kinj_extended"


def extend(module: ModuleType) -> None:
    """Adds our part to a module of lm-eval that has just run; where lm-eval has changed, says so and does nothing."""
    add, missing = _PARTS[module.__name__]
    if getattr(module, _EXTENDED, False):
        return
    try:
        add(module)
        setattr(module, _EXTENDED, True)
    except (AttributeError, ImportError, TypeError, ValueError) as error:  # lm-eval itself must go on working
        log.warning("kinj could not add itself to %s (%s): %s", module.__name__, error, missing)


def task_folder() -> Path:
    """The folder of our task YAMLs: inside `kinj_tasks` when installed, beside this file in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "kinj_tasks" / "task_configs"
    return installed if installed.is_dir() else here / "task_configs"


def _register_model(_: ModuleType) -> None:
    from lm_eval.api import registry

    # Registering twice raises inside lm-eval.
    if "kinj_rag" not in registry.model_registry:
        registry.model_registry.register("kinj_rag", target="kinj_models.rag:RagLM")


def _add_tasks(manager: ModuleType) -> None:
    plain_init = manager.TaskManager.__init__

    signature = inspect.signature(plain_init)

    @functools.wraps(plain_init)
    def init(self: Any, *positional: Any, **named: Any) -> None:  # Any: whatever TaskManager takes
        call = signature.bind(self, *positional, **named)
        call.apply_defaults()
        asked = call.arguments["include_path"]
        theirs = list(asked) if isinstance(asked, (list, tuple)) else [asked] if asked else []
        if call.arguments["include_defaults"]:
            # Later folders win: ours override the built-ins, the user's override ours.
            call.arguments["include_path"] = [task_folder(), *theirs]
        plain_init(*call.args, **call.kwargs)
        self.include_path = asked

    manager.TaskManager.__init__ = init


def _name_models(tracking: ModuleType) -> None:
    tracker = tracking.GeneralConfigTracker
    plain_log, name_of, sanitize = tracker.log_experiment_args, tracker._get_model_name, tracking.sanitize_model_name
    signature = inspect.signature(plain_log)

    @functools.wraps(plain_log)
    def log_experiment_args(self: Any, *positional: Any, **named: Any) -> None:  # Any: whatever the tracker takes
        plain_log(self, *positional, **named)
        call = signature.bind(self, *positional, **named).arguments
        arguments = call.get("model_args") or ""
        if call.get("model_source") == "kinj_rag" and name_of(arguments) is None:
            from kinj_models.base import model_name

            self.model_name = model_name(arguments)
            self.model_name_sanitized = sanitize(self.model_name)

    tracker.log_experiment_args = log_experiment_args


#: What to add to which module, and what is missing where that fails.
_PARTS = {
    "lm_eval.models": (_register_model, "kinj_rag is missing"),
    "lm_eval.tasks.manager": (_add_tasks, "kinj's tasks are missing"),
    "lm_eval.loggers.evaluation_tracker": (_name_models, "results without pretrained= have a random model name"),
}

#: The modules of lm-eval that get a part of ours.
MODULES = tuple(_PARTS)
