"""What stands beside the verdicts: training and reading together, forgetting, noise, retrieval, costs, trainings."""

from __future__ import annotations

from collections.abc import Iterator

from kinj.report.comparison import Findings
from kinj.report.comparison.arms import paraphrases_of
from kinj.report.comparison.differences import found_mask, known_chunks
from kinj.report.comparison.findings import further_metrics
from kinj.report.costs import ArmCost, Line, break_evens
from kinj.report.page.contents import PLACE
from kinj.report.page.tables import Column, Table
from kinj.report.verdict.contrasts import Arm


def beside_tables(found: Findings) -> Iterator[Table]:
    """Interaction, recipes, forgetting, noise, further metrics: those that there are."""
    columns: tuple[Column, ...] = (
        *PLACE, Column("both"), Column("difference of differences", "difference"),
        Column("95 % interval", "differences"),
        Column("in logits", "number"), Column("lowest", "number"), Column("highest", "number"),
    )  # fmt: skip
    rows = [
        [one.both.model, one.both.task, one.both.name, one.difference.mean, one.difference.interval, one.logit,
         *one.logit_interval]
        for one in found.interactions
    ]  # fmt: skip
    note = (
        "(FT+RAG - RAG) - (FT - base): below 0, training adds less where passages are read. A ceiling alone gives such "
        "a number: two gains that add up in logits came out as -8.4 points in a simulation. So logits stand beside; "
        "their interval is about these trainings."
    )
    if rows:
        yield Table("interaction", "Training and reading together", note, columns, rows)
    pairs = (
        *PLACE, Column("metric"), Column("reading"), Column("arm"), Column("against"), Column("questions", "count"),
        Column("trainings", "count"), Column("difference", "difference"), Column("95 % interval", "differences"),
    )  # fmt: skip
    for name, title, members, note in (
        ("forgetting", "Forgetting: tasks on what was not trained", found.forgetting,
         "Negative: lost. Nothing more than the margin is lost where the interval's lower end is above -"
         f"{100 * found.comparison.margin:g}. Closed book."),
        ("recipes", "Injection arms against the first of them", found.recipes,
         "Two recipes have trainings of their own, also under equal seeds: each has its own spread. No verdicts: these "
         "contrasts are not declared."),
    ):  # fmt: skip
        if members:
            rows = [
                [one.arm.model, one.arm.task, one.metric, one.arm.reading, one.arm.injection, one.other.injection,
                 one.difference.questions, one.difference.trainings, one.difference.mean, one.difference.interval]
                for one in members
            ]  # fmt: skip
            yield Table(name, title, note, pairs, rows)
    if found.noise:
        columns = (*PLACE, Column("answers flipped", "count"), Column("questions", "count"), Column("share", "share"))
        rows = [[one.model, one.task, one.flipped, one.questions, one.share] for one in found.noise]
        note = (
            "One cell asked twice, its questions from last to first and in other batches. No difference below counts."
        )
        yield Table("noise", "The noise floor", note, columns, rows)
    further = [
        [one.arm.model, one.arm.task, one.arm.name, name, n, mean, interval]
        for one, name, mean, interval, n in further_metrics(found)
    ]
    if further:
        columns = (
            *PLACE, Column("arm"), Column("metric"), Column("questions", "count"), Column("mean", "share"),
            Column("95 % interval", "interval"),
        )  # fmt: skip
        yield Table("metrics", "Further metrics", "No verdict rests on them.", columns, further)


def retrieval_table(found: Findings) -> Table | None:
    """What was found, and what that was worth."""
    columns = (
        *PLACE, Column("arm"), Column("k", "count"), Column("recall@1", "share"), Column("recall@k", "share"),
        Column("MRR", "number"), Column("sent", "share"), Column("dropped", "count"),
        Column("found, right", "count"), Column("found, wrong", "count"), Column("not found, right", "count"),
        Column("not found, wrong", "count"),
    )  # fmt: skip
    rows = []
    for one in found.judged_arms.values():
        if one.k is None:
            continue
        facts = one.cells[0].retrieval
        mask, known = found_mask(one), known_chunks(one) & one.asked
        counts: list[int | None] = [None] * 4
        if mask is not None:
            right = one.right[:, 0] == 1
            counts = [int((known & m & r).sum()) for m in (mask, ~mask) for r in (right, ~right)]
        numbers = [facts.get("recall@1"), facts.get(f"recall@{one.k}"), facts.get("mrr"), facts.get("gold_sent")]
        dropped = facts.get("passages_dropped")
        rows.append([one.arm.model, one.arm.task, one.arm.name, one.k, *numbers, dropped, *counts])
    note = (
        "Recall in percent of the questions whose source chunk is known. Found: the source chunk was among the "
        "passages sent. Counts are of the first training. Not found and right was known, or guessed."
    )
    return Table("retrieval", "What retrieval found", note, columns, rows) if rows else None


def cost_tables(costs: list[ArmCost], unit: str, lines: dict[Arm, Line], asked: int) -> Iterator[Table]:
    """What each arm took, and from how many questions on another is cheaper."""
    columns: tuple[Column, ...] = (
        *PLACE, Column("arm"), Column("k", "count"), Column("tokens of training", "count"),
        Column("seconds of training", "seconds"), Column("tokens a question", "number"),
        Column("seconds a question", "number"), Column("memory", "bytes"), Column("weights on disk", "bytes"),
        Column(f"{unit} for {asked:,} questions", "amount"),
    )  # fmt: skip
    rows = [
        [one.arm.model, one.arm.task, one.arm.name, one.k, one.training_tokens, one.training_seconds, one.tokens,
         one.seconds, one.memory, one.disk, lines[one.arm].at(asked) if one.arm in lines else None]
        for one in costs
    ]  # fmt: skip
    note = (
        "A mean over trainings, and what a search has tried beside the one it chose. Tokens are those computed. "
        "Seconds are of the machines that did it, without start-up, loading and building an index. Memory is main "
        "memory, without a GPU's."
    )
    yield Table("cost", "What it costs", note, columns, rows)
    crossings = [
        [one.later.model, one.later.task, one.later.name, one.earlier.name, one.questions, *one.near]
        for one in break_evens(lines)
    ]
    if crossings:
        columns = (
            *PLACE, Column("cheaper in the end"), Column("cheaper at first"), Column("questions", "count"),
            Column("neither ahead from", "count"), Column("to", "count"),
        )  # fmt: skip
        note = (
            f"From so many questions on the one costs less than the other, in {unit}; within a tenth neither is ahead."
        )
        yield Table("break_even", "Break-even of training and retrieval", note, columns, crossings)


def training_table(found: Findings) -> Table | None:
    """Each training once."""
    columns = (
        Column("model"), Column("injection"), Column("seed", "count"), Column("recipe"), Column("documents", "count"),
        Column("paraphrases", "count"),
        Column("texts", "count"), Column("tokens", "count"), Column("steps", "count"), Column("seconds", "seconds"),
        Column("last held-out loss", "number"), Column("weights"),
    )  # fmt: skip
    rows = {}
    for one in found.comparison.cells:
        training = one.training
        if training:
            data, held = training.get("data") or {}, training.get("held_out_losses") or []
            rows[one.cell.unit] = [
                one.cell.model, one.cell.injection, one.cell.seed, training.get("recipe"), data.get("documents"),
                paraphrases_of(training),
                data.get("texts"), training.get("tokens"), training.get("steps"), training.get("seconds"),
                held[-1].get("loss") if held and isinstance(held[-1], dict) else None,
                str(training.get("weights_sha256", ""))[:12],
            ]  # fmt: skip
    note = "Each draws weights' noise and the order of texts by its seed."
    return Table("trainings", "Trainings", note, columns, list(rows.values())) if rows else None


def search_table(found: Findings) -> Table | None:
    """What each search of a training's settings tried, the lowest loss first."""
    columns = (
        Column("model"), Column("injection"), Column("settings"),
        Column("held-out loss", "number"), Column("chosen"), Column("tokens", "count"),
    )  # fmt: skip
    rows: dict[tuple[str, str], list[list[object]]] = {}
    for one in found.comparison.cells:
        runs = sorted(one.training.get("search") or (), key=lambda run: float(run["held_out_loss"]))
        place = (one.cell.model, one.cell.injection)
        rows[place] = rows.get(place) or [
            [*place, ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                               for name, value in run["settings"].items()),
             run["held_out_loss"], "yes" if run["chosen"] else "", run.get("tokens")]
            for run in runs
        ]  # fmt: skip
    note = (
        "The loss on paraphrases that nothing was trained on, after trainings with the plan's first seed; the other "
        "seeds were trained with what was chosen."
    )
    lines = [line for of_arm in rows.values() for line in of_arm]
    return Table("searches", "Settings that were searched", note, columns, lines) if lines else None
