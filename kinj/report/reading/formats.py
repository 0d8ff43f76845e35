"""Which program wrote a JSON file, told by its content."""

from __future__ import annotations

from kinj.records import Json

LM_EVAL, LM_EVAL_OLD, LIGHTEVAL, INSPECT, EVERY_EVAL_EVER, HELM = (
    "lm_eval", "lm_eval_old", "lighteval", "inspect", "every_eval_ever", "helm",
)  # fmt: skip

#: A file without any of these is none of theirs, and is not parsed.
MARKS = (b'"results"', b'"evaluation_results"', b'"scenario_spec"', b'"per_instance_stats"', b'"adapter_spec"')
_HELM_KEYS = {"scenario_spec", "adapter_spec", "per_instance_stats", "request_states"}


def told_by_content(value: object) -> str | None:
    """One of the names above; None where it is nobody's results."""
    if isinstance(value, list):
        return HELM if _is_helms_list(value) else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("evaluation_results"), list) and "schema_version" in value:
        return EVERY_EVAL_EVER
    if value.keys() & _HELM_KEYS:
        return HELM
    if isinstance(value.get("eval"), dict) and "status" in value:
        return INSPECT
    if not isinstance(value.get("results"), dict):
        return None
    if isinstance(value.get("config_general"), dict):
        return LIGHTEVAL
    return _lm_evals(value)


def _lm_evals(value: Json) -> str | None:
    if not value.keys() & {"config", "configs", "versions", "n-shot", "n-samples"}:
        return None
    names = {name for metrics in value["results"].values() if isinstance(metrics, dict) for name in metrics}
    if any("," in name for name in names) or value.keys() & {"n-shot", "n-samples", "configs", "group_subtasks"}:
        return LM_EVAL
    return LM_EVAL_OLD


def _is_helms_list(value: list[object]) -> bool:
    first = value[0] if value else None
    return isinstance(first, dict) and (
        "stats" in first or (isinstance(first.get("name"), dict) and {"count", "sum"} <= first.keys())
    )
