"""The model behind `kinj_rag`: chosen, loaded, and told apart from every other."""

from __future__ import annotations

import json
import logging
import re
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.models  # noqa: F401  # fills the registry, also where no command line has done so
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import get_model, model_registry
from lm_eval.utils import simple_parse_args_string

from kinj.checkpoint import fingerprint, read_training, refuse_without_model
from kinj.errors import UserError, nearest
from kinj.hardware import cpu_computes_bf16
from kinj.hub.find import DemoModel, bounded_waits, commit_in_cache, find_demo_model, refuse_unreached_hub
from kinj.hub.packaged import DEMO
from kinj.manifest import sha256_json
from kinj_models.loading import Arguments, plain_errors, warn_of_unread_tokens
from kinj_models.settings import Json, check_base_keys, named_parameters

log = logging.getLogger("lm_eval.kinj")

HF_NAMES = ("hf", "hf-auto", "huggingface")
#: They change how fast the base works, not what it answers.
_SPEED_ARGUMENTS = ("batch_size", "max_batch_size", "device", "num_concurrent", "max_retries", "timeout")
#: They may name a folder, which is told by its content.
_FOLDER_ARGUMENTS = ("pretrained", "model", "tokenizer", "peft", "delta")
#: Where lm-eval looks for a model's name, in its order.
_NAME_ARGUMENTS = ("peft", "delta", "pretrained", "model", "path", "engine")
#: Seconds that a server may take to say what it serves.
_SERVER_SECONDS = 10.0
#: What results carry of a trained folder's manifest.
TRAINING_KEYS = (
    *("arm", "recipe", "training", "base", "collection", "split"),
    *("tokens", "steps", "seconds", "seeds", "lora"),
)


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

    @property
    def model_name(self) -> str:
        """What results call it, the same in every run."""
        return model_name({} if self.demo is not None else self.arguments, self.name)

    @property
    def is_server(self) -> bool:
        """Whether another process answers, behind an address."""
        source = type(self.source) if isinstance(self.source, LM) else self.source
        return "base_url" in named_parameters(source)

    def summary(self) -> str:
        """Its name, and its model's where one was given, for one line of the log."""
        model = self.demo.label if self.demo else self.arguments.get("pretrained", "")
        return f"base={self.name}" + (f" model={model}" if model != "" else "")

    def load(self) -> LM:
        """The base, ready to answer.

        Raises:
            UserError: the weights cannot be had (no such folder, hub unreachable or silent, wrong name), or an argument
                that the base does not take.
        """
        if isinstance(self.source, LM):
            return self.source
        pretrained = self.arguments.get("pretrained")
        if self.name in HF_NAMES and isinstance(pretrained, str) and "gguf_file" not in self.arguments:
            folder = Path(pretrained, str(self.arguments.get("subfolder", "")))
            if folder.is_dir():
                refuse_without_model(folder, "pretrained")
        with plain_errors(self.name, self.arguments), bounded_waits():
            for _, name, revision in _hub_names(self.arguments) if self.name in HF_NAMES else ():
                refuse_unreached_hub(name, revision)
            base = self.source(**self.arguments)
        warn_of_unread_tokens(base)
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
        near = nearest(name, [known for known in model_registry if known != "kinj_rag"])
        hint = (
            f"did you mean {near!r}?"
            if near
            else "`hf`, `vllm`, `local-completions` and every other lm-eval model is allowed"
        )
        why = "kinj_rag cannot be its own base" if name == "kinj_rag" else "no such lm-eval model"
        raise UserError(f"base={name}: {why}; {hint}")
    with plain_errors(name, arguments):
        source = get_model(name)
    check_base_keys(source, name, list(arguments))
    if name in HF_NAMES and "device" not in arguments:
        arguments = {**arguments, "device": ""}  # the one there is; lm-eval's default from Python is "cuda" everywhere
    if name in HF_NAMES and "pretrained" not in arguments:
        demo = find_demo_model()
        return BaseChoice(name, source, {**arguments, **demo.arguments}, demo)
    return BaseChoice(name, source, arguments)


def identity(choice: BaseChoice, base: LM) -> Json:
    """What tells this base from others: type, weights by content (folders) or commit (hub names), dtype, arguments.

    Two folders with the same files have the same identity wherever they lie; a changed file changes it. Of a ready
    model only type and dtype are known.
    """
    told: Json = {"base": choice.name}
    if choice.demo is not None:
        told["model"] = choice.demo.label
    subfolder = str(choice.arguments.get("subfolder", ""))
    for key, value in sorted(choice.arguments.items()):
        if key in _SPEED_ARGUMENTS:
            continue
        shown = _by_content(value, subfolder if key == "pretrained" else "") if key in _FOLDER_ARGUMENTS else value
        if choice.demo is not None and key in ("pretrained", "revision") and shown == value:
            continue  # on the hub: the label has name and commit
        told[key] = shown
    if choice.is_server:
        told["models"] = served_models(base)
    else:
        told |= _commits(choice)
    model = getattr(base, "model", None)
    if (dtype := getattr(model, "dtype", None)) is not None:
        told["dtype"] = str(dtype).removeprefix("torch.")
    chat_template = getattr(getattr(base, "tokenizer", None), "chat_template", None)
    if chat_template:
        told["chat_template_sha256"] = sha256_json(chat_template)
    return told


def refuse_unknown_commit(told: Json) -> None:
    """Refuses an identity in which a hub name stands without its commit: another version would look the same.

    Raises:
        UserError: names the argument and the ways out.
    """
    for key, value in told.items():
        if key.endswith("commit") and value is None:
            argument = key.removesuffix("_commit") if key != "commit" else "pretrained"
            raise UserError(
                f"use_cache: the commit of {argument}={told.get(argument)} is not in the hub's cache, so its answers "
                "could not be told from those of another version: name a folder, or leave use_cache away"
            )


def _commits(choice: BaseChoice) -> Json:
    """The commits of what is named on the hub: `commit` of the model, `peft_commit` and so on; None where unknown."""
    commits: Json = {}
    for key, name, revision in _hub_names(choice.arguments):
        if key != "pretrained" or choice.demo is None:
            commits["commit" if key in ("pretrained", "model") else f"{key}_commit"] = commit_in_cache(name, revision)
    return commits


def _hub_names(arguments: Arguments) -> Iterator[tuple[str, str, str]]:
    """(argument, name, revision) of what is named on the hub."""
    for key in _FOLDER_ARGUMENTS:
        name = arguments.get(key)
        if isinstance(name, str) and name and not Path(name).is_dir():
            yield key, name, str(arguments.get("revision", "main")) if key in ("pretrained", "model") else "main"


def _by_content(value: Any, subfolder: str = "") -> Any:  # Any: an argument of the base, and a JSON value
    if isinstance(value, str) and value and (folder := Path(value, subfolder)).is_dir():
        try:
            return {"fingerprint": fingerprint(folder)}
        except UserError:  # a server's model, say, that is called as some folder here that holds none
            return value
    return value if isinstance(value, (str, int, float, bool, type(None), list, dict)) else str(value)


def manifest_of(choice: BaseChoice) -> Json | None:
    """The manifest that `kinj train` left with the base's folder or its adapter; None for every other base."""
    folders = []
    if isinstance(peft := choice.arguments.get("peft"), str):
        folders += [Path(peft), Path(peft).resolve().parent]  # a finished folder has its adapter in a folder of its own
    if isinstance(pretrained := choice.arguments.get("pretrained"), str):
        folders.append(Path(pretrained, str(choice.arguments.get("subfolder", ""))))
    return next((manifest for folder in folders if (manifest := read_training(folder)) is not None), None)


def training_of(manifest: Json | None) -> Json | None:
    """What results carry of that manifest."""
    if manifest is None:
        return None
    chosen = {key: manifest[key] for key in TRAINING_KEYS if key in manifest}
    if "base" in chosen:
        chosen["base"] = {
            key: value for key, value in chosen["base"].items() if key in ("name", "fingerprint", "commit")
        }
    return chosen


def model_name(arguments: str | Arguments, base: str = "hf") -> str:
    """What results call the model: lm-eval's own name, and a stable one where lm-eval would draw a random one.

    Args:
        arguments: of `--model_args`, parsed or not, or those that are the base's.
        base: its name, where the arguments do not hold it.
    """
    named = simple_parse_args_string(arguments) if isinstance(arguments, str) else arguments
    for key in _NAME_ARGUMENTS:
        if key in named:
            return str(named[key])
    base = str(named.get("base", base))
    return "kinj_rag__" + (DEMO.hub_name.split("/")[1] if base in HF_NAMES else base)


def warn_of_letters(requests: Sequence[Instance]) -> None:
    """Logs a warning for each task that scores letters: the demo model is at chance there."""
    scored: dict[str, bool] = {}
    for request in requests:
        if request.request_type == "loglikelihood":
            is_letter = request.args[1].strip() in tuple("ABCDEFGHIJ")
            scored[str(request.task_name)] = scored.get(str(request.task_name), True) and is_letter
    for task in sorted(task for task, are_letters in scored.items() if are_letters):
        log.warning(
            "kinj_rag: %s scores letters, and a model as small as the demo model is at chance with letters: "
            "use kinj_current_events_option, or name a larger model by pretrained=",
            task,
        )


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


def served_models(base: LM) -> list[dict[str, Any]] | None:  # Any: JSON values
    """`id` and `root` of the models that the server names in its `/v1/models`: the one asked for, else all.

    Of all that stands there only these two stay the same while one model is served (vLLM makes `created` and
    `permission` anew at each call). None where the server does not say.
    """
    found = re.match(r"(https?://.*?/v\d+)(/|$)", str(getattr(base, "base_url", "")))
    if found is None:
        return None
    request = urllib.request.Request(f"{found[1]}/models", headers=dict(getattr(base, "header", None) or {}))  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_SERVER_SECONDS) as answer:  # noqa: S310  # the address the base is asked at
            rows = json.load(answer)["data"]
        models = [{"id": row.get("id"), "root": row.get("root")} for row in rows]
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        log.info("kinj_rag: %s/models does not say what is served (%s)", found[1], type(error).__name__)
        return None
    asked = [model for model in models if model["id"] == getattr(base, "model", None)]
    return sorted(asked or models, key=lambda model: str(model["id"]))
