"""`python -m kinj_models.evaluate UNIT.json`: all cells of one model, which is loaded once.

Each cell goes through lm-eval's own command line and `simple_evaluate`, as the single command in its manifest would;
only the loaded model, and passages that were retrieved before, are shared. docs/cells.md has the files.
"""

from __future__ import annotations

import json
import logging
import platform
import resource
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval._cli.harness import HarnessCLI
from lm_eval.config.evaluate_config import EvaluatorConfig
from lm_eval.loggers import EvaluationTracker
from lm_eval.utils import handle_non_serializable, setup_logging

from kinj.checkpoint import fingerprint
from kinj.errors import UserError, show_user_errors_plainly
from kinj.jsonl import read_objects
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, replacing, sha256_file, sha256_json, write_manifest
from kinj.report import short_arguments
from kinj_models.rag import RagLM
from kinj_models.rankings import KeptRanking, read_rankings
from kinj_models.reversed import ReversedQuestions
from kinj_models.settings import Json
from kinj_models.tasks import Tasks

log = logging.getLogger("lm_eval.kinj")

_LIBRARIES = ("kinj", "lm_eval", "torch", "transformers")
_TRACE = "trace.jsonl"


def main(file: Path) -> None:
    """Asks every cell of the unit that is not complete yet.

    Raises:
        UserError: an unfinished training, a setting that is not allowed, or samples that are not whole.
    """
    unit = json.loads(file.read_text(encoding="utf-8"))
    trained = trained_model(unit["checkpoint"])
    if trained is None:
        refuse_changed_weights(unit)
    evaluator = Evaluator(trained)
    for number, planned in enumerate(unit["cells"], 1):
        if not Path(planned["folder"], MANIFEST).is_file():
            log.info("cell %d of %d: %s", number, len(unit["cells"]), planned["cell"]["id"])
            evaluator.ask(planned)


def trained_model(checkpoint: str | None) -> Path | None:
    """The folder of the finished model in what `kinj train` wrote; None where nothing was trained.

    Raises:
        UserError: the training, or the search, is not finished.
    """
    if checkpoint is None:
        return None
    search = Path(checkpoint, "search.json")
    folder = Path(checkpoint)
    if search.is_file():
        folder = Path(json.loads(search.read_text(encoding="utf-8"))["chosen"]["folder"])
    read_manifest(folder, "its training has to end first: type the same `kinj compare` again")
    return folder


def refuse_changed_weights(unit: Json) -> None:
    """Returns where a model's folder holds the weights that its cells' ids stand for.

    Raises:
        UserError: others lie there by now.
    """
    planned = unit["weights"].get("fingerprint")
    for folder in {cell["model_args"].get("pretrained") for cell in unit["cells"]} if planned else ():
        if fingerprint(Path(folder)) != planned:
            raise UserError(f"{folder} has changed since this was planned: type the same `kinj compare` again")


class Evaluator:
    """Asks cells of one model.

    Args:
        trained: the folder of its weights; None: the cells name them.
    """

    def __init__(self, trained: Path | None) -> None:
        self._trained = trained
        self._tasks = Tasks()
        #: has the model loaded, for those after it
        self._first: RagLM | None = None
        self._rankings: dict[str, dict[str, KeptRanking]] = {}

    def ask(self, planned: Json) -> None:
        """Writes the cell's folder, which is complete or not there.

        Args:
            planned: one of `cells` in a unit.json.

        Raises:
            UserError: a setting that is not allowed, or samples that are not whole.
        """
        folder, cell = Path(planned["folder"]), planned["cell"]
        scratch = folder.with_name(folder.name + ".part")
        for left in (folder, scratch):
            shutil.rmtree(left, ignore_errors=True)
        scratch.mkdir(parents=True)
        words = self._words(planned)
        started = time.monotonic()
        results, rows = self._evaluate(words, scratch, planned)
        manifest = {
            "made_by": "kinj compare",
            "cell": cell,
            "command": shlex.join(["lm_eval", *words]),
            "rows": check_rows(results, rows, cell["task"]),
            "responses_sha256": sha256_json(sorted([row["doc_hash"], row["filter"], row["resps"]] for row in rows)),
            "questions_sha256": sha256_json(sorted({f"{row['doc_hash']} {row['target_hash']}" for row in rows})),
            "seconds": round(time.monotonic() - started, 3),
            "tokens": results["config"]["kinj"].get("tokens", {}).get("computed"),
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "device": str(getattr(self._first, "device", "")),
            "files": {path.name: path.stat().st_size for path in sorted(scratch.iterdir())},
            "sha256": {path.name: sha256_file(path) for path in sorted(scratch.iterdir())},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        }
        scratch.rename(folder)
        write_manifest(folder, manifest)

    def _words(self, planned: Json) -> list[str]:
        """The single command that gives the cell, as it can be typed in any folder."""
        name = planned["cell"]["id"]
        arguments = {**planned["model_args"], "trace": f"{name}.{_TRACE}"}
        if self._trained is not None:
            arguments["pretrained"] = str(self._trained)
        model = ["run", "--model", "kinj_rag", "--model_args", json.dumps(arguments, ensure_ascii=False)]
        return [*model, *planned["words"], "--log_samples", "--output_path", name]

    def _evaluate(self, words: list[str], scratch: Path, planned: Json) -> tuple[Json, list[Json]]:
        """lm-eval's results, and the rows of samples, both as they stand in the scratch folder's files."""
        config = _read_words(words)
        model = self._model(config, scratch, planned)
        tracker = EvaluationTracker(output_path=str(scratch / "results.json"))
        task = planned["cell"]["task"]
        manager = self._tasks.manager_of(task, config.metadata)
        results = simple_evaluate(
            model=model,
            model_args=config.model_args,
            tasks=[task],
            num_fewshot=config.num_fewshot,
            batch_size=config.batch_size,
            max_batch_size=config.max_batch_size,
            device=config.device,
            limit=config.limit,
            log_samples=True,
            evaluation_tracker=tracker,
            system_instruction=config.system_instruction,
            apply_chat_template=config.apply_chat_template,
            fewshot_as_multiturn=config.fewshot_as_multiturn,
            gen_kwargs=config.gen_kwargs,
            task_manager=manager,
            random_seed=config.seed[0],
            numpy_random_seed=config.seed[1],
            torch_random_seed=config.seed[2],
            fewshot_random_seed=config.seed[3],
            metadata=config.metadata,
        )
        samples = results.pop("samples")
        results["config"]["model"] = config.model  # simple_evaluate saw an object and made a name of its class
        template = model.chat_template(config.apply_chat_template) if config.apply_chat_template else None
        tracker.general_config_tracker.log_experiment_args(
            model_source=config.model,
            model_args=config.model_args,
            system_instruction=config.system_instruction,
            chat_template=template,
            fewshot_as_multiturn=config.fewshot_as_multiturn,
        )
        short = [short_arguments(row["arguments"]) for row in samples[task]]
        tracker.save_results_aggregated(results=results, samples=samples)
        tracker.save_results_samples(task_name=task, samples=samples[task])
        file = _only(scratch, f"samples_{task}_*.jsonl")
        _shorten(file, short)
        written = json.loads(_only(scratch, "results_*.json").read_text(encoding="utf-8"))
        return written, [row for _, row in read_objects(file)]

    def _model(self, config: EvaluatorConfig, scratch: Path, planned: Json) -> RagLM:
        """The adapter of a cell, over the model that the first cell's has loaded."""
        arguments = {**config.model_args, "trace": str(scratch / _TRACE)}
        loading = {"batch_size": config.batch_size, "max_batch_size": config.max_batch_size, "device": config.device}
        kind = ReversedQuestions if planned["reversed"] else RagLM
        model: RagLM = kind.create_from_arg_obj(arguments, loading)
        if self._first is None:
            self._first = model
        else:
            model.share_base(self._first)
        if (passages := planned["passages"]) is not None:
            if passages not in self._rankings:
                self._rankings[passages] = read_rankings(Path(passages))
            model.use_retrievers(self._rankings[passages])
        return model


def check_rows(results: Json, rows: list[Json], task: str) -> Json:
    """The numbers of questions, filters and rows, of which the third is the product of the others.

    Raises:
        UserError: it is not: lm-eval only warns when it cannot write.
    """
    questions = int(results["n-samples"][task]["effective"])
    filters = len({row["filter"] for row in rows})
    distinct = len({(row["filter"], row["doc_id"]) for row in rows})
    if not rows or not len(rows) == distinct == questions * filters:
        raise UserError(
            f"task {task}: {len(rows)} rows of samples for {questions} questions and {filters} filters: they were not "
            "written whole; is the disk full?"
        )
    return {"questions": questions, "filters": filters, "rows": len(rows)}


def _read_words(words: list[str]) -> Any:  # Any: lm-eval's configuration of a run
    """What lm-eval itself makes of a command's words."""
    kept, sys.argv = sys.argv, ["lm_eval", *words]
    try:
        return EvaluatorConfig.from_cli(HarnessCLI().parse_args())
    finally:
        sys.argv = kept


def _only(folder: Path, pattern: str) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise UserError(f"{folder}: lm-eval wrote {len(files)} files {pattern}: what it said stands above")
    return files[0]


def _shorten(file: Path, arguments: Iterable[Json]) -> None:
    """Puts the short arguments in the place of each row's."""
    with replacing(file) as part, part.open("w", encoding="utf-8", newline="\n") as sink:
        sink.writelines(_rows(file, arguments))


def _rows(file: Path, arguments: Iterable[Json]) -> Iterator[str]:
    for (_, row), short in zip(read_objects(file), arguments, strict=True):
        row["arguments"] = short
        yield json.dumps(row, default=handle_non_serializable, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    setup_logging()
    show_user_errors_plainly()
    main(Path(sys.argv[1]))
