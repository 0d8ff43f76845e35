"""The one door for training texts: checked against the evaluation questions, tokenised, held against the block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kinj.errors import UserError
from kinj_training.texts.leakage import Questions
from kinj_training.texts.texts import TrainingText
from kinj_training.texts.tokens import Marks, Tokenizer, Tokens, control_tokens, tokenize


@dataclass(frozen=True, slots=True)
class Intake:
    """What every text of a training goes through."""

    tokenizer: Tokenizer
    marks: Marks
    questions: Questions
    #: tokens in a block
    length: int
    #: leave out texts that cannot be learnt, rather than refuse them
    leave_out: bool
    #: leave out texts from outside that hold an evaluation question, rather than refuse them
    leave_out_leaks: bool = False
    #: ids of those that cannot be learnt
    left_out: list[str] = field(default_factory=list)
    #: ids of those that hold a question
    leaks: list[str] = field(default_factory=list)
    #: ids of those that spell a control token, which is encoded as text
    spelling: list[str] = field(default_factory=list)

    def take(self, texts: Sequence[TrainingText]) -> list[Tokens]:
        """The texts as tokens, in order, without those left out.

        Raises:
            UserError: a text of the collection holds an evaluation question; or, unless such texts are left out, one
                from outside does, it has nothing to learn, or is a prompt with its answer that does not fit into one
                block.
        """
        texts = [text for text in texts if not self._leaks(text)]
        taken = []
        controls = control_tokens(self.tokenizer)
        for text, tokens in zip(texts, tokenize(texts, self.tokenizer, self.marks), strict=True):
            fault = self._fault(text, tokens)
            if fault is None:
                taken.append(tokens)
                if not text.is_chat and any(token in text.text for token in controls):
                    self.spelling.append(text.id)
            elif self.leave_out:
                self.left_out.append(text.id)
            else:
                raise UserError(f"training text {text.id!r} {fault}, or set unfit: leave_out")
        return taken

    def _leaks(self, text: TrainingText) -> bool:
        """Whether the text is left out, as it holds an evaluation question; the collection's own may not."""
        why = self.questions.leak(text)
        if why is None:
            return False
        if not text.is_from_outside:
            raise UserError(f"{why}: remove or reword it")
        if not self.leave_out_leaks:
            raise UserError(f"{why}: remove it from the data, or set leaks: leave_out")
        self.leaks.append(text.id)
        return True

    def _fault(self, text: TrainingText, tokens: Tokens) -> str | None:
        size = len(tokens.input_ids)
        if not text.has_answer or tokens.targets == 0:
            return "has nothing to learn, its text or its answer is empty or null: remove it"
        if text.forged is not None:
            return f"spells the control token {text.forged!r} in a turn, which would end or forge one: reword it"
        if tokens.has_prompt and size > self.length:
            return (
                f"has {size} tokens, a block {self.length}, and a prompt is not cut from its answer: raise max_length, "
                "shorten the prompt"
            )
        return None
