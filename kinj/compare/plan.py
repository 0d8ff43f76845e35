"""A plan: everything that one comparison is made of, checked, every default written out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator

from kinj.compare.settings import Settings, SlurmSettings, SpreadPrior
from kinj.errors import UserError, nearest
from kinj.records import SIDES, Json
from kinj.retrieval import RETRIEVERS

NONE = "none"
Keep = Literal["all", "adapters", "none"]
#: Where an injection arm's weights are from.
_SOURCES = ("recipe", "checkpoint", "adapter", "results")
#: The retriever that gives the whole collection, and the control that asks it.
ALL, EVERYTHING = "all", "everything"
CONTROLS = ("gold", "distractors", EVERYTHING, "reversed", "orders", "withheld")


class ModelSettings(Settings):
    """A model, asked alike in all of its arms."""

    #: lm-eval's name of the kind of model
    base: str = "hf"
    #: a hub name or a folder; null: the demo model
    pretrained: str | None = None
    #: a branch, tag or commit of the hub; null: main
    revision: str | None = None
    #: null: the model's own
    dtype: str | None = None
    #: as lm-eval's --device; null: the one there is
    device: str | None = None
    #: that its weights are spread over; null: as many as hold them (docs/scale.md)
    devices: Annotated[int, Field(ge=1)] | None = None
    #: more for lm-eval's model, by name
    arguments: dict[str, Any] = Field(default_factory=dict)  # Any: whatever its constructor takes
    #: true: the tokenizer's own; or the name of one of its templates
    chat_template: bool | str = False
    system_prompt: str | None = None
    #: whether shots are turns of a chat; null: where a chat template is used
    multiturn: bool | None = None

    @field_validator("arguments")
    @classmethod
    def _hold_no_secret(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        if secret := {"token", "api_key", "auth_token"} & set(arguments):
            raise ValueError(f"{secret.pop()}: plans are printed and kept; give secrets by the environment (HF_TOKEN)")
        return arguments

    @model_validator(mode="after")
    def _has_a_template_for_its_turns(self) -> ModelSettings:
        if self.multiturn and not self.chat_template:
            raise ValueError("multiturn: true needs a chat_template")
        return self


class InjectionArm(Settings):
    """How a model is trained before it is asked."""

    #: null: the recipe's name
    name: str = ""
    #: a recipe that ships, or a file; null: nothing is trained here
    recipe: str | None = None
    #: weights that somebody else has trained, a folder or a hub name, asked in the model's place
    checkpoint: str | None = None
    #: an adapter that somebody else has trained, put over the model
    adapter: str | None = None
    #: a folder that somebody else's `lm_eval --log_samples --output_path` wrote, closed book: nothing is asked
    results: str | None = None
    #: the model that the results are of, where the plan has several
    model: str | None = None
    #: settings over the recipe's, as `kinj train RECIPE --key value`
    settings: dict[str, Any] = Field(default_factory=dict)  # Any: whatever a recipe holds
    #: a training of several processes starts with: a configuration file of accelerate; null: torchrun
    launch: str | None = None
    #: whether the recipe's `search` is tried with the first seed, and the lowest held-out loss chosen for all
    search: bool = True
    #: asked these alone of the plan's tasks; null: all
    tasks: tuple[str, ...] | None = None

    def is_asked(self, task: str) -> bool:
        """Whether it is asked a task."""
        return self.tasks is None or task in self.tasks

    @property
    def is_base(self) -> bool:
        """Whether the model is asked as it is."""
        return self.name == NONE

    @model_validator(mode="before")
    @classmethod
    def _names_itself(cls, values: Any) -> Any:  # Any: as YAML has it
        if isinstance(values, dict) and not values.get("name"):
            made_by = next((values[key] for key in _SOURCES if values.get(key) is not None), NONE)
            return {**values, "name": str(made_by).rstrip("/").rpartition("/")[2].removesuffix(".yaml")}
        return values

    @model_validator(mode="after")
    def _trains_or_not(self) -> InjectionArm:
        sources = [key for key in _SOURCES if getattr(self, key) is not None]
        if len(sources) > 1:
            raise ValueError(f"arm {self.name!r} has {' and '.join(sources)}: name one")
        if self.recipe is None and self.settings:
            raise ValueError(f"arm {self.name!r} has settings of a training, but no recipe")
        if not sources and self.name != NONE:
            raise ValueError(f"arm {self.name!r} has no recipe: name one that ships (`kinj train --list`), or a file")
        if self.model is not None and self.results is None:
            raise ValueError(f"arm {self.name!r}: every model of the plan is asked; `model` is for `results` alone")
        if sources and self.name == NONE:
            raise ValueError("`none` is the arm without training: give this one another name")
        for key in ("seed", "data_seed", "output_dir", "model_name_or_path"):
            if key in self.settings:
                raise ValueError(f"{key} is not for an arm: the plan's models and seeds decide it")
        return self


class ReadingArm(Settings):
    """What a model may read: the settings of `kinj_rag` of these names."""

    #: null: the retriever's name
    name: str = ""
    retriever: Literal["none", *RETRIEVERS] = NONE  # type: ignore[valid-type]  # mypy reads no names out of a tuple
    #: passages a question; each is asked
    k: tuple[int, ...] = (3,)
    #: a folder of `kinj index build`, or elasticsearch:NAME; null: the task's own collection
    index: str | None = None
    placement: Literal["prefix", "question"] = "prefix"
    order: Literal["best_first", "best_last"] = "best_first"
    query: Literal["question", "question+options"] = "question"
    template: str | None = None
    embedder: str | None = None
    filter: str | None = None
    #: asked these alone of the plan's tasks; null: all
    tasks: tuple[str, ...] | None = None

    def reads(self, task: str) -> bool:
        """Whether it is asked a task."""
        return self.tasks is None or task in self.tasks

    @model_validator(mode="before")
    @classmethod
    def _names_itself(cls, values: Any) -> Any:  # Any: as YAML has it
        if not isinstance(values, dict):
            return values
        retriever = values.get("retriever", NONE)
        k = values.get("k", () if retriever in (NONE, ALL) else (3,))
        return {**values, "name": values.get("name") or retriever, "k": k if isinstance(k, (list, tuple)) else (k,)}

    @field_validator("k")
    @classmethod
    def _counts(cls, k: tuple[int, ...]) -> tuple[int, ...]:
        if any(count < 1 for count in k) or len(set(k)) < len(k):
            raise ValueError("each k is at least 1 and stands once; no passages at all is the arm `none`")
        return k

    @model_validator(mode="after")
    def _reads_or_not(self) -> ReadingArm:
        if self.retriever == NONE and self != ReadingArm.model_construct(name=self.name, k=(), tasks=self.tasks):
            raise ValueError("the closed book, retriever none, reads nothing: remove the other keys")
        if self.retriever == ALL:
            ranking = {"k": (), "query": "question", "order": "best_first", "embedder": None, "filter": None}
            given = [key for key, value in ranking.items() if getattr(self, key) != value]
            if given:
                raise ValueError(f"the whole collection, retriever all, ranks nothing: remove {', '.join(given)}")
        elif self.retriever != NONE and not self.k:
            raise ValueError("k: name at least one")
        return self


def _arm(value: Any) -> Any:  # Any: as YAML has it
    return ({} if value == NONE else {"recipe": value}) if isinstance(value, str) else value


def _reading(value: Any) -> Any:  # Any: as YAML has it
    return {"retriever": value} if isinstance(value, str) else value


def _model(value: Any) -> Any:  # Any: as YAML has it
    return {} if value is None else value


class Plan(Settings):
    """Everything that one comparison is made of."""

    models: dict[str, Annotated[ModelSettings, BeforeValidator(_model)]] = Field(min_length=1)
    #: what is trained on and asked about: a name that ships or a folder (docs/format.md); null: what recipes and tasks
    #: name themselves
    benchmark: str | None = None
    #: lm-eval's names
    tasks: tuple[str, ...] = Field(min_length=1)
    #: of kinj's tasks: K is chosen on dev, the result is test's; other tasks have their own one
    splits: tuple[Literal["test", "dev"], ...] = ("dev", "test")
    injection: tuple[Annotated[InjectionArm, BeforeValidator(_arm)], ...] = (InjectionArm(name=NONE),)
    reading: tuple[Annotated[ReadingArm, BeforeValidator(_reading)], ...] = (ReadingArm(name=NONE, k=()),)
    shots: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    #: of the trainings
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    #: tasks on what was not trained, asked closed book in every injection arm; null: current events' dev questions
    #: where the plan is not about them, else kinj_mmlu where its data is here; []: none
    forgetting: tuple[str, ...] | None = None
    #: a text file on which every arm's loss is measured; null: none is
    general_text: str | None = None
    #: asked of the untrained models beside the plan's arms (docs/compare.md)
    controls: tuple[Literal[*CONTROLS], ...] = CONTROLS  # type: ignore[valid-type]  # as above
    #: the first so many questions of each task, for a try; null: all
    limit: Annotated[int, Field(ge=1)] | None = None
    #: requests that are computed together; the same in all arms, or noise would follow the arm. auto: for each model as
    #: many as its memory takes of the plan's longest prompt
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    #: what stays of a training once its cells are complete. all: its weights; adapters: its adapter, and the weights
    #: where no adapter was trained; none: nothing, and a plan that grows trains again
    keep: Keep = "adapters"
    #: what the report judges; Holm's correction counts these. null: STATISTICS' five, and the two with everything where
    #: it is asked
    contrasts: tuple[str, ...] | None = None
    #: accuracy points within which two arms are called the same
    same_within: Annotated[float, Field(gt=0)] = 3.0
    spread_prior: SpreadPrior = SpreadPrior()
    #: what a unit is given where Slurm runs it (docs/scale.md); null: no script can be printed
    slurm: SlurmSettings | None = None

    @field_validator("contrasts")
    @classmethod
    def _have_two_sides(cls, contrasts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for contrast in contrasts or ():
            sides = contrast.split(" - ")
            if len(sides) != 2 or not set(sides) <= set(SIDES) or sides[0] == sides[1]:
                raise ValueError(f"{contrast!r}: write it as `RAG - base`, with two of {', '.join(SIDES)}")
        return contrasts

    @field_validator("tasks", "splits", "shots", "seeds", "forgetting", "controls", "contrasts")
    @classmethod
    def _stand_once(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:  # Any: names or numbers
        if values is not None and len(set(values)) < len(values):
            raise ValueError("a value stands twice")
        return values

    @model_validator(mode="after")
    def _have_names_of_their_own(self) -> Plan:
        arms = [injected.name for injected in self.injection]
        readings = [reading_name(arm, k) for arm in self.reading for k in arm.k or (None,)]
        for kind, names in (("injection", arms), ("reading", readings)):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"two {kind} arms are called {twice!r}: give each a `name`")
        for name, tasks in [(a.name, a.tasks) for a in self.injection] + [(a.name, a.tasks) for a in self.reading]:
            if unknown := sorted(set(tasks or ()) - {*self.tasks, *(self.forgetting or ())}):
                raise ValueError(f"arm {name}: {unknown[0]} is none of the plan's tasks")
        for arm in self.injection:
            if arm.results is not None and (arm.model or next(iter(self.models))) not in self.models:
                raise ValueError(f"arm {arm.name}: {arm.model} is none of the plan's models")
            if arm.results is not None and arm.model is None and len(self.models) > 1:
                raise ValueError(f"arm {arm.name}: say by `model` which of {', '.join(self.models)} its results are of")
        both = set(self.tasks) & set(self.forgetting or ())
        if both:
            raise ValueError(f"{sorted(both)[0]} stands under tasks and under forgetting")
        return self


def reading_name(arm: ReadingArm, k: int | None) -> str:
    """What a cell calls the reading arm: its name and its k."""
    return arm.name if k is None else f"{arm.name} k={k}"


def make_plan(place: str, values: Json) -> Plan:
    """The plan of a file's values.

    Raises:
        UserError: an unknown key (names the nearest), a value that a key cannot hold; `place` begins the message.
    """
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{place}: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        *_, key = fault["loc"]
        known = _keys_at(str(fault["loc"][0]) if len(fault["loc"]) > 1 else "")
        near = nearest(str(key), known)
        return f"{where}: no such key; " + (f"did you mean {near!r}?" if near else f"there are {', '.join(known)}")
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"no `{where}`: a plan needs it"
    value = fault["input"]
    shown = f": {value!r}" if isinstance(value, (str, int, float, type(None))) else ""
    return f"{where}{shown}: {message}" if where else message


def _keys_at(part: str) -> list[str]:
    kinds: dict[str, type[BaseModel]] = {
        "models": ModelSettings,
        "injection": InjectionArm,
        "reading": ReadingArm,
        "spread_prior": SpreadPrior,
        "slurm": SlurmSettings,
    }
    return list(kinds.get(part, Plan).model_fields)
