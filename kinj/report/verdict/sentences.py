"""Verdicts in words, never stronger than the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kinj.report.verdict.contrasts import NONE, Arm, Judged
from kinj.report.verdict.prospects import TIMES_QUESTIONS, Prospect
from kinj.report.verdict.recommendation import better_pairs, cheapest_first
from kinj.statistics import FEWEST_CLUSTERS, FEWEST_DIFFERING, Difference

_NUMBERS = ("no", "one", "two", "three", "four", "five")


def points(share: float, *, sign: bool = True) -> str:
    """A share of 1 in accuracy points: `+0.4`, or `0.4`; a difference that rounds to 0 has no sign."""
    text = f"{100 * share:+.1f}" if sign else f"{100 * share:.1f}"
    return text[1:] if text in ("+0.0", "-0.0") else text


def interval(ends: tuple[float, float]) -> str:
    """`95 % interval -5.1 to +5.9`."""
    return f"95 % interval {points(ends[0])} to {points(ends[1])}"


def what_to_do(arm: Arm, k: int | None) -> str:
    """An arm as advice."""
    reads = f"{arm.reading}, k={k}" if k is not None else arm.reading
    return {
        "base": "Ask the model alone",
        "RAG": f"Retrieve ({reads})",
        "FT": f"Fine-tune ({arm.injection})",
        "FT+RAG": f"Fine-tune ({arm.injection}) and retrieve ({reads})",
        "everything": "Put the whole collection into every prompt",
    }[arm.side]


def doing(arm: Arm) -> str:
    """An arm as a thing to be compared with."""
    return {
        "base": "asking the model alone",
        "RAG": f"retrieving ({arm.reading})",
        "FT": f"fine-tuning ({arm.injection})",
        "FT+RAG": f"fine-tuning ({arm.injection}) and retrieving ({arm.reading})",
        "everything": "reading the whole collection",
    }[arm.side]


def adding(judged: Judged) -> str:
    """What a contrast is about: `fine-tuning (raw) on top of retrieving (bm25)`."""
    arm, other = judged.contrast.arm, judged.contrast.other
    if arm.side == "FT+RAG" and other.side in ("RAG", "FT"):
        added = Arm(arm.model, arm.task, arm.injection, NONE) if other.side == "RAG" else None
        added = added or Arm(arm.model, arm.task, NONE, arm.reading)
        return f"{doing(added)} on top of {doing(other)}"
    if other.side == "base":
        return f"{doing(arm)} instead of asking the model alone"
    return f"{doing(arm)} instead of {doing(other)}"


def verdict_sentence(judged: Judged, margin: float, prospect: Prospect | None) -> str:
    """One contrast in a sentence: its word, the difference, its interval, and what would have shown."""
    contrast, difference = judged.contrast, judged.contrast.difference
    subject = adding(judged)
    subject = subject[0].upper() + subject[1:]
    if judged.word is None or difference is None:
        numbers = "" if difference is None else f" ({points(difference.mean)} points, {interval(difference.interval)})"
        return f"{subject}: no verdict, {contrast.withheld}{numbers}."
    numbers = f"{points(difference.mean)} points, {interval(difference.interval)}"
    if judged.word == "too few to tell":
        return f"{subject}: too few to tell, {_too_few(difference)}; {numbers}."
    if judged.word == "the same":
        return f"{subject}: the same within {points(margin, sign=False)} points ({numbers})."
    if judged.word == "can't tell":
        return f"{subject}: these runs can't tell: {numbers}{_would_have_shown(prospect)}."
    return f"{subject}: {judged.word}, {numbers}{_tipping(difference)}."


def _too_few(difference: Difference) -> str:
    if difference.effective_clusters < FEWEST_CLUSTERS:
        return (
            f"{difference.questions} questions count as {difference.effective_clusters:.0f} clusters, a word needs "
            f"{FEWEST_CLUSTERS}"
        )
    return f"the arms differ in {difference.differing} clusters, a word needs {FEWEST_DIFFERING}"


def _would_have_shown(prospect: Prospect | None) -> str:
    if prospect is None:
        return ""
    text = f"; only {points(prospect.now, sign=False)} points would have shown"
    if prospect.trainings:
        more, size = prospect.trainings[-1]
        plural = "s" if more > 1 else ""
        return f"{text}, {_NUMBERS[more]} more training{plural} would bring that to {points(size, sign=False)}"
    return f"{text}, {_NUMBERS[TIMES_QUESTIONS]} times the questions would bring that to " + points(
        prospect.questions, sign=False
    )


def _tipping(difference: Difference) -> str:
    tipping = difference.tipping_point
    if tipping is None:
        return ""
    return (
        f"; by one training, and a spread of {points(tipping, sign=False)} points between trainings would bring the "
        "interval to 0"
    )


def recommendation_sentences(
    chosen: Arm,
    costs: Mapping[Arm, float],
    unit: str,
    asked: int,
    judged: Sequence[Judged],
    ks: Mapping[Arm, int | None],
) -> Iterator[str]:
    """What to do, against what, and at which price.

    Args:
        chosen: by `recommend`.
        costs: of the arms at so many questions.
        unit: of the costs.
        asked: how many questions that is.
        judged: the contrasts of this model and task.
        ks: of each arm that reads.
    """
    order = cheapest_first(costs)
    against = [one for one in judged if chosen in (one.contrast.arm, one.contrast.other) and one.contrast.difference]
    pairs = list(better_pairs(against))
    beaten = [worse for better, worse in pairs if better == chosen]
    above = [better for better, worse in pairs if worse == chosen]
    gain = next((one for one in against if order[0] in (one.contrast.arm, one.contrast.other)), None)
    first = what_to_do(chosen, ks.get(chosen))
    if chosen == order[0] and not any(one.word in ("better", "worse", "the same") for one in against):
        yield f"{first}: the cheapest arm, since these runs tell nothing for or against it."
    elif chosen == order[0] and above:
        yield f"No recommendation: {doing(chosen)} is the cheapest whose cost is known, and something is better."
    elif chosen == order[0]:
        yield f"{first}: the cheapest arm, and no other is shown to be better than it by these contrasts."
    elif order[0] in beaten and gain is not None and gain.contrast.difference is not None:
        sign = 1 if gain.contrast.arm == chosen else -1
        yield f"{first}: {points(sign * gain.contrast.difference.mean)} points over {doing(order[0])}."
    else:
        names = " and ".join(doing(arm) for arm in beaten if costs.get(arm, 0) < costs[chosen])
        yield f"{first}: better than {names}."
    if above:
        names = " and ".join(doing(arm) for arm in above)
        yield (
            f"Shown to be better is {names}, and not recommended: its cost is not known, or it is not shown to be "
            "better than all that is cheaper, its own parts too."
        )
    listed = ", ".join(f"{arm.name} {amount(costs[arm])}" for arm in order)
    yield f"Cheapest first, in {unit}, for {asked:,} questions asked: {listed}."


def amount(value: float) -> str:
    """A cost: three figures, thousands and millions in words."""
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if abs(value) >= size:
            return f"{value / size:.3g}{word}"
    return f"{value:.3g}"
