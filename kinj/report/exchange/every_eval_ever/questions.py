"""The questions behind a run, as Every Eval Ever's rows: one for each question and metric."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from kinj.errors import UserError
from kinj.records import Json
from kinj.report.arguments import full_arguments
from kinj.report.reading import Result, Run
from kinj.report.reading.lm_eval import stamp_of
from kinj.report.reading.plain import plain, without_secrets
from kinj.report.reading.samples import find_samples, sample_rows

log = logging.getLogger(__name__)

_TRACE = "trace.jsonl"


def question_rows(run: Run, results: Sequence[Result]) -> Iterator[Json]:
    """Each question's row, once for each metric; none for results whose samples were not taken."""
    by_task: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.answers is not None and run.source == "lm_eval":
            by_task[result.task].append(result)
    for task, own in by_task.items():
        file = find_samples(run.file, task, stamp_of(run.file))
        if file is None:
            log.warning("%s: no samples of %s any more; its questions are left out", run.place, task)
            continue
        sent = _prompts_sent(run.file.with_name(_TRACE), task)
        unread = 0
        for sample in sample_rows(file):
            try:
                contexts, options = _requests(sample)
            except (UserError, TypeError):
                contexts, options = [], []
                unread += 1
            for result in own:
                score = sample.get(result.metric)
                if sample.get("filter", "none") != result.filter or not isinstance(score, (int, float)):
                    continue
                name = task if result.filter == "none" else f"{task}/{result.filter}"
                yield {
                    "evaluation_name": name,
                    "evaluation_result_id": f"{result.task}/{result.metric}/{result.filter}",
                    **_question(sample, result, sent, contexts, options),
                    "evaluation": {"score": float(score), "is_correct": score == 1},
                }
        if unread:
            log.warning("%s: prompts of %d samples of %s are in no known form; left out", run.place, unread, task)


def _question(
    sample: Json, result: Result, sent: dict[str, str], contexts: Sequence[str], options: Sequence[str]
) -> Json:
    doc = sample["doc"] if isinstance(sample.get("doc"), dict) else {}
    answer, extracted = map(without_secrets, _answer(sample, result.metric, options))
    contexts, options = ([without_secrets(text) for text in texts] for texts in (contexts, options))
    raw = without_secrets(str(doc.get("question") or doc.get("query") or (contexts[0] if contexts else "")))
    target = str(sample.get("target", ""))
    is_option = target.isdigit() and int(target) < len(options)
    reference = options[int(target)].strip() if is_option else without_secrets(target)
    identity = str(doc.get("id") or f"{result.task}:{sample.get('doc_id')}")
    prompt = sent.get(identity, contexts[0] if contexts else None)
    hashes = {name: str(sample[name]) for name in ("doc_hash", "target_hash") if name in sample}
    chunks = doc.get("chunk_ids")
    return {
        "sample_id": plain(identity),
        "sample_hash": hashlib.sha256((raw + reference).encode("utf-8", "replace")).hexdigest(),
        "interaction_type": "single_turn",
        "input": {
            "raw": raw,
            "formatted": prompt and without_secrets(prompt),
            "reference": [reference],
            "choices": [option.strip() for option in options] or None,
        },
        "output": {"raw": [answer]},
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": extracted,
                "extraction_method": str(sample.get("filter", "none")),
                "is_terminal": True,
            }
        ],
        "metadata": {**hashes, **({"chunk_ids": json.dumps(chunks)} if chunks else {})},
    }


def _requests(sample: Json) -> tuple[list[str], list[str]]:
    """A sample's contexts, and its options where it has several requests after one context."""
    arguments = sample.get("arguments")
    pairs = list(full_arguments(arguments).values()) if isinstance(arguments, dict) else []
    contexts = [str(pair.get("arg_0", "")) for pair in pairs if isinstance(pair, dict)]
    options = [str(pair.get("arg_1", "")) for pair in pairs if isinstance(pair, dict)]
    return contexts, options if len(options) > 1 else []


def _answer(sample: Json, metric: str, options: Sequence[str]) -> tuple[str, str]:
    """What the model gave, and what a filter took out of it: of options the one that the metric counts as chosen."""
    responses = sample.get("filtered_resps")
    if not options or not isinstance(responses, list) or len(responses) != len(options):
        extracted = _first(responses)
        given = _first(sample.get("resps"))
        return (given if sample.get("resps") else extracted), extracted
    if metric == "acc_calibrated":  # each letter's mean over all questions decides
        return "", ""
    try:
        scores = [float(response[0] if isinstance(response, list) else response) for response in responses]
    except (TypeError, ValueError, IndexError):
        return "", ""
    texts = [option.removeprefix(" ") for option in options]  # lm-eval's delimiter counts in no length
    if metric == "acc_norm":
        scores = [score / max(len(text), 1) for score, text in zip(scores, texts, strict=True)]
    elif metric == "acc_bytes":
        scores = [
            score / max(len(text.encode("utf-8", "replace")), 1) for score, text in zip(scores, texts, strict=True)
        ]
    chosen = options[scores.index(max(scores))].strip()
    return chosen, chosen


def _first(responses: object) -> str:
    """The first response, of the first request, of the first time that it was asked."""
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return str(responses)


def _prompts_sent(trace: Path, task: str) -> dict[str, str]:
    """By question, the prompt as kinj_rag sent it, the passages in it; empty where there is no trace."""
    if not trace.is_file():
        return {}
    sent = {}
    for row in sample_rows(trace):
        prompts = row.get("prompts")
        if plain(row.get("task")) == task and isinstance(prompts, list) and prompts:
            prompt = prompts[0]
            text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)
            sent[str(row.get("question_id"))] = text
    return sent
