"""Plots as SVG for the page: colours are CSS variables, so that light and dark are the page's matter."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinj.errors import MissingExtraError
from kinj.report.comparison import ArmScores, Findings
from kinj.report.comparison.arms import paraphrases_of
from kinj.report.comparison.differences import found_mask, known_chunks
from kinj.report.costs import Line, break_evens
from kinj.report.page.questions import arm_label
from kinj.report.verdict.contrasts import NONE, Arm, Judged
from kinj.report.verdict.sentences import amount

#: Stand-ins that a figure is drawn in, and the variables that take their places.
_INK, _GRID = "#010203", "#040506"
SERIES = tuple(f"#0a0b{n:02x}" for n in range(1, 7))
_VARIABLES = {_INK: "var(--ink)", _GRID: "var(--line)"} | {colour: f"var(--s{n})" for n, colour in enumerate(SERIES, 1)}


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot, and the table that has its numbers."""

    id: str
    title: str
    #: what a person who does not see it is told
    description: str
    svg: str
    table: str


def figures(found: Findings, unit: str, lines: Mapping[Arm, Line], asked: int) -> list[Figure]:
    """Those that there are numbers for.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report", "plots") from error
    mpl.use("svg")
    settings: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "kinj", "font.size": 9, "font.family": "sans-serif",
        "text.parse_math": False, "axes.edgecolor": _INK, "axes.labelcolor": _INK, "text.color": _INK,
        "xtick.color": _INK, "ytick.color": _INK, "grid.color": _GRID, "axes.spines.top": False,
        "axes.spines.right": False, "legend.frameon": False, "figure.figsize": (4.4, 3.0), "axes.grid": True,
        "grid.linewidth": 0.5,
    }  # fmt: skip
    drawn: list[Figure] = []
    with mpl.rc_context(settings):
        for model, task in dict.fromkeys((arm.model, arm.task) for arm in found.judged_arms):
            arms = [one for arm, one in found.judged_arms.items() if (arm.model, arm.task) == (model, task)]
            judged = [one for one in found.judged if (one.contrast.arm.model, one.contrast.arm.task) == (model, task)]
            place = f"{model}, {task}"
            number = len(drawn)
            drawn += list(_of_place(found, place, arms, judged, number))
            here = {arm: line for arm, line in lines.items() if (arm.model, arm.task) == (model, task)}
            if len(here) > 1:
                drawn.append(_costs(place, unit, here, asked, f"figure-{len(drawn)}"))
    return drawn


def _of_place(
    found: Findings, place: str, arms: Sequence[ArmScores], judged: Sequence[Judged], number: int
) -> Iterator[Figure]:
    shown = [one for one in judged if one.contrast.difference is not None]
    if shown:
        yield _forest(place, shown, f"figure-{number}-forest")
    by_k = [one for one in found.arms if one.role == "main" and one.k is not None and one.asked.any()]
    by_k = [one for one in by_k if f"{one.arm.model}, {one.arm.task}" == place]
    if len({one.k for one in by_k}) > 1:
        yield _by_k(place, by_k, f"figure-{number}-k")
    read = [one for one in arms if one.arm.reading != NONE and found_mask(one) is not None]
    if read:
        yield _found(place, read, f"figure-{number}-found")
    trained = [one for one in arms if one.cells[0].training.get("tokens")]
    if len({one.cells[0].training["tokens"] for one in trained}) > 1:
        yield _by_tokens(place, trained, f"figure-{number}-tokens")
    if len({paraphrases_of(one.cells[0].training) for one in arms} - {None}) > 1:
        yield _by_paraphrases(place, arms, f"figure-{number}-paraphrases")


def _draw(name: str, title: str, description: str, table: str, plot: Callable[[Any, Any], None], **size: Any) -> Figure:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(**size, layout="constrained")
    axes = canvas.add_subplot()
    plot(canvas, axes)
    sink = io.StringIO()
    canvas.savefig(
        sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    svg = sink.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    # Ids are the page's, not the figure's: each figure's own stay apart.
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = rf'<svg \1 {names} aria-hidden="true" focusable="false">'
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', head, svg, count=1)
    return Figure(name, title, description, svg.strip(), table)


def _forest(place: str, judged: Sequence[Judged], name: str) -> Figure:
    def plot(_: Any, axes: Any) -> None:
        rows = [one.contrast for one in judged]
        for y, one in enumerate(rows):
            difference = one.difference
            if difference is None:
                continue
            low, high = (100 * max(-1.0, min(1.0, end)) for end in difference.interval)
            axes.plot([low, high], [y, y], color=SERIES[0], linewidth=2)
            axes.plot([100 * difference.mean], [y], "o", color=SERIES[0], markersize=5)
        axes.axvline(0, color=_INK, linewidth=1)
        axes.set_yticks(range(len(rows)), [f"{one.arm.name}\nagainst {one.other.name}" for one in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("points")

    size = (4.4, 0.9 + 0.42 * len(judged))
    said = "; ".join(
        f"{one.contrast.arm.name} against {one.contrast.other.name}: {one.word or 'no verdict'}" for one in judged
    )
    return _draw(name, f"Differences and 95 % intervals: {place}", said, "contrasts", plot, figsize=size)


def _by_k(place: str, arms: Sequence[ArmScores], name: str) -> Figure:
    series: dict[tuple[str, str], list[ArmScores]] = defaultdict(list)
    for one in arms:
        series[one.arm.name, one.split].append(one)

    def plot(_: Any, axes: Any) -> None:
        names = list(dict.fromkeys(name for name, _ in series))
        for (arm, split), members in series.items():
            members = sorted(members, key=lambda one: one.k or 0)
            colour = SERIES[names.index(arm) % len(SERIES)]
            ks = [one.k for one in members]
            style = "--" if split == "dev" else "-"
            axes.plot(ks, [100 * one.accuracy for one in members], style, marker="o", markersize=4, color=colour,
                      label=f"{arm}, {split}" if split else arm)  # fmt: skip
            ends = np.array([one.interval() for one in members]) * 100
            axes.vlines(ks, ends[:, 0], ends[:, 1], color=colour, linewidth=1)
        axes.set_xticks(sorted({one.k for one in arms if one.k is not None}))
        axes.set_xlabel("passages a question, k")
        axes.set_ylabel("accuracy, %")
        axes.legend(fontsize=8)

    return _draw(name, f"Accuracy by k: {place}", f"Accuracy of {len(series)} arms and splits at each k", "k", plot)


def _found(place: str, arms: Sequence[ArmScores], name: str) -> Figure:
    labels = ("found, right", "found, wrong", "not found, right", "not found, wrong")

    def plot(_: Any, axes: Any) -> None:
        for y, one in enumerate(arms):
            mask, known, start = found_mask(one), known_chunks(one) & one.asked, 0
            right = one.right[:, 0] == 1
            for n, there in enumerate([m & r & known for m in (mask, ~mask) for r in (right, ~right)]):  # type: ignore[operator]  # arms have a mask
                count = int(there.sum())
                axes.barh(y, count, left=start, color=SERIES[n], label=labels[n] if y == 0 else None, height=0.6)
                start += count
        axes.set_yticks(range(len(arms)), [arm_label(one) for one in arms])
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_xlabel("questions with a known chunk")
        axes.legend(fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.4, 1.0))

    size = (4.4, 1.4 + 0.4 * len(arms))
    text = "Counts by whether the source chunk was sent, and by the answer"
    return _draw(name, f"Passage found, and answer right: {place}", text, "retrieval", plot, figsize=size)


def _by_tokens(place: str, arms: Sequence[ArmScores], name: str) -> Figure:
    points = [(_reads(one), float(one.cells[0].training["tokens"]), one) for one in arms]
    text = "Accuracy of trained arms by the tokens that they were trained on"
    return _by_training(name, f"Accuracy by training tokens: {place}", text, points, "tokens of training")


def _by_paraphrases(place: str, arms: Sequence[ArmScores], name: str) -> Figure:
    points = [
        (
            f"{'repeated' if one.cells[0].training['arm'] == 'repeat' else 'paraphrased'}, {_reads(one)}",
            float(count),
            one,
        )
        for one in arms
        if (count := paraphrases_of(one.cells[0].training)) is not None
    ]
    text = "Accuracy by paraphrases of each chunk, beside raw texts repeated for as many steps"
    title = f"Accuracy by paraphrases: {place}"
    return _by_training(name, title, text, points, "paraphrases of each chunk; repeated: as many steps")


def _reads(one: ArmScores) -> str:
    return "closed book" if one.arm.reading == NONE else one.arm.reading


def _by_training(
    name: str, title: str, text: str, points: Sequence[tuple[str, float, ArmScores]], x_label: str
) -> Figure:
    """Accuracy over a number of the trainings, a line a series: (series, number, arm)."""

    def plot(_: Any, axes: Any) -> None:
        for n, series in enumerate(dict.fromkeys(series for series, _, _ in points)):
            members = sorted(((x, one) for of, x, one in points if of == series), key=lambda pair: pair[0])
            xs, colour = [x for x, _ in members], SERIES[n % len(SERIES)]
            axes.plot(xs, [100 * one.accuracy for _, one in members], "o-", color=colour, markersize=4, label=series)
            ends = np.array([one.interval() for _, one in members]) * 100
            axes.vlines(xs, ends[:, 0], ends[:, 1], color=colour, linewidth=1)
        axes.xaxis.set_major_formatter(lambda value, _: amount(value))
        axes.set_xlabel(x_label)
        axes.set_ylabel("accuracy, %")
        axes.legend(fontsize=8)

    return _draw(name, title, text, "trainings", plot)


def _costs(place: str, unit: str, lines: Mapping[Arm, Line], asked: int, name: str) -> Figure:
    def plot(_: Any, axes: Any) -> None:
        x = np.geomspace(1, max(1e6, 100 * asked), 60)
        for n, (arm, line) in enumerate(lines.items()):
            axes.plot(x, [line.at(value) for value in x], color=SERIES[n % len(SERIES)], linewidth=1.6, label=arm.name)
        for crossing in break_evens(lines):
            low, high = max(1.0, crossing.near[0]), min(float(x[-1]), crossing.near[1])
            if low < high:
                axes.axvspan(low, high, color=_GRID, alpha=0.6, linewidth=0)
        axes.axvline(asked, color=_INK, linewidth=1, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log", nonpositive="clip")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: amount(value))
        axes.set_xlabel("questions asked (dotted: as planned for)")
        axes.set_ylabel(unit)
        axes.legend(fontsize=8)

    text = "Cost of each arm over the number of questions; in the grey region neither training nor retrieval is ahead"
    return _draw(name, f"Cost over questions asked: {place}", text, "cost", plot)
