"""What an arm costs: its training once, and each question asked; in money, tokens or seconds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kinj.errors import UserError
from kinj.report.comparison import ArmScores
from kinj.report.verdict.contrasts import NONE, Arm
from kinj.settings_file import read_settings

_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TokenPrices(BaseModel):
    """Of a million tokens; None: not told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    training: _Amount | None = None
    answering: _Amount | None = None


class Prices(TokenPrices):
    """The user's price file."""

    currency: Annotated[str, Field(min_length=1, max_length=12)] = "money"
    #: of the machine; over tokens' prices where both are there, both are added
    hour: _Amount | None = None
    #: of an index, once, for an arm that reads
    index: _Amount = 0.0
    #: by a model's name in the plan, over `training` and `answering`; what one of them does not tell is that above
    models: dict[str, TokenPrices] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _tell_a_price(self) -> Self:
        tokens: list[TokenPrices] = [self, *self.models.values()]
        told = [self.hour, *(one.training for one in tokens), *(one.answering for one in tokens)]
        if all(price is None for price in told):
            raise ValueError("no price is told: all would cost nothing")
        return self

    def refuse_unknown(self, names: Collection[str]) -> None:
        """Returns where every model is one of these.

        Raises:
            UserError: one is not, by whose price nothing would be reckoned.
        """
        for name in self.models:
            if name not in names:
                raise UserError(f"--prices: models: {name!r}: no model of these plans; there are {', '.join(names)}")


def read_prices(path: Path) -> Prices:
    """The prices in a YAML file.

    Raises:
        UserError: no YAML, an unknown key, or a price that is none.
    """
    try:
        return Prices.model_validate(read_settings(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise UserError(
            f"{path}: {where}: {fault['msg']}; there are currency, training and answering (a million tokens), hour, "
            "index, and models with their own training and answering"
        ) from error


@dataclass(frozen=True, slots=True)
class ArmCost:
    """What an arm took, a mean over its trainings; to training is added what a search has tried beside."""

    arm: Arm
    k: int | None
    #: that went through the model in training; 0 where nothing is trained, None where nobody counted
    training_tokens: float | None
    training_seconds: float | None
    #: a question, of asking
    tokens: float | None
    seconds: float | None
    #: bytes of main memory at most while it was asked, and of the finished weights on disk
    memory: int | None
    disk: int | None


def cost_of(scores: ArmScores) -> ArmCost:
    """What the arm's cells and trainings say."""
    cells = scores.cells
    questions = [one.manifest["rows"]["questions"] for one in cells]

    def each(name: str) -> float | None:
        values = [one.manifest.get(name) for one in cells]
        known = [value / count for value, count in zip(values, questions, strict=True) if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None

    def trained(name: str) -> float | None:
        if scores.arm.injection == NONE:
            return 0.0
        stages = [[one.training, *one.training.get("stages", ())] for one in cells]
        sums = [[float(stage[name]) for stage in of_one if stage.get(name) is not None] for of_one in stages]
        # One search for all trainings, told beside each.
        search = next((runs for one in cells if (runs := one.training.get("search"))), ())
        tried = [run.get(name) for run in search if not run["chosen"]]
        return sum(map(sum, sums)) / len(sums) + sum(map(float, tried)) if all(sums) and None not in tried else None

    sizes = [sum(one.training.get("files", {}).values()) for one in cells]
    return ArmCost(
        arm=scores.arm,
        k=scores.k,
        training_tokens=trained("tokens"),
        training_seconds=trained("seconds"),
        tokens=each("tokens"),
        seconds=each("seconds"),
        memory=max((int(one.manifest.get("memory") or 0) for one in cells), default=0) or None,
        disk=max(sizes) or None,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """Cost as a line over the number of questions asked."""

    once: float
    a_question: float

    def at(self, questions: float) -> float:
        """The whole cost."""
        return self.once + self.a_question * questions


def cost_lines(
    costs: Sequence[ArmCost], prices: Prices | None, plan_names: Mapping[str, str] | None = None
) -> tuple[str, dict[Arm, Line]]:
    """The unit, and each arm's cost in it: money by a price file, else tokens, or seconds where more arms have those.

    An arm of which that is not known has no line.

    Args:
        costs: of arms.
        prices: of the user's file.
        plan_names: what a model's plan calls it, where a report calls it otherwise.
    """
    if prices is not None:
        names = plan_names or {}
        lines = ((one.arm, _money(one, prices, names.get(one.arm.model, one.arm.model))) for one in costs)
        return prices.currency, {arm: line for arm, line in lines if line is not None}
    tokens = {one.arm: line for one in costs if (line := _line(one.training_tokens, one.tokens)) is not None}
    seconds = {one.arm: line for one in costs if (line := _line(one.training_seconds, one.seconds)) is not None}
    return ("tokens", tokens) if len(tokens) >= len(seconds) else ("seconds", seconds)


def _line(once: float | None, a_question: float | None) -> Line | None:
    return None if once is None or a_question is None else Line(once, a_question)


def _money(cost: ArmCost, prices: Prices, model: str) -> Line | None:
    """None where what was counted has no price, or what has a price was not counted."""
    own = prices.models.get(model, prices)
    training = prices.training if own.training is None else own.training
    answering = prices.answering if own.answering is None else own.answering
    once = _price(training, cost.training_tokens, prices.hour, cost.training_seconds, cost.arm.injection != NONE)
    each = _price(answering, cost.tokens, prices.hour, cost.seconds, True)
    if once is None or each is None:
        return None
    return Line(once + (prices.index if cost.arm.reading != NONE else 0.0), each)


def _price(
    a_million: float | None, tokens: float | None, hour: float | None, seconds: float | None, is_there: bool
) -> float | None:
    """Of tokens and of seconds together; None where neither has a price, or one that has was not counted."""
    if not is_there:
        return 0.0
    if a_million is None and hour is None:
        return None
    whole = 0.0
    for price, count in (((a_million or 0.0) / 1e6, tokens), ((hour or 0.0) / 3600, seconds)):
        if price:
            if count is None:
                return None
            whole += price * count
    return whole


#: Costs nearer than this share of the larger are called no difference.
NEAR = 0.1


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From how many questions on one arm is cheaper than another."""

    #: the one with the smaller cost of one question
    later: Arm
    earlier: Arm
    questions: float
    #: between these, costs are within a tenth of each other: neither is ahead; the end may be infinite
    near: tuple[float, float]


def break_even(one: tuple[Arm, Line], other: tuple[Arm, Line]) -> BreakEven | None:
    """Where two arms' costs cross; None where one of them is cheaper at any number of questions."""
    (later, cheap), (earlier, dear) = sorted((one, other), key=lambda pair: pair[1].a_question)
    if cheap.a_question == dear.a_question or cheap.once <= dear.once:
        return None
    questions = (cheap.once - dear.once) / (dear.a_question - cheap.a_question)
    # dear = (1 - NEAR) cheap, and cheap = (1 - NEAR) dear
    keep = 1 - NEAR
    low = (keep * cheap.once - dear.once) / (dear.a_question - keep * cheap.a_question)
    gap = keep * dear.a_question - cheap.a_question
    high = (cheap.once - keep * dear.once) / gap if gap > 0 else float("inf")
    return BreakEven(later, earlier, questions, (max(0.0, low), high))


def break_evens(lines: Mapping[Arm, Line]) -> list[BreakEven]:
    """Between each training and each retrieval of one model and task, closed book the one, untrained the other."""
    found = []
    for tuned in (arm for arm in lines if arm.side == "FT"):
        for reading in (
            arm for arm in lines if arm.side == "RAG" and (arm.model, arm.task) == (tuned.model, tuned.task)
        ):
            crossing = break_even((tuned, lines[tuned]), (reading, lines[reading]))
            if crossing is not None:
                found.append(crossing)
    return found
