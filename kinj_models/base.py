"""The model behind `kinj_rag`: chosen, loaded, and told apart from every other."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.models  # noqa: F401  # fills the registry, also where no command line has done so
from lm_eval.api.model import LM
from lm_eval.api.registry import get_model, model_registry

from kinj.errors import UserError
from kinj.hardware import cpu_computes_bf16
from kinj.hub.find import DemoModel, find_demo_model
from kinj.manifest import sha256_files, sha256_json
from kinj_models.settings import check_base_keys

log = logging.getLogger("lm_eval.kinj")

HF_NAMES = ("hf", "hf-auto", "huggingface")
#: They change how fast the base works, not what it answers.
_SPEED_ARGUMENTS = ("batch_size", "max_batch_size", "device", "num_concurrent", "max_retries", "timeout")
#: They may name a folder, which is told by its content.
_FOLDER_ARGUMENTS = ("pretrained", "model", "tokenizer", "peft", "delta")

Arguments = dict[str, Any]  # Any: whatever the base's constructor takes


@dataclass(frozen=True, slots=True)
class BaseChoice:
    """Which base to make, checked before anything is loaded."""

    name: str
    #: the base's class, or the ready model that Python code handed over
    source: type[LM] | LM
    arguments: Arguments
    #: set where no `pretrained=` was given
    demo: DemoModel | None = None

    @property
    def is_ready(self) -> bool:
        """Whether weights came as an object, which nothing tells from another one."""
        return isinstance(self.source, LM) or not isinstance(self.arguments.get("pretrained", ""), str)

    def load(self) -> LM:
        """The base, ready to answer.

        Raises:
            UserError: the weights cannot be had (no such folder, hub unreachable, wrong name).
        """
        if isinstance(self.source, LM):
            return self.source
        try:
            base = self.source(**self.arguments)
        except ModuleNotFoundError as error:  # lm-eval's own message names its extra
            raise UserError(f"base={self.name}: {' '.join(str(error).split())}") from error
        except OSError as error:  # what transformers raises for a missing or unreachable model
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            given = self.arguments.get("pretrained", self.arguments.get("model"))
            raise UserError(
                f"base={self.name}, pretrained={given}: {reason.strip()}; give a folder or a reachable name"
            ) from error
        except (
            AttributeError,
            TypeError,
            ValueError,
        ) as error:  # what constructors raise for arguments they cannot take
            raise UserError(f"base={self.name}: {type(error).__name__}: {' '.join(str(error).split())}") from error
        if "dtype" not in self.arguments:
            _use_float32_where_bfloat16_is_slow(base)
        return base


def choose_base(base: str | LM, arguments: Arguments) -> BaseChoice:
    """The base that `base=` names, with the demo model filled in where a Hugging Face base gets no `pretrained=`.

    Raises:
        UserError: unknown base, a key that is nearly one of ours, or no demo model to be had.
    """
    if isinstance(base, LM):
        if arguments:
            raise UserError(
                f"base is a ready model: {', '.join(arguments)} cannot reach it any more; set them where it is made"
            )
        return BaseChoice(type(base).__name__, base, {})
    name = str(base)
    if name == "kinj_rag" or name not in model_registry:
        near = difflib.get_close_matches(name, [n for n in model_registry if n != "kinj_rag"], n=1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else "`hf`, `vllm`, `local-completions` and every other lm-eval model is allowed"
        )
        why = "kinj_rag cannot be its own base" if name == "kinj_rag" else "no such lm-eval model"
        raise UserError(f"base={name}: {why}; {hint}")
    source = get_model(name)
    check_base_keys(source, name, list(arguments))
    if name in HF_NAMES and "pretrained" not in arguments:
        demo = find_demo_model()
        return BaseChoice(name, source, {**arguments, **demo.arguments}, demo)
    return BaseChoice(name, source, arguments)


def identity(choice: BaseChoice, base: LM) -> dict[str, Any]:  # Any: JSON values
    """What tells this base from others: type, weights by content (folders) or commit (hub names), dtype, arguments.

    Two folders with the same files have the same identity wherever they lie; a changed file changes it. Of a ready
    model only type and dtype are known.
    """
    said: dict[str, Any] = {"base": choice.name}
    if choice.demo is not None:
        said["model"] = choice.demo.label
    subfolder = str(choice.arguments.get("subfolder", ""))
    for key, value in sorted(choice.arguments.items()):
        if key in _SPEED_ARGUMENTS or (key in ("pretrained", "revision") and choice.demo is not None):
            continue
        said[key] = _by_content(value, subfolder if key == "pretrained" else "") if key in _FOLDER_ARGUMENTS else value
    model = getattr(base, "model", None)
    commit = getattr(getattr(model, "config", None), "_commit_hash", None)
    if commit is not None:
        said["commit"] = commit
    if (dtype := getattr(model, "dtype", None)) is not None:
        said["dtype"] = str(dtype).removeprefix("torch.")
    chat_template = getattr(getattr(base, "tokenizer", None), "chat_template", None)
    if chat_template:
        said["chat_template_sha256"] = sha256_json(chat_template)
    return said


def _by_content(value: Any, subfolder: str = "") -> Any:
    if isinstance(value, str) and value and Path(value).is_dir():
        return {"sha256": sha256_files(Path(value, subfolder))}
    return value if isinstance(value, (str, int, float, bool, type(None), list, dict)) else str(value)


def _use_float32_where_bfloat16_is_slow(base: LM) -> None:
    model, device = getattr(base, "model", None), getattr(base, "device", None)
    if (
        getattr(device, "type", None) != "cpu"
        or str(getattr(model, "dtype", "")) != "torch.bfloat16"
        or cpu_computes_bf16()
    ):
        return
    log.info(
        "kinj_rag: this CPU has no bfloat16 units: the base computes in float32, 4x faster; dtype=bfloat16 keeps it"
    )
    model.float()  # type: ignore[union-attr]  # it has a dtype, so it is a torch module
