"""The questions behind a run, as Every Eval Ever's rows: one for each question and metric."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence

from kinj.errors import UserError
from kinj.records import Json
from kinj.report.arguments import full_arguments, short_arguments
from kinj.report.reading import Result, Run
from kinj.report.reading.lm_eval import stamp_of
from kinj.report.reading.plain import plain, without_secrets
from kinj.report.reading.samples import BadSamplesError, find_samples, sample_rows
from kinj.report.reading.values import mapping

log = logging.getLogger(__name__)

_TRACE = "trace.jsonl"
#: Digits of a target that may be the number of an option.
_LONGEST_NUMBER = 10


def question_rows(run: Run, results: Sequence[Result]) -> Iterator[Json]:
    """Each question's row, once for each metric; none for results whose samples were not taken."""
    by_task: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.answers is not None and run.source == "lm_eval":
            by_task[result.task].append(result)
    for task, own in by_task.items():
        yield from _rows_of_task(run, task, own)


def _rows_of_task(run: Run, task: str, results: Sequence[Result]) -> Iterator[Json]:
    file = find_samples(run.file, task, stamp_of(run.file))
    if file is None:
        log.warning("%s: no samples of %s any more; its questions are left out", run.place, task)
        return
    sent = _prompts_sent(run, task)
    is_whole = "retrieves" not in run.marks  # a context that lm-eval logged holds no passages
    unread = unsent = 0
    for sample in sample_rows(file):
        try:
            contexts, options = _requests(sample)
        except (UserError, TypeError, AttributeError):
            contexts, options = [], []
            unread += 1
        prompt = sent.get(_identity(sample, task), contexts[0] if contexts and is_whole else None)
        unsent += bool(contexts) and prompt is None
        for result in results:
            score = sample.get(result.metric)
            if sample.get("filter", "none") != result.filter or not isinstance(score, (int, float)):
                continue
            yield {
                "evaluation_name": task if result.filter == "none" else f"{task}/{result.filter}",
                "evaluation_result_id": f"{result.task}/{result.metric}/{result.filter}",
                **_question(sample, result, prompt, contexts, options),
                "evaluation": {"score": float(score), "is_correct": score == 1},
            }
    if unread:
        log.warning("%s: prompts of %d samples of %s are in no known form; left out", run.place, unread, task)
    if unsent:
        why = f"no {_TRACE} says how they were sent"
        log.warning("%s: prompts of %d samples of %s are left out: %s", run.place, unsent, task, why)


def _question(
    sample: Json, result: Result, prompt: str | None, contexts: Sequence[str], options: Sequence[str]
) -> Json:
    doc = mapping(sample.get("doc"))
    answer, extracted = map(without_secrets, _answer(sample, result.metric, options))
    contexts, options = ([without_secrets(text) for text in texts] for texts in (contexts, options))
    raw = without_secrets(str(doc.get("question") or doc.get("query") or (contexts[0] if contexts else "")))
    target = str(sample.get("target", ""))
    right = int(target) if target.isdecimal() and len(target) < _LONGEST_NUMBER else len(options)
    reference = options[right].strip() if right < len(options) else without_secrets(target)
    hashes = {name: str(sample[name]) for name in ("doc_hash", "target_hash") if name in sample}
    chunks = doc.get("chunk_ids")
    return {
        "sample_id": plain(_identity(sample, result.task)),
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


def _identity(sample: Json, task: str) -> str:
    """What a question is called, in a trace too."""
    return str(mapping(sample.get("doc")).get("id") or f"{task}:{sample.get('doc_id')}")


def _requests(sample: Json) -> tuple[list[str], list[str]]:
    """A sample's contexts, and its options where it has several requests after one context.

    Raises:
        UserError, TypeError, AttributeError: its arguments are in none of lm-eval's forms or kinj's.
    """
    arguments = sample.get("arguments") or {}
    if isinstance(arguments, list):  # lm-eval before 0.4.3
        arguments = short_arguments(arguments)
    pairs = list(full_arguments(arguments).values())
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
    except (TypeError, ValueError, IndexError, OverflowError):
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
    return "" if responses is None or responses == [] else str(responses)


def _prompts_sent(run: Run, task: str) -> dict[str, str]:
    """By question, the prompt as kinj_rag sent it, the passages in it; empty without a whole trace."""
    trace = run.file.with_name(_TRACE)
    if not trace.is_file():
        return {}
    sent = {}
    try:
        for row in sample_rows(trace):
            prompts = row.get("prompts")
            if plain(row.get("task")) == task and isinstance(prompts, list) and prompts:
                prompt = prompts[0]
                text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)
                sent[str(row.get("question_id"))] = text
    except BadSamplesError as error:
        log.warning("%s: %s: %s; prompts with passages are left out", run.place, _TRACE, error)
        return {}
    return sent
