"""What a model reads in prompts, and writes in answers, that nobody sees who reads the task and its scores."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from kinj.errors import UserError
from kinj.passages import PassageTemplate
from kinj.records import Passage
from kinj_models.prompts import Message
from kinj_models.settings import Json
from kinj_models.task_rows import Row, options_of, question_of
from kinj_models.trace import Tally, TraceRecord

log = logging.getLogger("lm_eval.kinj")

#: How a thought begins and ends.
THOUGHTS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
#: Today's date in a chat template: a function that transformers gives to it.
_DATE_FORMAT = re.compile(r"""strftime_now\(\s*(['"])(?P<format>.*?)\1""")
#: Characters of a prompt that are tokenised to see how it begins.
_BEGINNING = 200


def control_tokens(tokenizer: Any) -> re.Pattern[str] | None:  # Any: whatever the base holds
    """Finds spellings that the tokenizer reads as one control token; None where it is none of Hugging Face's.

    Those are its special tokens, and added ones that its chat template prints, as in `transformers`'
    `sanitize_control_tokens` (5.23).
    """
    added = getattr(tokenizer, "added_tokens_decoder", None)
    if not isinstance(added, dict):
        return None
    template = str(getattr(tokenizer, "chat_template", None) or "")
    contents = {t.content for t in added.values() if t.content.strip() and (t.special or t.content in template)}
    if not contents or getattr(tokenizer, "split_special_tokens", False):
        return re.compile("(?!)")  # finds nothing
    return re.compile("|".join(map(re.escape, sorted(contents, key=len, reverse=True))))


def drops_system_turn(base: LM, messages: Sequence[Message]) -> bool:
    """Whether the base renders the chat as it does without its system turn: the template knows none."""
    rest = without_system_turn(messages)
    if not rest or not any(m["content"] for m in messages if m["role"] == "system"):
        return False
    try:
        return bool(base.apply_chat_template(messages) == base.apply_chat_template(rest))
    except TemplateError:  # a template that asks for a system turn
        return False


def without_system_turn(messages: Sequence[Message]) -> list[Message]:
    """The other turns."""
    return [message for message in messages if message["role"] != "system"]


def printed_dates(base: LM, messages: Sequence[Message]) -> list[str]:
    """What the base's chat template prints of today's date, as it prints it: out of `strftime_now("…")` in it."""
    template = str(getattr(getattr(base, "tokenizer", None), "chat_template", None) or "")
    formats = dict.fromkeys(match["format"] for match in _DATE_FORMAT.finditer(template))
    rendered = base.apply_chat_template(messages) if formats else None
    if not isinstance(rendered, str):  # a chat that a server renders
        return []
    today = datetime.now()  # as transformers' own strftime_now
    return [date for date in map(today.strftime, formats) if date in rendered]


def begins_twice(base: LM, prompt: Any) -> bool | None:  # Any: text, or an API model's chat
    """Whether the prompt has two begin marks at its start; None where no tokenizer here can tell."""
    mark = getattr(getattr(base, "tokenizer", None), "bos_token_id", None)
    if not isinstance(mark, int) or not isinstance(prompt, str) or not hasattr(base, "tok_encode"):
        return None
    return list(base.tok_encode(prompt[:_BEGINNING])[:2]) == [mark, mark]


def thought_of(prompt: Any, answer: str, *, is_cut_out: bool) -> str | None:  # Any: as above
    """The mark that the answer's thought begins with; None where it begins with none.

    Args:
        prompt: some templates open the thought themselves, at the prompt's end.
        answer: as it is scored.
        is_cut_out: lm-eval removes what stands before the end of a thought (`think_end_token`).
    """
    ends = () if is_cut_out or not isinstance(prompt, str) else (prompt.rstrip(),)
    opened = (mark for mark in THOUGHTS if any(end.endswith(mark) for end in ends))
    begun = (mark for mark in THOUGHTS if answer.lstrip().startswith(mark))
    return next(begun, None) or next(opened, None)


class PromptChecks:
    """Looks at a run's prompts and answers, counts, and says each thing once."""

    def __init__(self, template: PassageTemplate, query_field: str | None) -> None:
        self._template = template
        self._query_field = query_field
        #: what results carry
        self._found: Json = {}
        self._has_warned: set[str] = set()

    def to_object(self) -> Json:
        """What results carry of the run's prompts; counts are in the tallies."""
        return dict(self._found)

    def chat(self, base: LM, messages: Sequence[Message]) -> Sequence[Message]:
        """The turns that the base's template prints: all, or those beside the system's."""
        if any(message["role"] == "system" for message in messages):
            if "system_dropped" not in self._found:
                self._found["system_dropped"] = drops_system_turn(base, messages)
            if self._found["system_dropped"]:
                self._warn(
                    "the base's chat template has no system turn: the task's description and --system_instruction are "
                    "not sent (system_dropped in results); leave them out, or put them into the task's own text"
                )
                messages = without_system_turn(messages)
        if "dates_in_prompts" not in self._found:
            dates = self._found["dates_in_prompts"] = printed_dates(base, messages)
            if dates:
                self._warn(
                    f"the base's chat template prints today's date ({', '.join(dates)}) into every prompt: tomorrow's "
                    "prompts are others, and use_cache finds nothing for them; where the template takes a date, fix it "
                    "by chat_template_args (of Llama 3: date_string)"
                )
        return messages

    def first_prompt(self, base: LM, requests: Sequence[Instance]) -> None:
        """Looks at the first prompt's begin mark, once a run: all are made alike."""
        prompt = next((request.args[0] for request in requests if request.args[0] != ""), None)
        if "begin_mark_twice" in self._found or (is_twice := begins_twice(base, prompt)) is None:
            return
        self._found["begin_mark_twice"] = is_twice
        if is_twice:
            self._warn(
                "prompts begin with two begin marks, which costs some models points: leave out add_bos_token, or take "
                "the mark out of the chat template"
            )

    def texts(self, base: LM, asked: Iterable[tuple[Row, TraceRecord]]) -> dict[str, Tally]:
        """Questions and sent passages that hold a control token's spelling, by task; nothing without a tokenizer."""
        pattern = control_tokens(getattr(base, "tokenizer", None))
        counts: dict[str, Tally] = {}
        if pattern is None:
            return counts
        for row, record in asked:
            question = pattern.search(self._question(row, record.task))
            passages = [p for p in record.passages[: record.passages_sent] if self._holds(pattern, p)]
            tally = Tally(
                texts_checked=1,
                passages_with_control_tokens=len(passages),
                questions_with_control_tokens=int(question is not None),
            )
            counts[record.task] = counts.get(record.task, Tally()) + tally
            if passages or question:
                where = f"passage {passages[0].chunk_id}" if passages else f"question {record.query.id}"
                hit = question if not passages else pattern.search(f"{passages[0].title}\n{passages[0].text}")
                self._warn_of_control_token(where, hit[0] if hit else "")
        return counts

    def answers(self, base: LM, requests: Sequence[Instance], answers: Sequence[Any]) -> dict[str, Tally]:
        """Answers that are scored with a thought in them, or with nothing else, by task. Any: as lm-eval has them."""
        is_cut_out = getattr(base, "think_end_token", None) is not None
        counts: dict[str, Tally] = {}
        for request, answer in zip(requests, map(str, answers), strict=True):
            mark = thought_of(request.args[0], answer, is_cut_out=is_cut_out)
            is_unfinished = mark is not None and THOUGHTS[mark] not in answer
            tally = Tally(answers=1, thoughts=int(mark is not None), unfinished_thoughts=int(is_unfinished))
            task = str(request.task_name)
            counts[task] = counts.get(task, Tally()) + tally
        for task, count in counts.items():
            if count.thoughts:
                self._warn_of_thoughts(task, count)
        return counts

    def _question(self, row: Row, task: str) -> str:
        parts = []
        with suppress(UserError):  # the closed book asks nothing of a row
            parts.append(question_of(row, task, self._query_field))
        with suppress(UserError):
            parts += options_of(row, task)
        return "\n".join(parts)

    def _holds(self, pattern: re.Pattern[str], passage: Passage) -> bool:
        """Whether the spelling is in what the template prints of the passage: seldom, so seldom rendered."""
        is_there = pattern.search(f"{passage.title}\n{passage.text}") is not None
        return is_there and pattern.search(self._template.render([passage])) is not None

    def _warn_of_control_token(self, where: str, spelling: str) -> None:
        self._warn(
            f"{where} holds {spelling}, which the base's tokenizer reads as a control token, not as text; how many do "
            "is in results (passages_with_control_tokens, questions_with_control_tokens)",
            about="control tokens",
        )

    def _warn_of_thoughts(self, task: str, count: Tally) -> None:
        self._warn(
            f"{task}: {count.thoughts} of {count.answers} answers begin with a thought, {count.unfinished_thoughts} of "
            "them without an end, and are scored as they stand: give the thought's end by think_end_token=</think> in "
            "--model_args, and room to come to an end by --gen_kwargs max_gen_toks=4096,until=END (the base's end "
            "mark: a task may stop at the first line break)",
            about="thoughts",
        )

    def _warn(self, text: str, about: str | None = None) -> None:
        if (about or text) not in self._has_warned:
            self._has_warned.add(about or text)
            log.warning("kinj_rag: %s", text)
