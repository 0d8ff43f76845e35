"""How often is a verdict false? 2,000 worlds a row, in each the arms' true differences known.

    python benchmarks/verdicts.py --output FILE.jsonl      # rows as they are done; the same command goes on
    python benchmarks/verdicts.py --table FILE.jsonl       # the rows as Markdown

A world draws questions in clusters, four arms (base, RAG, FT, FT+RAG) and one to five trainings by a latent normal
model, and goes through what a report does: `kinj.statistics.paired_difference` for each of the five default contrasts,
Holm's correction, the words, the recommendation. False is a `better` or `worse` in whose direction the truth is not, a
`the same` where the truth lies outside the margin, and a recommended arm that costs more than one truly as good.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np
from scipy import stats

from kinj.records import CONTRASTS
from kinj.report.verdict import Arm, Contrast, contrasts_of, judge, recommend
from kinj.statistics import Prior, paired_difference

WORLDS, MARGIN = 2000, 0.03
#: Latent standard deviations: of clusters, of what an arm does to a cluster, of a training to a cluster, of answers.
CLUSTER, ARM, TRAINING_BY_CLUSTER, ANSWER = 0.7, 0.4, 0.25, 0.4
#: Points between trainings of one recipe for 1.0 of latent spread, at an accuracy of one half.
POINTS = 30.5
SIZES = ((67, 3), (392, 2))
#: What fine-tuning, reading, and both add on the latent scale; 1.5 is 38 points, 0.05 is 1.5 points.
EFFECTS = {
    "nothing differs": (0.0, 0.0, 0.0),
    "both help, together no more than reading": (0.6, 1.5, 1.5),
    "a little more together": (0.05, 1.5, 1.55),
}
SPREADS = (0.0, 1.5, 3.7, 7.6)
ARMS = {arm.side: arm for arm in (Arm("m", "t", i, r) for i in ("none", "ft") for r in ("none", "rag"))}
COSTS = {ARMS["base"]: 1.0, ARMS["RAG"]: 3.0, ARMS["FT"]: 2.0, ARMS["FT+RAG"]: 4.0}


def world(draw: np.random.Generator, clusters: int, size: int, trainings: int, effect: tuple, spread: float) -> dict:
    """Right or wrong of each arm, (questions, trainings)."""
    ft, rag, both = effect
    normal = draw.standard_normal
    question = CLUSTER * normal((clusters, 1)) + normal((clusters, size))
    arm = ARM * normal((clusters, 1))
    seeds = spread / POINTS * normal(trainings) + TRAINING_BY_CLUSTER * normal((clusters, 1, trainings))

    def plain(gain: float) -> np.ndarray:
        return ((question + gain + ANSWER * normal((clusters, size))) > 0).reshape(-1, 1)

    def trained(gain: float) -> np.ndarray:
        latent = (question + gain + arm)[..., None] + seeds + ANSWER * normal((clusters, size, trainings))
        return (latent > 0).reshape(-1, trainings)

    answers = {"base": plain(0), "RAG": plain(rag), "FT": trained(ft), "FT+RAG": trained(both)}
    return {ARMS[side]: right.astype(float) for side, right in answers.items()}


def truth(effect: tuple, spread: float) -> dict:
    """The accuracy of each arm, over all trainings and questions."""
    ft, rag, both = effect
    plain = np.sqrt(CLUSTER**2 + 1 + ANSWER**2)
    trained = np.sqrt(plain**2 + ARM**2 + TRAINING_BY_CLUSTER**2 + (spread / POINTS) ** 2)
    latent = {"base": 0.0, "RAG": rag / plain, "FT": ft / trained, "FT+RAG": both / trained}
    return {ARMS[side]: float(stats.norm.cdf(value)) for side, value in latent.items()}


def row(clusters: int, size: int, trainings: int, effect: str, spread: float, worlds: int) -> dict:
    """Rates over so many worlds, in percent."""
    draw = np.random.default_rng([clusters, trainings, round(spread * 10), list(EFFECTS).index(effect)])
    accuracy = truth(EFFECTS[effect], spread)
    labels = np.repeat(np.arange(clusters), size)
    false, same, wrong, held, called = [], [], [], [], []
    for _ in range(worlds):
        answers = world(draw, clusters, size, trainings, EFFECTS[effect], spread)
        contrasts = []
        for name, arm, other in contrasts_of(list(ARMS.values()), CONTRASTS):
            prior = None if name == "RAG - base" else Prior()
            difference = paired_difference(answers[arm], answers[other], labels, prior=prior)
            contrasts.append(Contrast(name, arm, other, difference))
        judged = judge(contrasts, MARGIN, {})
        gains = {one.contrast.declared: accuracy[one.contrast.arm] - accuracy[one.contrast.other] for one in judged}
        # A difference below a millionth of a point, of rounding, is none.
        signs = {name: 0 if abs(gain) < 1e-8 else np.sign(gain) for name, gain in gains.items()}
        words = {one.contrast.declared: one.word for one in judged}
        claims = {"better": 1, "worse": -1}
        false.append(any(word in claims and claims[word] != signs[name] for name, word in words.items()))
        same.append(any(word == "the same" and abs(gains[name]) >= MARGIN for name, word in words.items()))
        chosen = recommend(COSTS, judged)
        wrong.append(any(COSTS[arm] < COSTS[chosen] and accuracy[arm] >= accuracy[chosen] - 1e-8 for arm in COSTS))
        low, high = contrasts[1].difference.interval
        held.append(low <= gains["FT - base"] <= high)
        called.append([word in claims for word in words.values()])
    rates = {"false_word": false, "false_same": same, "wrong_arm": wrong, "coverage": held}
    percent = {name: 100 * float(np.mean(values)) for name, values in rates.items()}
    percent["called"] = dict(zip(CONTRASTS, (100 * np.mean(called, axis=0)).tolist(), strict=True))
    return percent


def settings() -> Iterator[dict]:
    """Rows, those that ask most first."""
    for effect in EFFECTS:
        for clusters, size in reversed(SIZES):
            for trainings in range(1, 6):
                for spread in SPREADS:
                    yield {
                        "clusters": clusters,
                        "size": size,
                        "trainings": trainings,
                        "effect": effect,
                        "spread": spread,
                    }


def error(percent: float, worlds: int) -> float:
    """Half of a rate's 95 % interval, in points."""
    return 1.96 * (percent * (100 - percent) / worlds) ** 0.5


def run(output: Path, worlds: int) -> None:
    """Does the rows that the file does not hold yet."""
    done = [json.loads(line)["setting"] for line in output.read_text().splitlines()] if output.is_file() else []
    for setting in settings():
        if setting not in done:
            rates = row(**setting, worlds=worlds)
            with output.open("a") as sink:
                sink.write(json.dumps({"setting": setting, "worlds": worlds, **rates}) + "\n")
            print(setting, rates, flush=True)


def table(output: Path) -> None:
    """Prints the rows."""
    print("| truth | clusters | trainings | spread | false better/worse | false same | wrong arm | FT - base covered | "
          "called: RAG - base, FT - base, FT - RAG, both - RAG, both - FT |")  # fmt: skip
    print("| --- " + "| ---: " * 8 + "|")
    for line in output.read_text().splitlines():
        one = json.loads(line)
        setting, worlds = one["setting"], one["worlds"]
        rates = [f"{one[name]:.1f} ± {error(one[name], worlds):.1f}" for name in
                 ("false_word", "false_same", "wrong_arm", "coverage")]  # fmt: skip
        called = ", ".join(f"{one['called'][name]:.0f}" for name in CONTRASTS)
        print(f"| {setting['effect']} | {setting['clusters']} of {setting['size']} | {setting['trainings']} | "
              f"{setting['spread']} | " + " | ".join(rates) + f" | {called} |")  # fmt: skip


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="file of rows, which is gone on with")
    parser.add_argument("--table", type=Path, help="print the rows of this file")
    parser.add_argument("--worlds", type=int, default=WORLDS, help=f"a row (default {WORLDS})")
    given = parser.parse_args()
    if given.table:
        table(given.table)
    elif given.output:
        run(given.output, given.worlds)
    else:
        parser.error("give --output or --table")


if __name__ == "__main__":
    main()
