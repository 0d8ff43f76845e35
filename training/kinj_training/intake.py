"""The one door for training texts: checked against the evaluation questions, tokenised, held against the block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kinj.errors import UserError
from kinj_training.leakage import Questions
from kinj_training.texts import TrainingText
from kinj_training.tokens import Marks, Tokenizer, Tokens, tokenize


@dataclass(frozen=True, slots=True)
class Intake:
    """What every text of a training goes through."""

    tokenizer: Tokenizer
    marks: Marks
    questions: Questions
    #: tokens in a block
    length: int
    #: leave prompts out that are longer than a block, rather than refuse them
    leave_out: bool
    #: ids of the texts that were left out
    left_out: list[str] = field(default_factory=list)

    def take(self, texts: Sequence[TrainingText]) -> list[Tokens]:
        """The texts as tokens, in order, without those left out.

        Raises:
            UserError: a text holds an evaluation question, has nothing to learn, or is a prompt with its answer that
                does not fit into one block: the answer would be learnt without the prompt.
        """
        self.questions.refuse_leaks(texts)
        taken = []
        for tokens in tokenize(texts, self.tokenizer, self.marks):
            size = len(tokens.input_ids)
            if not tokens.has_prompt or size <= self.length:
                taken.append(tokens)
            elif self.leave_out:
                self.left_out.append(tokens.text_id)
            else:
                raise UserError(
                    f"training text {tokens.text_id!r} has {size} tokens, a block {self.length}, and a prompt is not "
                    "cut from its answer: raise max_length, shorten the prompts, or set too_long: leave_out"
                )
        return taken
