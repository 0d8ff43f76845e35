"""Where we lean on what lm-eval, transformers, TRL and others do not promise: each seam, with a test of the library.

A test here fails when a library moves, and says which part of ours to look at; what our code makes of it is tested
elsewhere. A private name that stands in no row of the table fails too.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import textwrap
import tomllib
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SOURCES = ("kinj", "kinj_tasks", "kinj_models", "training/kinj_training")
MODULES = ("kinj_lm_eval_hook.py", "kinj_lm_eval_plugin.py")


@dataclass(frozen=True)
class Seam:
    """Something of a library that we use without its promise."""

    #: what the library does
    fact: str
    #: what of ours breaks without it
    ours: str
    #: files or folders of ours, and a piece of code there that leans on the fact
    place: str
    code: str


#: test -> its seam
SEAMS: dict[str, Seam] = {}
#: Private to a library by their name only: `NamedTuple` documents it.
HARMLESS = {"_replace"}


def seam(fact: str, *, ours: str, place: str, code: str):
    """Enters a test into the table."""

    def enter(test):
        SEAMS[test.__name__] = Seam(fact, ours, place, code)
        return test

    return enter


def sources(places: str) -> str:
    paths = [ROOT / place for place in places.split()]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]
    return "\n".join(file.read_text() for file in files)


# ---- lm-eval: how it comes to know us


@seam(
    "the modules lm_eval.models and lm_eval.tasks.manager exist under these names; neither reads entry points",
    ours="the hook that registers the model and the tasks; where lm-eval reads entry points it can go",
    place="kinj_lm_eval_hook.py",
    code='"lm_eval.models", "lm_eval.tasks.manager"',
)
def test_lm_eval_finds_no_plugins_by_itself():
    import lm_eval.models
    import lm_eval.tasks.manager
    from lm_eval.api import registry

    for module in (lm_eval.models, lm_eval.tasks.manager, registry):
        assert "entry_points(" not in inspect.getsource(module)


@seam(
    "a registry takes a name with a target that is imported when it is asked for, and tells with `in` what it has",
    ours="kinj_rag is registered without importing torch",
    place="kinj_lm_eval_plugin.py",
    code='model_registry.register("kinj_rag", target=',
)
def test_a_model_can_be_registered_by_the_name_of_its_class():
    from lm_eval.api import registry

    assert "hf" in registry.model_registry
    own = type(registry.model_registry)("seam")
    own.register("late", target="collections:OrderedDict")
    assert "late" in own
    assert own.get("late").__name__ == "OrderedDict"


@seam(
    "TaskManager takes include_defaults and include_path, a path or a list of which later ones win, and keeps it",
    ours="its __init__ is wrapped to put our folder between the built-ins and the user's",
    place="kinj_lm_eval_plugin.py",
    code="manager.TaskManager.__init__ = init",
)
def test_later_folders_of_tasks_override_earlier_ones(tmp_path):
    from lm_eval.tasks import TaskManager

    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        text = f"task: seam\ndataset_path: {name}\noutput_type: multiple_choice\n"
        (tmp_path / name / "seam.yaml").write_text(text)
    folders = [str(tmp_path / "ours"), str(tmp_path / "theirs")]
    manager = TaskManager(include_path=folders, include_defaults=False)
    assert manager.task_index["seam"].yaml_path == tmp_path / "theirs" / "seam.yaml"
    assert manager.include_path == folders


@seam(
    "a TaskManager gives its metadata to tasks by its _factory alone, made of TaskFactory(meta=…)",
    ours="one reading of lm-eval's 14,000 task files serves many cells, each with metadata of its own",
    place="kinj_models/tasks.py",
    code="manager._factory = type(known._factory)(meta=metadata)",
)
def test_a_task_manager_hands_its_metadata_on_by_its_factory(tmp_path):
    from lm_eval.tasks import TaskManager

    function = "custom_dataset: !function kinj_tasks.benchmark.load"
    lines = ["task: seam", function, "output_type: multiple_choice", "test_split: test", "fewshot_split: fewshot"]
    lines += ['doc_to_text: "{{question}}"', 'doc_to_choice: "{{choices}}"', "doc_to_target: answer"]
    (tmp_path / "seam.yaml").write_text("\n".join(lines))
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False, metadata={"split": "test"})
    manager._factory = type(manager._factory)(meta={"benchmark": "current_events", "split": "dev"})
    [task] = manager.load(["seam"])["tasks"].values()
    assert task.config.metadata["split"] == task.eval_docs[0]["split"] == "dev"


@seam(
    "HarnessCLI().parse_args() reads sys.argv, and EvaluatorConfig.from_cli makes of it what simple_evaluate is given",
    ours="a cell's command means in one process of many cells what it means when it is typed",
    place="kinj_models/evaluate.py",
    code="EvaluatorConfig.from_cli(HarnessCLI().parse_args())",
)
def test_a_commands_words_become_a_configuration(monkeypatch):
    from lm_eval._cli.harness import HarnessCLI
    from lm_eval.config.evaluate_config import EvaluatorConfig

    words = ["run", "--model", "kinj_rag", "--model_args", '{"retriever": "none", "k": 3}', "--tasks", "t"]
    words += ["--num_fewshot", "0", "--fewshot_as_multiturn", "false", "--metadata", '{"split": "dev"}']
    monkeypatch.setattr("sys.argv", ["lm_eval", *words])
    config = EvaluatorConfig.from_cli(HarnessCLI().parse_args())
    assert (config.model, config.num_fewshot, config.fewshot_as_multiturn) == ("kinj_rag", 0, False)
    assert config.model_args == {"retriever": "none", "k": 3}
    assert config.metadata == {**config.model_args, "split": "dev"}
    assert config.seed == [0, 1234, 1234, 1234]


@seam(
    "EvaluationTracker writes beside a path that ends with .json: results_DATE.json, samples_TASK_DATE.jsonl",
    ours="a cell's folder holds lm-eval's own files without a folder of the model's name",
    place="kinj_models/evaluate.py",
    code='EvaluationTracker(output_path=str(scratch / "results.json"))',
)
def test_a_tracker_writes_beside_a_file_of_json(tmp_path):
    from lm_eval.loggers import EvaluationTracker

    tracker = EvaluationTracker(output_path=str(tmp_path / "results.json"))
    sample = {"doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "target": 1, "arguments": [("a", "b")]}
    sample |= {"resps": [[1.0]], "filtered_resps": [1.0]}
    tracker.save_results_aggregated(results={}, samples={"t": [sample]})
    tracker.save_results_samples(task_name="t", samples=[sample])
    [results], [samples] = tmp_path.glob("results_*.json"), tmp_path.glob("samples_t_*.jsonl")
    assert results.stem.removeprefix("results_") == samples.stem.removeprefix("samples_t_")


# ---- lm-eval: what it asks of a model, and tells it


@pytest.fixture(scope="module")
def hf(tiny_model):
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(tiny_model), device="cpu", dtype="float32", batch_size=1)


@seam(
    "these are all the public names that LM defines on the class",
    ours="RagLM forwards each by name, since __getattr__ never sees what the class defines; a new one needs a decision",
    place="kinj_models",
    code="def __getattr__(self, name: str)",
)
def test_a_models_class_defines_no_name_that_is_not_forwarded():
    from lm_eval.api.model import LM

    assert {name for name in vars(LM) if not name.startswith("_")} == {
        "all_gather", "apply_chat_template", "barrier", "chat_template", "create_from_arg_obj",
        "create_from_arg_string", "device", "gather_object", "generate_until", "loglikelihood",
        "loglikelihood_rolling", "rank", "set_cache_hook", "tokenizer_name", "world_size",
    }  # fmt: skip


@seam(
    "an Instance holds the whole row in `doc`, task and number in `metadata`, and can be copied with other arguments",
    ours="queries are read from the row; passages go into a copy, since repeats hold the very same Instance",
    place="kinj_models",
    code="arguments=(place_block(request.args[0]",
)
def test_a_copy_of_a_request_keeps_its_row_task_and_number():
    from lm_eval.api.instance import Instance

    row = {"question": "Why?"}
    first = Instance("loglikelihood", row, ("prompt", " a"), 0, metadata=("task", 3, 1))
    second = replace(first, arguments=("passage prompt", " a"))
    assert (second.doc, second.task_name, second.doc_id, second.request_type) == (row, "task", 3, "loglikelihood")
    assert (first.args, second.args) == (("prompt", " a"), ("passage prompt", " a"))


@seam(
    "loglikelihood hands ((context, continuation), tokens, tokens) to self._loglikelihood_tokens, also of a copy's own",
    ours="prefix sharing puts a method of its own on a copy of the base",
    place="kinj_models",
    code="copied._loglikelihood_tokens = ",
)
def test_a_copy_of_a_base_scores_by_a_method_put_on_it(hf):
    from lm_eval.api.instance import Instance

    copied, seen = copy.copy(hf), []
    copied._loglikelihood_tokens = lambda requests, disable_tqdm=False: seen.extend(requests) or [(-1.0, True)]
    request = Instance("loglikelihood", {}, ("The tower", " was"), 0, metadata=("task", 0, 1))
    assert copied.loglikelihood([request], disable_tqdm=True) == [(-1.0, True)]
    first = hf.tok_encode("The tower")
    assert seen == [(("The tower", " was"), first, hf.tok_encode("The tower was")[len(first) :])]
    assert "_loglikelihood_tokens" not in vars(hf)


@seam(
    "HFLM computes by _model_call and _loglikelihood_tokens, and has these attributes",
    ours="prefix sharing refuses a base that overrides either, and computes with the base's own settings",
    place="kinj_models",
    code='for name in ("_model_call", "_loglikelihood_tokens")',
)
def test_the_hugging_face_base_has_what_the_shared_scorer_reads(hf):
    assert {"_model_call", "_loglikelihood_tokens"} <= set(vars(type(hf)))
    assert hf.backend == "causal"
    assert isinstance(hf.max_length, int)
    assert (hf.softmax_dtype, hf.mixed_precision_dtype) == (None, None)
    assert (hf.device.type, hf.rank, hf.model.dtype) == ("cpu", 0, torch.float32)
    assert hf.cache_hook.dbdict is None


@seam(
    "_encode_pair gives the tokens of a context and of what follows; _detect_batch_size takes [(_, tokens, tokens)]",
    ours="one batch size is found for all arms of a model, on the longest prompt that any of them sends",
    place="kinj_models/asking/batch_size.py",
    code="base._detect_batch_size([(None, *longest)])",
)
def test_the_hugging_face_base_finds_how_many_requests_like_one_it_can_hold(hf, monkeypatch):
    prompt, continuation = hf._encode_pair("The tower", " was")
    assert prompt + continuation == hf.tok_encode("The tower was")
    tried = []

    def call(tokens, **_):
        tried.append(tuple(tokens.shape))
        if len(tokens) > 40:
            raise RuntimeError("CUDA out of memory.")
        return torch.zeros(1)

    monkeypatch.setattr(hf, "_model_call", call)
    found = hf._detect_batch_size([(None, prompt, continuation)])
    assert 1 <= found <= 40 < tried[0][0]
    assert {length for _, length in tried} == {len(prompt + continuation) - 1}


@seam(
    "HFLM cuts too long a request from the left to max_length + 1 tokens and leaves the last one unread; sums in order",
    ours="the shared scorer cuts the same way, and tries itself against the base before it is used",
    place="kinj_models",
    code="base._loglikelihood_tokens(requests, disable_tqdm=True",
)
def test_the_base_scores_a_request_that_is_too_long_by_its_end(hf):
    tokens = [(7 * i) % 300 + 4 for i in range(hf.max_length + 20)]
    whole, cut = (None, tokens[:-2], tokens[-2:]), (None, tokens[19:-2], tokens[-2:])
    (a, _), (b, _) = hf._loglikelihood_tokens([whole, cut], disable_tqdm=True)
    assert a == pytest.approx(b, abs=1e-5)
    assert len(cut[1]) + len(cut[2]) == hf.max_length + 1


@seam(
    "accelerate's kinds of distribution compare equal to these words",
    ours="prefixes are not shared where weights are spread over processes",
    place="kinj_models",
    code='("FSDP", "DEEPSPEED", "MEGATRON_LM")',
)
def test_accelerates_kinds_of_distribution_are_words():
    from accelerate import DistributedType

    assert [DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM, DistributedType.NO] == [
        "FSDP", "DEEPSPEED", "MEGATRON_LM", "NO",
    ]  # fmt: skip


@seam(
    "an API model's chat travels as JsonChatStr, a tuple of one text `prompt` that holds the messages as JSON",
    ours="passages are put into the messages and packed again by the same type",
    place="kinj_models",
    code='hasattr(context, "prompt")',
)
def test_a_chat_for_an_api_is_one_text_of_json():
    from lm_eval.models.api_models import JsonChatStr
    from lm_eval.models.openai_completions import LocalChatCompletion

    api = LocalChatCompletion(base_url="http://127.0.0.1:9", model="none")
    chat = api.apply_chat_template([{"role": "user", "content": "Why?"}])
    assert isinstance(chat, JsonChatStr)
    [message] = json.loads(chat.prompt)
    assert (message["role"], message["content"]) == ("user", "Why?")
    assert type(chat)("[]").prompt == "[]"


# ---- lm-eval: its cache of answers


class Counting:
    """A model that counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def set_cache_hook(self, hook):
        self.hook = hook

    def loglikelihood(self, requests):
        self.asked += len(requests)
        return [(-1.0, True) for _ in requests]


@pytest.fixture
def cached(tmp_path):
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import CachingLM

    model = Counting()
    outer = CachingLM(model, str(tmp_path / "cache.db"))
    request = Instance("loglikelihood", {}, ("a", " b"), 0)
    return SimpleNamespace(model=model, ask=lambda: outer.loglikelihood([request]))


@seam(
    "CachingLM hands its SqliteDict to the model as cache_hook.dbdict and asks that same object by `in` each time",
    ours="the store is made blind to lm-eval's keys by another class, so that every request reaches the adapter",
    place="kinj_models",
    code="store.__class__ = ",
)
def test_lm_evals_cache_asks_the_store_that_the_model_was_given(cached):
    from sqlitedict import SqliteDict

    class Blind(SqliteDict):
        def __contains__(self, key):
            return False

    assert isinstance(cached.model.hook.dbdict, SqliteDict)
    cached.ask()
    cached.ask()
    assert cached.model.asked == 1
    cached.model.hook.dbdict.__class__ = Blind
    cached.ask()
    assert cached.model.asked == 2


@seam(
    "SqliteDict turns values into bytes by the attributes encode and decode, which can be set",
    ours="answers are kept as JSON: a cache file may come from somebody else, and unpickling runs code",
    place="kinj_models",
    code="store.encode, store.decode = ",
)
def test_the_store_writes_values_by_the_functions_set_on_it(cached):
    store = cached.model.hook.dbdict
    store.encode, store.decode = (lambda value: f"<{value}>"), (lambda text: text + "!")
    store["key"] = 5
    assert store["key"] == "<5>!"


@seam(
    "CacheHook(None) has no store; hash_args keys by kind and arguments; a base calls add_partial of its hook",
    ours="the adapter's cache is the base's hook too, so that an interrupted run keeps its answers",
    place="kinj_models",
    code="def add_partial(",
)
def test_a_base_gives_each_answer_to_its_hook_as_it_comes(hf):
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import CacheHook, hash_args

    assert CacheHook(None).dbdict is None
    assert hash_args("loglikelihood", ("a", " b")) == hash_args("loglikelihood", ("a", " b"))
    assert hash_args("loglikelihood", ("a", " b")) != hash_args("generate_until", ("a", " b"))

    class Keeping(CacheHook):
        def add_partial(self, attr, req, res):
            kept.append((attr, tuple(req), res))

    kept, before = [], hf.cache_hook
    hf.set_cache_hook(Keeping(None))
    try:
        request = Instance("loglikelihood", {}, ("The tower", " was"), 0, metadata=("task", 0, 1))
        [answer] = hf.loglikelihood([request], disable_tqdm=True)
    finally:
        hf.set_cache_hook(before)
    assert kept == [("loglikelihood", ("The tower", " was"), answer)]


# ---- lm-eval: what its results hold


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run of one task of two rows and a few-shot one, with a model that keeps its requests."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Told(LM):
        requests: list = []  # noqa: RUF012  # one model, one test module

        def loglikelihood(self, requests):
            self.requests += requests
            return [(-float(len(request.args[1])), False) for request in requests]

        def loglikelihood_rolling(self, requests): ...

        def generate_until(self, requests): ...

        def get_model_info(self):
            return {"seam": "told"}

    given = {}

    def load(**metadata):
        from datasets import Dataset

        given.update(metadata)
        rows = [{"question": f"q{i}", "choices": ["a", "bb"], "answer": 0, "extra": [i]} for i in range(3)]
        return {"test": Dataset.from_list(rows[:2]), "fewshot": Dataset.from_list(rows[2:])}

    task = {
        "task": "seam", "custom_dataset": load, "test_split": "test", "fewshot_split": "fewshot",
        "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}", "metadata": {"split": "test"}, "num_fewshot": 1,
        "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    manager = TaskManager(include_defaults=False, metadata={"benchmark": "folder"})
    results = simple_evaluate(Told(), tasks=[task], task_manager=manager, bootstrap_iters=0)
    return SimpleNamespace(results=results, requests=Told.requests, given=given)


@seam(
    "a task's loader is called with the command line's --metadata and the YAML's; each request's doc is the whole row",
    ours="the benchmark folder comes by metadata; chunk_ids and collection are read from the row",
    place="kinj_tasks",
    code="**_: Any,",
)
def test_a_loader_gets_all_metadata_and_a_request_the_whole_row(evaluated):
    assert (evaluated.given["benchmark"], evaluated.given["split"]) == ("folder", "test")
    row = evaluated.requests[0].doc
    assert row == {"question": "q0", "choices": ["a", "bb"], "answer": 0, "extra": [0]}
    assert [(request.task_name, request.doc_id) for request in evaluated.requests[:2]] == [("seam", 0)] * 2


@seam(
    "get_model_info() is merged into results['config']",
    ours="what a report needs of a run stands under config.kinj",
    place="kinj_models",
    code="def get_model_info(self)",
)
def test_what_a_model_tells_of_itself_stands_in_the_results(evaluated):
    assert evaluated.results["config"]["seam"] == "told"


@seam(
    "results hold metrics as 'acc,none', the number of questions, shots and each task's metadata",
    ours="scores are read back from these keys",
    place="kinj/report",
    code='run["results"][task]',
)
def test_results_hold_scores_counts_shots_and_metadata_under_these_keys(evaluated):
    results = evaluated.results
    assert results["results"]["seam"]["acc,none"] == 1.0
    assert results["n-samples"]["seam"]["effective"] == 2
    assert results["n-shot"]["seam"] == 1
    assert results["configs"]["seam"]["metadata"]["split"] == "test"


@seam(
    "GeneralConfigTracker._get_model_name reads pretrained= or model=; where it gives None the name is random",
    ours="a run on the demo model needs a stable name of its own in the results",
    place="kinj_models",
    code="find_demo_model()",
)
def test_without_a_model_in_the_arguments_the_results_get_a_random_name():
    from lm_eval.loggers.evaluation_tracker import GeneralConfigTracker, sanitize_model_name

    def tracked(arguments):
        tracker = GeneralConfigTracker()
        tracker.log_experiment_args(
            # Not kinj_rag, whose name our own hook may set.
            model_source="hf", model_args=arguments, system_instruction=None, chat_template=None,
            fewshot_as_multiturn=False,
        )  # fmt: skip
        assert tracker.model_name_sanitized == sanitize_model_name(tracker.model_name)
        return tracker.model_name

    assert tracked({"pretrained": "owner/name"}) == GeneralConfigTracker._get_model_name("pretrained=owner/name")
    assert GeneralConfigTracker._get_model_name({}) is None
    assert len({tracked({}) for _ in range(20)}) > 1


# ---- transformers


@seam(
    "a DynamicCache lists DynamicLayers, whose keys and values can be replaced; new ones are put behind them",
    ours="prefix sharing lets siblings view their parent's keys and values",
    place="kinj_models",
    code="isinstance(layer, DynamicLayer)",
)
def test_a_cache_layers_keys_can_be_replaced_and_grow_from_there(hf):
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    ids = torch.tensor([[5, 6, 7, 8]])
    cache = DynamicCache()
    with torch.no_grad():
        whole = hf.model(ids.repeat(2, 1)).logits[:, 3]
        hf.model(ids[:, :3], past_key_values=cache, use_cache=True)
    chosen = DynamicCache()
    for layer in cache.layers:
        assert isinstance(layer, DynamicLayer)
        kept = copy.copy(layer)
        kept.keys, kept.values = (part.expand(2, *part.shape[1:]) for part in (layer.keys, layer.values))
        chosen.layers.append(kept)
    with torch.no_grad():
        positions = torch.tensor([[3], [3]])
        given = {"past_key_values": chosen, "position_ids": positions, "use_cache": True}
        found = hf.model(ids[:, 3:].repeat(2, 1), **given).logits[:, 0]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
    assert chosen.layers[0].keys.shape[2] == 4
    assert cache.layers[0].keys.shape[2] == 3


@seam(
    "a model's logits are its output layer's, which is called once with all hidden states as its only argument",
    ours="prefix sharing computes logits at the wanted places only, by a hook before that layer",
    place="kinj_models",
    code="get_output_embeddings().register_forward_pre_hook(",
)
def test_logits_come_from_the_output_layer_alone(hf):
    shapes = []

    def pick(_, args):
        shapes.append([arg.shape for arg in args])
        return (args[0][:, :1],)

    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        whole = hf.model(ids).logits
        hook = hf.model.get_output_embeddings().register_forward_pre_hook(pick)
        try:
            first = hf.model(ids).logits
        finally:
            hook.remove()
    assert [[tuple(shape) for shape in call] for call in shapes] == [[(1, 3, hf.model.config.hidden_size)]]
    torch.testing.assert_close(first, whole[:, :1])


@seam(
    "without mask and cache a model reads the borders of packed texts from positions that restart",
    ours="blocks of several texts; a model that does otherwise is refused before it trains",
    place="training/kinj_training",
    code='batch["position_ids"] = ',
)
def test_texts_in_one_row_are_kept_apart_by_their_positions(hf):
    a, b = torch.tensor([[5, 6, 7]]), torch.tensor([[9, 8]])
    with torch.no_grad():
        alone = torch.cat([hf.model(a, use_cache=False).logits, hf.model(b, use_cache=False).logits], dim=1)
        positions = torch.tensor([[0, 1, 2, 0, 1]])
        packed = hf.model(torch.cat([a, b], dim=1), position_ids=positions, use_cache=False).logits
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


@seam(
    "these are the names of the integrations that a training can report to",
    ours="report_to is refused before anything is loaded where its library is absent",
    place="training/kinj_training",
    code="import get_available_reporting_integrations",
)
def test_the_integrations_to_report_to_are_known_by_name():
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    pytest.importorskip("tensorboard")
    assert "tensorboard" in get_available_reporting_integrations()


# ---- transformers' and TRL's trainers


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two steps of transformers' Trainer on a model of one number, with what it calls of itself written down."""
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x, **kwargs):
            return {"loss": (self.weight * x).mean()}

    calls = []

    class Watched(Trainer):
        def _get_train_sampler(self, train_dataset=None):
            calls.append(("sampler", len(train_dataset)))
            return torch.utils.data.SequentialSampler(train_dataset)

        def _save_checkpoint(self, model, trial):
            calls.append(("save", self.state.global_step, trial))
            return super()._save_checkpoint(model, trial)

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            calls.append(("loss", sorted(inputs), model.training))
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

        def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
            calls.append(("predict", sorted(inputs), prediction_loss_only))
            return torch.ones(()), None, None

    class Whole(Watched):
        def _remove_unused_columns(self, dataset, description=None):
            calls.append(("columns", sorted(dataset[0]), description))
            return dataset

    def collate(rows):
        return {"x": torch.tensor([float(row["x"]) for row in rows])}

    from datasets import Dataset

    rows = Dataset.from_dict({"x": [1, 2], "lengths": [[1], [2]]})
    settings = TrainingArguments(
        output_dir=str(tmp_path_factory.mktemp("seam")), per_device_train_batch_size=1, num_train_epochs=1,
        save_strategy="steps", save_steps=1, report_to="none", use_cpu=True, disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    trainer = Whole(Model(), settings, data_collator=collate, train_dataset=rows, eval_dataset=rows)
    trainer.train()
    return SimpleNamespace(calls=calls, trainer=trainer, folder=Path(settings.output_dir))


@seam(
    "Trainer takes its order of rows from _get_train_sampler(dataset)",
    ours="blocks come in an order of our own, which a resumed training can go on with",
    place="training/kinj_training",
    code="def _get_train_sampler(",
)
def test_a_trainer_asks_its_sampler_of_the_data_set(trained):
    assert ("sampler", 2) in trained.calls


@seam(
    "Trainer drops columns by _remove_unused_columns(dataset, description)",
    ours="the collator reads every column",
    place="training/kinj_training",
    code="def _remove_unused_columns(",
)
def test_a_trainer_asks_which_columns_stay(trained):
    described = [(call[1], str(call[2]).lower()) for call in trained.calls if call[0] == "columns"]
    assert (["lengths", "x"], "training") in described


@seam(
    "Trainer saves by _save_checkpoint(model, trial) into checkpoint-STEP, with the optimizer in optimizer.pt",
    ours="a checkpoint is marked complete once that has returned",
    place="training/kinj_training",
    code="def _save_checkpoint(",
)
def test_a_trainer_saves_each_checkpoint_by_one_method_into_a_folder_of_the_steps_number(trained):
    assert [call for call in trained.calls if call[0] == "save"] == [("save", 1, None), ("save", 2, None)]
    for step in (1, 2):
        assert {"optimizer.pt", "scheduler.pt", "trainer_state.json", "training_args.bin"} <= {
            file.name for file in (trained.folder / f"checkpoint-{step}").iterdir()
        }


@seam(
    "Trainer takes each loss from compute_loss; model_accepts_loss_kwargs says whether it is over a step's tokens",
    ours="tokens are counted and a loss that is not finite ends the training; models that cannot are refused",
    place="training/kinj_training",
    code="if not self.model_accepts_loss_kwargs",
)
def test_a_trainer_takes_each_loss_from_one_method(trained):
    assert [call for call in trained.calls if call[0] == "loss"] == [("loss", ["x"], True)] * 2
    assert trained.trainer.model_accepts_loss_kwargs is True  # forward takes **kwargs
    assert trained.trainer.is_fsdp_enabled is False


@seam(
    "evaluation_loop takes each batch through prediction_step and returns a named tuple whose metrics can be replaced",
    ours="the held-out loss is the mean over tokens, not over batches",
    place="training/kinj_training",
    code="output._replace(metrics=",
)
def test_an_evaluation_takes_each_batch_through_one_method(trained):
    del trained.calls[:]
    loader = trained.trainer.get_eval_dataloader()
    output = trained.trainer.evaluation_loop(loader, description="seam", prediction_loss_only=True)
    assert ("predict", ["x"], True) in trained.calls
    assert output._replace(metrics={"eval_loss": 2.0}).metrics == {"eval_loss": 2.0}
    assert callable(trained.trainer.compute_loss_context_manager)
    assert trained.trainer._prepare_inputs({"x": torch.ones(1)})["x"].device.type == "cpu"


@seam(
    "SFTTrainer has its own compute_loss and _save_checkpoint, and behind it in the order of classes comes Trainer's",
    ours="both are gone round by super(SFTTrainer, self): the loss is slower, the checkpoint gets a model card",
    place="training/kinj_training",
    code="super(SFTTrainer, self)",
)
@pytest.mark.parametrize("name", ["compute_loss", "_save_checkpoint"])
def test_behind_trls_trainer_comes_that_of_transformers(name):
    from transformers import Trainer
    from trl import SFTTrainer

    assert name in vars(SFTTrainer), "TRL no longer overrides it: nothing to go round"
    behind = next(kind for kind in SFTTrainer.__mro__[1:] if name in vars(kind))
    assert behind is Trainer


@seam(
    "SFTTrainer leaves the rows as they are where dataset_kwargs says skip_prepare_dataset",
    ours="blocks come ready, tokens and labels alike",
    place="training/kinj_training",
    code='{"skip_prepare_dataset": True}',
)
def test_trls_trainer_leaves_ready_rows_alone(tiny_model, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_dict({"input_ids": [[5, 6, 7]], "labels": [[-100, 6, 7]], "lengths": [[3]]})
    settings = SFTConfig(
        output_dir=str(tmp_path), dataset_kwargs={"skip_prepare_dataset": True}, max_length=None, use_cpu=True,
        bf16=False, report_to="none",
    )  # fmt: skip
    trainer = SFTTrainer(str(tiny_model), args=settings, train_dataset=rows, data_collator=lambda batch: batch)
    assert trainer.train_dataset.to_list() == rows.to_list()


@seam(
    "argparse keeps --a_b and --a-b of every setting in _option_string_actions; TRL's parser ends by its error()",
    ours="keys of the command line are told from words, and a mistake is one line",
    place="training/kinj_training",
    code="._option_string_actions",
)
def test_trls_parser_knows_each_option_in_both_spellings_and_reports_by_one_method():
    from trl import ModelConfig, SFTConfig, TrlParser

    class Raising(TrlParser):
        def error(self, message):
            raise ValueError(message)

    parser = Raising(dataclass_types=(SFTConfig, ModelConfig), allow_abbrev=False)
    for option in ("--learning_rate", "--learning-rate"):
        assert parser._option_string_actions[option].dest == "learning_rate"
    assert "--learning" not in parser._option_string_actions
    with pytest.raises(ValueError, match="learning_rate"):
        parser.parse_args_into_dataclasses(["--learning_rate=fast"], look_for_args_file=False)


@seam(
    "set_defaults_with_config gives defaults that words overrule; what belongs to no setting comes back",
    ours="the recipe's values and ours go through TRL's own parser",
    place="training/kinj_training",
    code="set_defaults_with_config(",
)
def test_trls_parser_takes_defaults_and_gives_back_what_it_does_not_know(tmp_path):
    from trl import SFTConfig, TrlParser

    parser = TrlParser(dataclass_types=(SFTConfig,), allow_abbrev=False)
    parser.set_defaults_with_config(learning_rate=0.5, output_dir=str(tmp_path), bf16=False, use_cpu=True, seed=3)
    settings, rest = parser.parse_args_into_dataclasses(
        ["--learning_rate=1e-5", "stray"], look_for_args_file=False, return_remaining_strings=True
    )
    assert (settings.learning_rate, settings.seed, rest) == (1e-5, 3, ["stray"])


@seam(
    "an adapter's configuration names base and revision under these keys",
    ours="they are rewritten to what the recipe says",
    place="training/kinj_training",
    code='"base_model_name_or_path": ',
)
def test_an_adapters_configuration_names_its_base(tmp_path):
    from peft import LoraConfig

    LoraConfig(base_model_name_or_path="folder", revision="commit").save_pretrained(tmp_path)
    values = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (values["base_model_name_or_path"], values["revision"]) == ("folder", "commit")


@seam(
    "torchrun and accelerate tell their processes who they are by variables of these names",
    ours="they are kept from lm_eval, which a training starts and which would take them for its own",
    place="kinj training/kinj_training",
    code='"TORCHELASTIC_", "ACCELERATE_", "FSDP_"',
)
def test_launchers_set_no_variable_of_another_kind():
    from accelerate.utils import launch
    from torch.distributed.elastic.agent.server import local_elastic_agent as agent

    known = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_", "ACCELERATE_", "FSDP_")
    # How NCCL reports errors is no concern of a process of its own.
    found = _names_given(agent.LocalElasticAgent._start_workers)
    found -= {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "OMP_NUM_THREADS"}
    assert {"RANK", "WORLD_SIZE", "MASTER_ADDR", "TORCHELASTIC_RUN_ID"} <= found
    assert {name for name in found if not name.startswith(known)} == set()
    assert {"ACCELERATE_USE_FSDP", "FSDP_VERSION"} <= _names_given(launch.prepare_multi_gpu_env)


def _names_given(function) -> set[str]:
    """The texts in capitals in a function's source: names of environment variables."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if text.isupper() and text.replace("_", "").isalpha() and len(text) > 3}


# ---- the hub, indexes, embedders


@seam(
    "huggingface_hub.errors imports the HTTP client's error as HTTPError; refusals are that or OSError",
    ours="one except clause for what the hub refuses, whatever client is behind it",
    place="kinj",
    code="from huggingface_hub.errors import HTTPError",
)
def test_what_the_hub_refuses_is_an_http_or_an_os_error(tmp_path):
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

    assert issubclass(HfHubHTTPError, (HTTPError, OSError))
    assert issubclass(LocalEntryNotFoundError, (HTTPError, OSError))
    with pytest.raises((HTTPError, OSError)):
        snapshot_download("owner/name", cache_dir=tmp_path)


@seam(
    "the hub's cache keeps a model's files in a folder that is named by the commit",
    ours="results and manifests say which commit was loaded",
    place="kinj",
    code="snapshot_download(",
)
def test_the_folder_in_the_hubs_cache_is_named_by_the_commit(tmp_path):
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    commit = "0123456789abcdef0123456789abcdef01234567"
    for name, text in (("refs/main", commit), (f"snapshots/{commit}/config.json", "{}")):
        file = tmp_path / "models--owner--name" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    found = try_to_load_from_cache("owner/name", "config.json", cache_dir=tmp_path)
    assert Path(found).parent.name == commit
    assert not isinstance(try_to_load_from_cache("owner/name", "other.json", cache_dir=tmp_path), str)
    assert Path(snapshot_download("owner/name", cache_dir=tmp_path, local_files_only=True)).name == commit


@seam(
    "tantivy takes the file .tantivy-meta.lock to open an index, also only to read; all its locks end in .lock",
    ours="an index in a folder that must not be written is opened through links",
    place="kinj",
    code='".tantivy-meta.lock"',
)
def test_tantivy_locks_an_index_by_a_file_of_this_name(tmp_path):
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", fast=True)
    index = tantivy.Index(builder.build(), path=str(tmp_path), reuse=False)
    writer = index.writer(heap_size=15_000_000, num_threads=1)
    writer.add_document(tantivy.Document(row=7))
    writer.commit()
    writer.wait_merging_threads()
    for lock in tmp_path.glob("*lock"):
        lock.unlink()
    searcher = tantivy.Index.open(str(tmp_path)).searcher()
    assert {file.name for file in tmp_path.iterdir() if "lock" in file.name} <= {".tantivy-meta.lock"}
    assert (tmp_path / ".tantivy-meta.lock").is_file()
    found = searcher.search(tantivy.Query.all_query(), 1, count=False).hits
    assert searcher.fast_field_values("row", [address for _, address in found]) == [7]


@seam(
    "faiss.SearchParameters takes sel=, which its Python part adds; reconstruct_batch and mapped reading work on it",
    ours="filters, and exact scores summed again",
    place="kinj",
    code="faiss.SearchParameters(sel=",
)
def test_faiss_searches_a_mapped_index_among_the_rows_allowed(tmp_path):
    faiss = pytest.importorskip("faiss")
    import numpy as np

    index = faiss.IndexFlatIP(2)
    index.add(np.eye(2, dtype="float32"))
    faiss.write_index(index, str(tmp_path / "vectors"))
    mapped = faiss.read_index(str(tmp_path / "vectors"), faiss.IO_FLAG_MMAP_IFC)
    only = faiss.SearchParameters(sel=faiss.IDSelectorBatch(np.array([1], dtype="int64")))
    _, rows = mapped.search(np.array([[1, 0]], dtype="float32"), 1, params=only)
    assert rows.tolist() == [[1]]
    assert mapped.reconstruct_batch(rows[0]).tolist() == [[0, 1]]


@seam(
    "a sentence-transformers folder lists its parts in modules.json, its window beside it, its weights as safetensors",
    ours="an embedder is told from another by these files' content",
    place="kinj",
    code='"modules.json"',
)
def test_an_embedders_folder_holds_these_files(tiny_embedder):
    modules = json.loads((tiny_embedder / "modules.json").read_text())
    assert all("path" in module for module in modules)
    windows = (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length"))
    files = [(tiny_embedder / file, key) for file, key in windows if (tiny_embedder / file).is_file()]
    assert 48 in [json.loads(file.read_text()).get(key) for file, key in files]
    assert list(tiny_embedder.rglob("*.safetensors"))


# ---- the table


@pytest.mark.parametrize("library", ["lm_eval", "transformers", "trl", "tantivy"])
def test_a_library_that_we_lean_on_most_has_an_upper_bound_and_is_tested_within_it(library):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["train"]])
    [bounds] = [requirement.specifier for requirement in declared if requirement.name == library]
    assert any(bound.operator == "<" for bound in bounds)
    assert version(library) in bounds


def test_each_seam_has_a_test_and_still_something_that_leans_on_it():
    tests = {name for name in globals() if name.startswith("test_")}
    assert set(SEAMS) <= tests
    idle = {name: row.code for name, row in SEAMS.items() if row.code not in sources(row.place)}
    assert idle == {}, "nothing leans on these any more: remove them, or name the code that does"


def foreign_private_names(tree: ast.Module) -> set[str]:
    """Private attributes taken from something else than self or cls, by a dot or by getattr."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                names.add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")} - own


def test_no_private_name_of_a_library_is_used_outside_the_table():
    files = [file for folder in SOURCES for file in (ROOT / folder).rglob("*.py")] + [ROOT / file for file in MODULES]
    used = set().union(*(foreign_private_names(ast.parse(file.read_text())) for file in files))
    listed = " ".join(row.fact + row.code for row in SEAMS.values())
    assert {name for name in used - HARMLESS if name not in listed} == set()


def test_every_private_method_that_we_override_is_in_the_table():
    from trl import SFTTrainer

    from kinj_training.run.trainer import BlockTrainer

    ours = {name for name in vars(BlockTrainer) if name.startswith("_") and not name.startswith("__")}
    listed = " ".join(row.fact + row.code for row in SEAMS.values())
    assert {name for name in ours if callable(getattr(SFTTrainer, name, None)) and name not in listed} == set()
