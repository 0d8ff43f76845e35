"""Results of lm-eval before 0.4, of lighteval and of inspect: scores without samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from kinj.records import Json
from kinj.report.reading.identity import model_arguments
from kinj.report.reading.lm_eval import Say
from kinj.report.reading.plain import path_setting, plain, plain_settings, short_hash
from kinj.report.reading.runs import Result, Run
from kinj.report.reading.values import mapping, number

#: Of inspect: what stands among the metrics of a scorer and is an error or a spread.
_ERRORS = {"stderr", "std", "var", "bootstrap_stderr", "ci_lower", "ci_upper"}
#: Settings of a generation that change no answer.
_SPEED = {"max_connections", "max_retries", "timeout", "attempt_timeout", "batch", "cache_prompt"}
_PERPLEXITIES = ("ppl", "perplexity", "bits_per_byte", "wer", "ter")


def read_old_lm_eval(file: Path, place: str, value: Json, say: Say) -> Run:
    """lm-eval before 0.4: metrics without a filter, `acc_stderr` beside `acc`, one number of shots for all tasks."""
    config = mapping(value.get("config"))
    arguments = model_arguments(config.get("model_args"))
    named = arguments.get("pretrained") or arguments.get("engine") or arguments.get("model") or config.get("model")
    said = {
        name: one
        for name, one in arguments.items()
        if name not in ("pretrained", "engine", "model", "trust_remote_code")
    }
    results = [
        result
        for task, metrics in mapping(value["results"]).items()
        for result in _plain_metrics(task, metrics, say, {
            "version": f"{mapping(value.get('versions')).get(task, '?')} (lm-eval before 0.4)",
            "shots": config.get("num_fewshot") or 0,
            "limit": config.get("limit"),
        })
    ]  # fmt: skip
    settings = plain_settings({"back end": config.get("model"), **said}) | path_setting(named or "unnamed")
    marks = ("fine-tuned",) if arguments.get("peft") else ()
    details = plain_settings({"batch_size": config.get("batch_size")})
    return Run(file, place, "lm_eval_old", plain(named or "unnamed"), settings, details, marks, tuple(results))


def read_lighteval(file: Path, place: str, value: Json, say: Say) -> Run:
    """lighteval: tasks as `suite|task|shots` or `task|shots`; `all` and `…:_average…` are means over tasks."""
    general = mapping(value.get("config_general"))
    model_config = mapping(general.get("model_config"))
    asked = {
        "gen_kwargs": _generation(general.get("generation_parameters") or model_config.get("generation_parameters")),
        "chat template": "applied" if general.get("use_chat_template") or model_config.get("use_chat_template") else "",
        "system prompt": _hash(general.get("system_prompt") or model_config.get("system_prompt")),
    }
    results: list[Result] = []
    for task, metrics in mapping(value["results"]).items():
        parts = task.split("|")
        if task == "all" or any(part.endswith(":_average") for part in parts):
            continue
        shots = next((part for part in parts if part.isdigit()), "0")  # a second number says whether they may be cut
        names = [part for part in parts if not part.isdigit()]
        version = mapping(value.get("versions")).get(task, "?")
        comparison = {"version": f"{version} (lighteval)", "shots": shots, "limit": general.get("max_samples"),
                      "suite": "|".join(names[:-1]), **asked}  # fmt: skip
        results += _plain_metrics(names[-1] if names else task, metrics, say, comparison)
    named = general.get("model_name") or model_config.get("model_name") or "unnamed"
    settings = plain_settings({"dtype": general.get("model_dtype"), "revision": model_config.get("revision")})
    settings |= path_setting(named)
    details = plain_settings({"commit": str(general.get("model_sha") or "")[:8]})
    return Run(file, place, "lighteval", plain(named), settings, details, (), tuple(results))


def read_inspect(file: Path, place: str, value: Json, say: Say) -> Run:
    """The log of inspect as JSON: the metrics of each scorer; an evaluation that has not ended has none.

    Raises:
        ValueError: it did not end, or has no results.
    """
    evaluated, found = mapping(value.get("eval")), mapping(value.get("results"))
    if value.get("status") != "success" or not found:
        raise ValueError(f"inspect's log of an evaluation with the status {plain(value.get('status'))!r}: no results")
    samples = number(found.get("completed_samples") or found.get("total_samples"))
    scorers = found.get("scores")
    version = f"{evaluated.get('task_version', '?')} (inspect)"
    epochs = mapping(evaluated.get("config")).get("epochs")
    comparison = plain_settings({
        "version": version,
        "questions asked": int(samples) if samples else None,
        "epochs": epochs if epochs != 1 else None,
        "task arguments": _hash(evaluated.get("task_args")),
        "gen_kwargs": _generation(evaluated.get("model_generate_config") or mapping(value.get("plan")).get("config")),
    })  # fmt: skip
    task, n = plain(evaluated.get("task", "task")), int(samples) if samples else None
    results: list[Result] = []
    for scorer in scorers if isinstance(scorers, list) else ():
        results += _scorers_results(mapping(scorer), task, n, comparison, say)
    settings = plain_settings(mapping(evaluated.get("model_args")))
    return Run(file, place, "inspect", plain(evaluated.get("model") or "unnamed"), settings, {}, (), tuple(results))


def _generation(settings: object) -> str | None:
    """A hash of the settings that shape what is generated; None where none is set."""
    return _hash({name: one for name, one in mapping(settings).items() if one is not None and name not in _SPEED})


def _hash(value: object) -> str | None:
    return f"#{short_hash(json.dumps(value, sort_keys=True))}" if value else None


def _scorers_results(
    scorer: Json, task: str, n: int | None, comparison: Mapping[str, str], say: Say
) -> Iterator[Result]:
    values = {name: mapping(metric).get("value") for name, metric in mapping(scorer.get("metrics")).items()}
    stderr = next((error for name in ("stderr", "bootstrap_stderr") if (error := number(values.get(name)))), None)
    for name, value in values.items():
        score = number(value)
        if score is None and name not in _ERRORS:
            say(f"task {task!r}, {plain(name)}: no finite number")
        elif score is not None and name not in _ERRORS:
            yield Result(task, plain(name), plain(scorer.get("name", "none")), score, n, stderr, comparison=comparison)


def _plain_metrics(task: str, metrics: object, say: Say, comparison: Mapping[str, object]) -> Iterator[Result]:
    if not isinstance(metrics, dict):
        say(f"task {plain(task)!r}: its scores are no object")
        return
    for name, value in metrics.items():
        if name.endswith("_stderr") or isinstance(value, (str, dict, list)):
            continue
        score = number(value)
        if score is None:
            say(f"task {plain(task)!r}, {plain(name)}: no finite number")
            continue
        yield Result(
            task=plain(task),
            metric=plain(name),
            filter="none",
            value=score,
            n=None,
            stderr=number(metrics.get(f"{name}_stderr")),
            higher_is_better=not name.endswith(_PERPLEXITIES),
            comparison=plain_settings(comparison),
        )
