"""`python -m kinj_models.evaluate UNIT.json`: all cells of one model, which is loaded once.

Each cell goes through lm-eval's own command line and `simple_evaluate`, as the single command in its manifest would;
only the loaded model, and passages that were retrieved before, are shared. docs/cells.md has the files.
"""

from __future__ import annotations

import gc
import json
import logging
import platform
import resource
import shlex
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from lm_eval import simple_evaluate
from lm_eval._cli.harness import HarnessCLI
from lm_eval.config.evaluate_config import EvaluatorConfig
from lm_eval.loggers import EvaluationTracker
from lm_eval.utils import setup_logging

from kinj import claims
from kinj.checkpoint import fingerprint, finished_model
from kinj.errors import UserError, show_user_errors_plainly
from kinj.jsonl import read_objects
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, sha256_file, sha256_json, write_manifest, write_whole
from kinj.report import short_arguments
from kinj_models.asking.general_text import is_measured, write_loss
from kinj_models.asking.reversed import ReversedQuestions
from kinj_models.asking.samples import check_rows, only_file, shorten
from kinj_models.rag import RagLM
from kinj_models.rankings import KeptRanking, read_rankings
from kinj_models.settings import Json
from kinj_models.tasks import Tasks

log = logging.getLogger("lm_eval.kinj")

_LIBRARIES = ("kinj", "lm_eval", "torch", "transformers")
_TRACE = "trace.jsonl"
#: Of a unit that ran out of memory: the size of its batches, and that which was planned.
HALVED = "batch_size.json"
#: Of a unit where the plan names a text: the loss on it.
GENERAL_TEXT = "general_text.json"
Asked = TypeVar("Asked", bound=RagLM)


def main(file: Path) -> None:
    """Asks every cell of the unit that is not complete yet.

    Where memory runs out, all of the unit is asked anew in batches of half the size, as its cells are compared.

    Raises:
        UserError: an unfinished training, a setting that is not allowed, samples that are not whole, or no memory for
            one request.
    """
    unit = json.loads(file.read_text(encoding="utf-8"))
    trained = trained_model(unit["checkpoint"])
    if trained is None:
        refuse_changed_weights(unit)
    halved = file.with_name(HALVED)
    while not _ask_all(unit, file.parent, trained, size := _batch_size(halved, unit)):
        if size in (1, "auto"):
            raise UserError(
                f"out of memory in batches of {size}: take a smaller model, shorter prompts or more devices"
            )
        log.warning(
            "out of memory in batches of %s: all cells of this unit are asked in batches of half the size", size
        )
        write_whole(halved, json.dumps({"batch_size": int(size) // 2, "planned": unit["batch_size"]}) + "\n")
        free_memory()


def _batch_size(halved: Path, unit: Json) -> int | str:
    """The unit's own where memory ran out before, else the plan's."""
    told = json.loads(halved.read_text(encoding="utf-8")) if halved.is_file() else unit
    size: int | str = told["batch_size"]
    return size


def _ask_all(unit: Json, folder: Path, trained: Path | None, size: int | str) -> bool:
    """Whether all of it is complete in batches of this size now; False: memory ran out."""
    evaluator, cells = Evaluator(trained, size), unit["cells"]
    try:
        for number, planned in enumerate(cells, 1):
            if not _is_complete(planned, size):
                if claims.is_asked_to_stop():
                    log.info("stopped before cell %d of %d, as it was asked to", number, len(cells))
                    raise SystemExit(claims.STOPPED)
                log.info("cell %d of %d: %s", number, len(cells), planned["cell"]["id"])
                evaluator.ask(planned)
        text = unit["general_text"]
        if text is not None and not is_measured(folder / GENERAL_TEXT, Path(text)):
            claims.refuse_lost()
            write_loss(evaluator.closed_book(cells[0]), Path(text), folder / GENERAL_TEXT)
    except RuntimeError as error:
        from kinj_models.prefix_sharing import is_out_of_memory  # torch, which a server's model does not need

        if isinstance(error, NotImplementedError) or not is_out_of_memory(error):
            raise
        return False
    return True


def _is_complete(planned: Json, size: int | str) -> bool:
    manifest = Path(planned["folder"], MANIFEST)
    return manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8"))["batch_size"] == size


def trained_model(checkpoint: str | None) -> Path | None:
    """The folder of the finished model in what `kinj train` wrote; None where nothing was trained.

    Raises:
        UserError: the training, or the search, is not finished.
    """
    if checkpoint is None:
        return None
    folder = finished_model(Path(checkpoint))
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
        batch_size: how many requests are computed together, or `auto`, where an engine decides.
    """

    def __init__(self, trained: Path | None, batch_size: int | str) -> None:
        self._trained = trained
        self._batch_size = batch_size
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
            ClaimLostError: somebody else has taken the unit over.
        """
        folder, cell = Path(planned["folder"]), planned["cell"]
        # Of this claim alone: who is taken over must not find, and publish, what another has half written.
        scratch = folder.with_name(".".join([folder.name, *filter(None, [claims.token()]), "part"]))
        claims.refuse_lost()
        shutil.rmtree(scratch, ignore_errors=True)
        if folder.is_dir():  # unfinished, or asked in larger batches
            shutil.rmtree(folder.rename(scratch))  # half of a folder must not pass for the whole
        scratch.mkdir(parents=True)
        words = self._words(planned)
        started = time.monotonic()
        results, rows = self._evaluate(words, scratch, planned)
        manifest = {
            "made_by": "kinj compare",
            "cell": cell,
            "batch_size": self._batch_size,
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
        write_manifest(scratch, manifest)
        claims.refuse_lost()
        scratch.rename(folder)

    def _words(self, planned: Json) -> list[str]:
        """The single command that gives the cell, as it can be typed in any folder."""
        name = planned["cell"]["id"]
        arguments = {**planned["model_args"], "trace": f"{name}.{_TRACE}"}
        if self._trained is not None:
            arguments["pretrained"] = str(self._trained)
        model = ["run", "--model", "kinj_rag", "--model_args", json.dumps(arguments, ensure_ascii=False)]
        batch_size = ["--batch_size", str(self._batch_size)]
        return [*model, *planned["words"], *batch_size, "--log_samples", "--output_path", name]

    def measure(self, planned: Json, kind: type[Asked]) -> Asked:
        """The cell's model, of this kind, after it was sent the cell's requests; nothing is written."""
        config = _read_words(self._words(planned))
        model = self._model(config, None, planned, kind)
        self._simple_evaluate(config, model, planned, None)
        return model

    def closed_book(self, planned: Json) -> RagLM:
        """The model as it is asked without passages, after it has loaded."""
        config = _read_words(self._words({**planned, "model_args": {**planned["model_args"], "retriever": "none"}}))
        return self._model(config, None, {"passages": None}, RagLM)

    def _evaluate(self, words: list[str], scratch: Path, planned: Json) -> tuple[Json, list[Json]]:
        """lm-eval's results, and the rows of samples, both as they stand in the scratch folder's files."""
        config = _read_words(words)
        model = self._model(config, scratch / _TRACE, planned, ReversedQuestions if planned["reversed"] else RagLM)
        tracker = EvaluationTracker(output_path=str(scratch / "results.json"))
        task = planned["cell"]["task"]
        results = self._simple_evaluate(config, model, planned, tracker)
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
        file = only_file(scratch, f"samples_{task}_*.jsonl")
        shorten(file, short)
        written = json.loads(only_file(scratch, "results_*.json").read_text(encoding="utf-8"))
        return written, [row for _, row in read_objects(file)]

    def _simple_evaluate(
        self, config: Any, model: RagLM, planned: Json, tracker: EvaluationTracker | None
    ) -> Json:  # Any: as `_read_words`
        task = planned["cell"]["task"]
        results: Json = simple_evaluate(
            model=model,
            model_args=config.model_args,
            tasks=[task],
            num_fewshot=config.num_fewshot,
            batch_size=config.batch_size,
            max_batch_size=config.max_batch_size,
            device=config.device,
            limit=config.limit,
            log_samples=tracker is not None,
            evaluation_tracker=tracker,
            system_instruction=config.system_instruction,
            apply_chat_template=config.apply_chat_template,
            fewshot_as_multiturn=config.fewshot_as_multiturn,
            gen_kwargs=config.gen_kwargs,
            task_manager=self._tasks.manager_of(task, config.metadata),
            random_seed=config.seed[0],
            numpy_random_seed=config.seed[1],
            torch_random_seed=config.seed[2],
            fewshot_random_seed=config.seed[3],
            metadata=config.metadata,
        )
        return results

    def _model(self, config: EvaluatorConfig, trace: Path | None, planned: Json, kind: type[Asked]) -> Asked:
        """The adapter of a cell, over the model that the first cell's has loaded."""
        arguments = {**config.model_args, "trace": None if trace is None else str(trace)}
        loading = {"batch_size": config.batch_size, "max_batch_size": config.max_batch_size, "device": config.device}
        model: Asked = kind.create_from_arg_obj(arguments, loading)
        if self._first is None:
            self._first = model
        else:
            model.share_base(self._first)
        if (passages := planned["passages"]) is not None:
            if passages not in self._rankings:
                self._rankings[passages] = read_rankings(Path(passages))
            model.use_retrievers(self._rankings[passages])
        return model


def free_memory() -> None:
    """Gives back what the last model held, on a GPU too."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _read_words(words: list[str]) -> Any:  # Any: lm-eval's configuration of a run
    """What lm-eval itself makes of a command's words."""
    kept, sys.argv = sys.argv, ["lm_eval", *words]
    try:
        return EvaluatorConfig.from_cli(HarnessCLI().parse_args())
    finally:
        sys.argv = kept


if __name__ == "__main__":
    setup_logging()
    show_user_errors_plainly()
    main(Path(sys.argv[1]))
