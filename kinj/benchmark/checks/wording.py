"""Rules for paraphrases and training pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import names, numbers, runs, shared_share
from kinj.records import Chunk, Pair, Paraphrase, Question

#: styles of texts that say a part of their chunk: they may leave out what a paraphrase may not
PART_STYLES = ("facts", "relations")
#: a paraphrase may have this share of its chunk's characters
SHORTEST, LONGEST = 0.7, 1.4
#: share of four-word runs above which two texts are near copies
LIKE_CHUNK, LIKE_EACH_OTHER = 0.55, 0.6
#: share of three-word runs above which a training pair asks an evaluation question
LIKE_QUESTION = 0.5

#: Of Markdown, as `kinj corpus` keeps them.
_HEADING = re.compile(r"^#{1,6}[ \t].*$", re.M)
_TEXT_ITSELF = re.compile(
    r"\b(?:the|this) (?:passage|text|article|paragraph|excerpt|section) (?:also |then )?(?:begins|concludes|covers|"
    r"describes|details|discusses|emphasi[sz]es|explains|explores|focuses|highlights|introduces|mentions|notes|outlines|presents|"
    r"provides|says|states|suggests|tells|talks)\b",
    re.I,
)


def paraphrase_numbers(paraphrase: Paraphrase, chunk: Chunk) -> Iterator[Fault]:
    """A number is lost or added."""
    ours, theirs = numbers(paraphrase.text), numbers(chunk.text)
    if lost := sorted(theirs - ours):
        yield Fault(paraphrase.id, f"lacks the numbers {', '.join(lost)} of its chunk")
    if added := sorted(ours - theirs):
        yield Fault(paraphrase.id, f"has the numbers {', '.join(added)}, which its chunk has not")


def paraphrase_names(paraphrase: Paraphrase, chunk: Chunk) -> Iterator[Fault]:
    """A name is lost. Words of headings, where every noun may have a capital, need not be names."""
    told = sorted(names(_HEADING.sub("", chunk.text)))
    lost = [n for n in told if not re.search(rf"(?<!\w){re.escape(n)}(?!\w)", paraphrase.text)]
    if lost:
        yield Fault(paraphrase.id, f"lacks the names {', '.join(lost)} of its chunk")


def text_about_text(text: Paraphrase | Pair, chunk: Chunk) -> Iterator[Fault]:
    """It tells of the passage ("The passage describes …"), which nobody sees who asks the model later."""
    said = text.text if isinstance(text, Paraphrase) else f"{text.question} {text.answer}"
    match = _TEXT_ITSELF.search(said)
    if match and not _TEXT_ITSELF.search(chunk.text):
        yield Fault(text.id, f"says {match[0]!r}")


def paraphrase_length(paraphrase: Paraphrase, chunk: Chunk) -> Iterator[Fault]:
    """Much shorter or longer than its chunk."""
    share = len(paraphrase.text) / len(chunk.text)
    if not SHORTEST <= share <= LONGEST:
        yield Fault(paraphrase.id, f"has {share:.0%} of its chunk's length, expected {SHORTEST:.0%} to {LONGEST:.0%}")


def near_copies(paraphrases: Sequence[Paraphrase], chunk: Chunk) -> Iterator[Fault]:
    """Among the paraphrases of one chunk: too many four-word runs shared with it or with an earlier one."""
    original = runs(chunk.text, 4)
    earlier: list[tuple[str, set[tuple[str, ...]]]] = []
    for paraphrase in paraphrases:
        ours = runs(paraphrase.text, 4)
        if (share := shared_share(ours, original)) > LIKE_CHUNK:
            yield Fault(paraphrase.id, f"near copy of its chunk ({share:.0%} of four-word runs)")
        for other, theirs in earlier:
            if (share := shared_share(ours, theirs)) > LIKE_EACH_OTHER:
                yield Fault(paraphrase.id, f"near copy of {other} ({share:.0%} of four-word runs)")
        earlier.append((paraphrase.id, ours))


def pair_like_question(pair: Pair, questions: Sequence[Question]) -> Iterator[Fault]:
    """A training pair asks in nearly the words of an evaluation question of its chunk."""
    for question in questions:
        if (share := shared_share(runs(pair.question, 3), runs(question.question, 3))) > LIKE_QUESTION:
            yield Fault(pair.id, f"asks nearly as {question.id} ({share:.0%} of three-word runs)")


def pair_answer_numbers(pair: Pair, chunk: Chunk) -> Iterator[Fault]:
    """A number of the answer does not occur in the chunk."""
    if strange := sorted(numbers(pair.answer) - numbers(chunk.text)):
        yield Fault(pair.id, f"the numbers {', '.join(strange)} of the answer are not in the chunk")
