"""What tells lm-eval's runs apart: the model, its settings, and what a result may be compared with."""

from __future__ import annotations

from collections.abc import Mapping

from kinj.records import Json
from kinj.report.reading.plain import plain_settings, short_hash
from kinj.report.reading.runs import MARKS
from kinj.report.reading.values import mapping

TRAINING, RETRIEVAL = "training", "retrieval"
#: Arguments that name the model, the most particular last.
_MODEL_ARGUMENTS = ("engine", "path", "model", "pretrained")
#: Arguments that change nothing in a score, or name the model.
_UNSAID_ARGUMENTS = {
    *_MODEL_ARGUMENTS, "trace", "device", "batch_size", "max_batch_size", "trust_remote_code", "tokenizer_backend",
}  # fmt: skip
#: Of `config.kinj`: what a run of kinj_rag was asked for.
_KINJ_SETTINGS = (
    "retriever", "k", "index", "placement", "order", "query", "embedder", "filter", "distractor_seed", "served",
    "query_field", "text_field", "vector_field",
)  # fmt: skip
#: Of `config.kinj.base`: how fast it works, or what names the model.
_UNSAID_OF_BASE = {*_UNSAID_ARGUMENTS, "num_concurrent", "max_retries", "timeout"}
#: Of the same: what of a comparison's model differs between its arms, or is of its weights.
_OF_AN_ARM = {"peft", "delta", "revision", "commit", "peft_commit", "delta_commit", "chat_template_sha256", "subfolder"}
#: Settings of a cell that name nothing to a reader: its weights before training, its training, and how it retrieved.
HASHES = ("weights", TRAINING, RETRIEVAL)
_KINJ_DEFAULTS = {"retriever": "none", "placement": "prefix", "order": "best_first", "query": "question"}


def model_arguments(value: object) -> dict[str, object]:
    """lm-eval's `model_args`: an object, or `name=value,name=value` as older versions wrote it."""
    if isinstance(value, Mapping):
        return {str(name): setting for name, setting in value.items()}
    pairs = (part.partition("=") for part in str(value or "").split(","))
    return {name.strip(): setting for name, equals, setting in pairs if equals}


def named_model(arguments: Mapping[str, object]) -> str | None:
    """What the arguments call the model; None where they name none."""
    named = [str(arguments[name]) for name in _MODEL_ARGUMENTS if arguments.get(name)]
    return named[-1] if named else None


def settings_of(
    config: Mapping[str, object], ours: Mapping[str, object], arguments: Mapping[str, object], cell: Json | None
) -> dict[str, str]:
    """What tells a run from others of the same model: of a cell of `kinj compare` its arms, else its arguments.

    With both go the weights: of a cell those before its training, which are one in all arms and seeds of a plan. Names
    of arms are a plan's own, so that hashes of the training and of the retrieval stand beside them.
    """
    if cell is not None:
        seed = cell.get("seed")
        named = {"injection": cell["injection"], "reading": cell["reading"], "seed": seed, "role": cell.get("role")}
        base = _base_settings(ours, arguments)
        named |= {name: setting for name, setting in base.items() if name not in _OF_AN_ARM}
        named["weights"] = _base_weights(ours, arguments)
        named[TRAINING] = f"#{str(cell['unit'])[:8]}" if cell["injection"] != "none" and cell.get("unit") else None
        named[RETRIEVAL] = _retrieval(ours)
        plain_values = {"injection": "none", "reading": "none", "role": "main"}
        return plain_settings({name: value for name, value in named.items() if value != plain_values.get(name)})
    if ours:
        said = {name: ours.get(name) for name in _KINJ_SETTINGS if ours.get(name) != _KINJ_DEFAULTS.get(name)}
        if ours.get("retriever") == "none":
            said = {"served": ours.get("served")}
        elif ours.get("distractor_seed") == 0:
            said.pop("distractor_seed", None)
        template = str(mapping(ours.get("template")).get("sha256") or "")
        weights = mapping(mapping(ours.get("base")).get("pretrained")).get("fingerprint")
        said["weights"] = weights and f"#{str(weights)[:8]}"
        said["template"] = template[:8] if mapping(ours.get("template")).get("name") != "default" else None
        return plain_settings(said | _base_settings(ours, arguments))
    said = {name: setting for name, setting in arguments.items() if name not in _UNSAID_ARGUMENTS}
    return plain_settings({"back end": config.get("model"), **said})


def _retrieval(ours: Mapping[str, object]) -> str | None:
    """A hash of how a cell finds and shows passages, its index apart, which is the benchmark's; None: it does not."""
    if ours.get("retriever", "none") == "none":
        return None
    said = {name: ours.get(name) for name in _KINJ_SETTINGS if name != "index"}
    said["template"] = mapping(ours.get("template")).get("sha256")
    known = sorted((name, str(one)) for name, one in said.items() if one not in (None, _KINJ_DEFAULTS.get(name)))
    return f"#{short_hash(str(known))}"


def _base_settings(ours: Mapping[str, object], arguments: Mapping[str, object]) -> dict[str, object]:
    """What shapes the base's answers besides its weights; a precision that nobody asked for is the machine's."""
    return {
        name: _short(name, setting) for name, setting in mapping(ours.get("base")).items()
        if name not in _UNSAID_OF_BASE and (name != "dtype" or "dtype" in arguments)
    }  # fmt: skip


def _base_weights(ours: Mapping[str, object], arguments: Mapping[str, object]) -> str | None:
    """The weights that a cell's arms have in common: by content, else by commit, else as they are called."""
    base = mapping(mapping(ours.get("checkpoint")).get("base")) or mapping(ours.get("base"))
    known = base.get("fingerprint") or mapping(base.get("pretrained")).get("fingerprint") or base.get("commit")
    if known:
        return f"#{str(known)[:8]}"
    called = (
        base.get("model") or base.get("name") or base.get("pretrained") or (None if ours else named_model(arguments))
    )
    return f"#{short_hash(str(called))}" if called else None


def _short(name: str, setting: object) -> object:
    """A setting of the base; of folders, templates and what a server says of its models a hash's first digits."""
    if name == "models":
        return f"#{short_hash(str(setting))}" if setting else None
    told = mapping(setting).get("fingerprint") or (setting if name.endswith(("sha256", "commit")) else None)
    return f"#{str(told)[:8]}" if told else setting


def marks_of(arguments: Mapping[str, object], ours: Mapping[str, object], cell: Json | None) -> tuple[str, ...]:
    """What a row of this run is marked with, of `MARKS`."""
    tuned = bool(arguments.get("peft") or arguments.get("delta") or ours.get("checkpoint"))
    tuned = tuned or (cell is not None and cell.get("injection") != "none")
    retrieves = ours.get("retriever", "none") != "none"
    role = cell.get("role") if cell is not None else None
    return tuple(
        mark for mark, has in zip(MARKS, (tuned, retrieves, *(role == mark for mark in MARKS[2:])), strict=True) if has
    )


def comparison_of(value: Json, task: str, n: int | None) -> dict[str, str]:
    """What must be equal for two results of a task to be compared. lm-eval's own defaults are left out."""
    config, settings = mapping(value.get("config")), mapping(mapping(value.get("configs")).get(task))
    shots = str(mapping(value.get("n-shot")).get(task, settings.get("num_fewshot") or 0))
    metadata = mapping(settings.get("metadata"))
    ours = mapping(mapping(mapping(config.get("kinj")).get("tasks")).get(task))
    chat = bool(value.get("chat_template") or value.get("chat_template_sha"))
    fields = {
        "version": mapping(value.get("versions")).get(task),
        "shots": shots,
        "split": ours.get("split") or metadata.get("split"),
        "questions asked": n,
        "chat template": "applied" if chat else None,
        "multiturn": "yes" if chat and shots != "0" and value.get("fewshot_as_multiturn") else None,
        "system prompt": _hash(value.get("system_instruction")),
        "few-shot seed": _seed(config) if shots != "0" else None,
        "gen_kwargs": _hash(config.get("gen_kwargs") or None),
        "benchmark": str(mapping(ours.get("benchmark")).get("sha256") or "")[:12],
    }
    return plain_settings(fields)


def _seed(config: Mapping[str, object]) -> object:
    return None if config.get("fewshot_seed") in (None, 1234) else config["fewshot_seed"]


def _hash(value: object) -> str | None:
    return None if not value else f"#{short_hash(str(value))}"
