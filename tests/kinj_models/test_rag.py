import json
import shutil

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM, CachingLM, hash_args
from sqlitedict import SqliteDict

from kinj.corpus import read_chunks
from kinj.corpus.ready_made import use_collection
from kinj.errors import UserError
from kinj.records import Chunk
from kinj.retrieval import build_index
from kinj_models import RagLM
from kinj_models.base import refuse_unknown_commit
from kinj_models.prompts import SLOT
from kinj_models.settings import check_base_keys

SHOT = "Question: Which color did the water tower of Ithaca get in May 2031?\nAnswer: ivory\n\n"


class RecordingLM(LM):
    loglikelihood = generate_until = loglikelihood_rolling = None


def sent_prompts(recorder):
    return [request.args[0] for request in recorder.sent]


def test_every_option_of_a_question_gets_the_same_passages_before_everything(recorder, request_for):
    RagLM(recorder, k=1).loglikelihood(request_for(shots=SHOT))
    first, second = sent_prompts(recorder)
    assert first == second
    assert first.startswith("Passage 1: The water tower of Arvada was painted amber in May 2031.")
    assert first.endswith(request_for(shots=SHOT)[0].args[0])


def test_placement_question_puts_the_block_between_the_shots_and_the_question(recorder, request_for):
    RagLM(recorder, k=1, placement="question").loglikelihood(request_for(shots=SHOT))
    prompt = sent_prompts(recorder)[0]
    assert prompt.startswith(SHOT + "Passage 1: The water tower of Arvada")
    assert prompt.endswith("\n\nQuestion: Which color did the water tower of Arvada get in May 2031?\nAnswer:")


def test_order_best_last_puts_the_best_passage_next_to_the_question(recorder, request_for):
    RagLM(recorder, k=3, order="best_last").loglikelihood(request_for())
    block = sent_prompts(recorder)[0].split("Question:")[0]
    assert "Arvada" in block.split("Passage 3:")[1]
    assert "Arvada" not in block.split("Passage 3:")[0]


def test_none_as_word_and_as_python_value_is_the_closed_book_never_the_default(recorder, request_for):
    for value in ("none", None):
        RagLM(recorder, retriever=value).loglikelihood(request_for())
    assert sent_prompts(recorder) == [r.args[0] for r in request_for()] * 2


def test_model_args_as_one_string_keep_none_as_the_closed_book(tiny_model):
    lm = RagLM.create_from_arg_string(f"retriever=none,pretrained={tiny_model}", {"batch_size": 1, "device": "cpu"})
    assert lm.settings.retriever == "none"
    assert lm.get_model_info()["kinj"]["retriever"] == "none"


def test_requests_as_lm_eval_built_them_stay_as_they_are_and_repeats_do_not_stack_passages(recorder, request_for):
    requests = request_for()
    before = [r.args for r in requests]
    RagLM(recorder, k=1).loglikelihood([*requests, *requests])
    assert [r.args for r in requests] == before
    assert all(prompt.count("Passage 1:") == 1 for prompt in sent_prompts(recorder))
    assert len(recorder.sent) == 4


def test_an_unconditional_request_stays_without_passages(recorder, request_for):
    requests = request_for()
    unconditional = Instance("loglikelihood", requests[0].doc, ("", " amber"), 2, metadata=("towers", 0, 1))
    RagLM(recorder, k=1).loglikelihood([*requests, unconditional])
    assert sent_prompts(recorder)[2] == ""


def test_a_task_without_any_prompt_is_refused(recorder, request_for):
    doc = request_for()[0].doc
    bare = [Instance("loglikelihood", doc, ("", " amber"), 0, metadata=("towers", 0, 1))]
    with pytest.raises(UserError, match="without any prompt"):
        RagLM(recorder, k=1).loglikelihood(bare)


def test_whole_passages_are_dropped_lowest_rank_first_and_counted(windowed, request_for, tmp_path):
    base = windowed(50)  # the question takes 14 words, a passage 23
    trace = tmp_path / "trace.jsonl"
    lm = RagLM(base, k=3, trace=str(trace))
    lm.loglikelihood(request_for())
    prompt = base.sent[0].args[0]
    assert "Passage 1:" in prompt
    assert "Passage 2:" not in prompt
    counts = lm.get_model_info()["kinj"]["tasks"]["towers"]
    assert (counts["passages_dropped"], counts["questions_with_drops"], counts["prompts_over_window"]) == (2, 1, 0)
    assert [p["sent"] for p in json.loads(trace.read_text())["passages"]] == [True, False, False]


@pytest.mark.parametrize("window", range(20, 230, 15))
def test_as_many_passages_are_sent_as_fit(windowed, request_for, tmp_path, window):
    base = windowed(window)
    RagLM(base, k=9, trace=str(tmp_path / "t.jsonl")).loglikelihood(request_for())
    [line] = (tmp_path / "t.jsonl").read_text().splitlines()
    passages = json.loads(line)["passages"]
    sent = [passage["sent"] for passage in passages]
    assert len(sent) == 9
    assert sent == sorted(sent, reverse=True)
    longest = max(len((r.args[0] + r.args[1]).split()) for r in base.sent)
    assert longest <= window
    # A passage of the towers takes 23 words, its number among them.
    assert all(sent) or longest + 23 > window


def test_all_chunks_stand_in_their_order_before_every_question(windowed, request_for, tmp_path):
    base = windowed(1_000)
    rag = RagLM(base, retriever="all", trace=str(tmp_path / "trace.jsonl"))
    rag.loglikelihood([*request_for(), *request_for("Ithaca", 1)])
    blocks = {prompt.split("Question:")[0] for prompt in sent_prompts(base)}
    assert len(blocks) == 1
    assert blocks.pop().count("Passage ") == 9
    row = json.loads((tmp_path / "trace.jsonl").read_text().splitlines()[0])
    ids = [passage["chunk_id"] for passage in row["passages"]]
    assert ids == sorted(ids)
    assert all(passage["sent"] for passage in row["passages"])
    told = rag.get_model_info()["kinj"]
    assert (told["retriever"], told["k"]) == ("all", None)
    [index] = told["indexes"].values()
    assert (index["retriever"], index["chunks"]) == ("all", 9)


def test_a_collection_larger_than_the_window_is_refused_with_its_tokens(windowed, request_for):
    with pytest.raises(UserError, match=r"all 9 chunks .* are \d{3} tokens, the model's window has 60: take a model"):
        RagLM(windowed(60), retriever="all").loglikelihood(request_for())


def test_the_whole_collection_is_computed_once_for_all_questions(tiny_model, request_for, collection, tmp_path):
    build_index(list(read_chunks([collection / "chunks.jsonl"]))[:5], tmp_path / "index", None)
    rag = RagLM(pretrained=str(tiny_model), retriever="all", index=str(tmp_path / "index"), device="cpu")
    cities = ("Arvada", "Ithaca", "Salem", "Dover", "Boise", "Akron", "Miami", "Tulsa")
    rag.loglikelihood([request for number, city in enumerate(cities) for request in request_for(city, number)])
    tokens = rag.get_model_info()["kinj"]["tokens"]
    assert tokens["computed"] < tokens["asked"] / 4


def test_a_prompt_over_the_window_even_without_passages_is_counted(windowed, request_for):
    lm = RagLM(windowed(5), k=1)
    lm.loglikelihood(request_for())
    assert lm.get_model_info()["kinj"]["tasks"]["towers"]["prompts_over_window"] == 1


def test_generation_leaves_room_for_the_answer(windowed, request_for):
    base = windowed(42)
    [request, _] = request_for()
    asked = Instance(
        "generate_until", request.doc, (request.args[0], {"max_gen_toks": 10}), 0, metadata=("towers", 0, 1)
    )
    RagLM(base, k=1).generate_until([asked])
    assert "Passage" not in base.sent[0].args[0]


def test_results_say_that_length_was_not_checked_where_the_base_has_no_tokenizer(recorder, request_for):
    lm = RagLM(recorder, k=1)
    lm.loglikelihood(request_for())
    assert lm.get_model_info()["kinj"]["length_checked"] is False


def test_answers_of_a_ready_model_are_not_kept(recorder, tmp_path):
    with pytest.raises(UserError, match="cannot be told from another"):
        CachingLM(RagLM(recorder, k=1), str(tmp_path / "cache.db"))


def test_lm_evals_own_entries_in_a_cache_file_never_answer(tiny_model, request_for, tmp_path):
    requests = request_for()
    store = SqliteDict(str(tmp_path / "cache.db"), autocommit=True)
    for request in requests:
        store[hash_args("loglikelihood", request.args)] = (-1234.0, True)
    store.close()
    cached = CachingLM(RagLM(pretrained=str(tiny_model), device="cpu", k=1), str(tmp_path / "cache.db"))
    assert all(value != -1234.0 for value, _ in cached.loglikelihood(requests))


def test_a_run_answered_from_the_cache_has_the_same_answers_trace_and_counts(tiny_model, request_for, tmp_path):
    told = []
    for name in ("first", "second"):
        lm = RagLM(pretrained=str(tiny_model), device="cpu", k=2, trace=str(tmp_path / name))
        answers = CachingLM(lm, str(tmp_path / "cache.db")).loglikelihood(request_for())
        said = lm.get_model_info()["kinj"]
        told.append((answers, said["tasks"], (tmp_path / name).read_text()))
    assert said["answers"] == {"from_cache": 2, "computed": 0}
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "change",
    [
        {"k": 2},
        {"dtype": "bfloat16"},
        {"template": "other"},
        {"retriever": "none"},
        {"share_prefixes": False},
        {"seed": 1},
    ],
    ids=str,
)
def test_another_setting_is_never_answered_from_the_same_file(make_tiny_model, request_for, tmp_path, change):
    (tmp_path / "other").write_text("{% for p in passages %}{{ p.text }}\n{% endfor %}")
    models = {seed: str(make_tiny_model(seed=10 + seed)) for seed in (0, change.get("seed", 0))}
    changes = {**change, **({"template": str(tmp_path / "other")} if "template" in change else {})}
    reused = []
    for settings in ({}, changes):
        arguments = {"k": 1, "dtype": "float32", **settings}
        lm = RagLM(pretrained=models[arguments.pop("seed", 0)], device="cpu", **arguments)
        CachingLM(lm, str(tmp_path / "cache.db")).loglikelihood(request_for())
        reused.append(lm.get_model_info()["kinj"]["answers"]["from_cache"])
    assert reused == [0, 0]


def test_the_closed_book_is_traced_too_with_prompts_as_lm_eval_built_them(recorder, request_for, tmp_path):
    trace = tmp_path / "trace.jsonl"
    RagLM(recorder, retriever="none", trace=str(trace)).loglikelihood(request_for(chunk_ids=["d0.1"]))
    line = json.loads(trace.read_text())
    assert (line["question_id"], line["passages"], line["gold_chunk_ids"]) == ("q0", [], ["d0.1"])
    assert line["prompts"] == [request_for()[0].args[0]]


def test_the_closed_book_asks_nothing_of_the_row(recorder):
    row = [Instance("loglikelihood", {"weird": 1}, ("context", " x"), 0, metadata=("odd", 0, 1))]
    assert RagLM(recorder, retriever="none").loglikelihood(row) == [(-9.0, False)]


def test_a_second_run_of_one_model_has_counts_of_its_own(windowed, request_for):
    lm = RagLM(windowed(500), k=1)
    for _ in range(2):
        lm.loglikelihood(request_for())
    assert lm.get_model_info()["kinj"]["tasks"]["towers"]["questions"] == 1


def test_a_second_run_of_one_model_does_not_mix_into_its_trace(recorder, request_for, tmp_path):
    lm = RagLM(recorder, k=1, trace=str(tmp_path / "trace.jsonl"))
    lm.loglikelihood(request_for())
    with pytest.raises(UserError, match="earlier run"):
        lm.loglikelihood(request_for())


def test_a_folder_without_a_model_is_said_in_one_line(tmp_path):
    with pytest.raises(UserError, match=rf"pretrained={tmp_path}: holds no model \(no config\.json\)"):
        RagLM(pretrained=str(tmp_path), device="cpu").base  # noqa: B018  # loads it


def test_a_bfloat16_model_computes_in_float32_on_a_cpu_without_such_units(make_tiny_model, monkeypatch):
    folder = make_tiny_model(dtype="bfloat16", seed=5)
    monkeypatch.setattr("kinj_models.base.cpu_computes_bf16", lambda: False)
    assert str(RagLM(pretrained=str(folder), device="cpu").base.model.dtype) == "torch.float32"
    assert str(RagLM(pretrained=str(folder), device="cpu", dtype="bfloat16").base.model.dtype) == "torch.bfloat16"


def test_gold_that_was_found_but_dropped_is_not_counted_as_sent(windowed, request_for):
    lm = RagLM(windowed(5), k=1)
    lm.loglikelihood(request_for(chunk_ids=["d0.1"]))
    said = lm.get_model_info()["kinj"]["tasks"]["towers"]
    assert (said["recall@1"], said["gold_sent"]) == (1.0, 0.0)


def test_a_chat_template_that_drops_the_mark_is_refused(recorder):
    recorder.apply_chat_template = lambda messages, add_generation_prompt=True: "nothing of it"
    with pytest.raises(UserError, match="passages cannot be put into its turn"):
        RagLM(recorder, k=1).apply_chat_template([{"role": "user", "content": "x"}])


def test_a_template_that_does_not_parse_is_refused_before_anything_is_loaded(tmp_path):
    (tmp_path / "bad.jinja").write_text("{% for p in %}")
    with pytest.raises(UserError, match=r"bad\.jinja:1: "):
        RagLM(template=str(tmp_path / "bad.jinja"))


def test_chat_passages_stand_in_the_first_or_last_user_turn(recorder, request_for):
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Question: Which color has Ithaca?"},
        {"role": "assistant", "content": "ivory"},
        {"role": "user", "content": request_for()[0].args[0]},
    ]
    for placement, turn in (("prefix", 1), ("question", 2)):
        lm = RagLM(recorder, k=1, placement=placement)
        prompt = lm.apply_chat_template(chat)
        lm.loglikelihood(
            [Instance("loglikelihood", request_for()[0].doc, (prompt, "amber"), 0, metadata=("towers", 0, 1))]
        )
        turns = sent_prompts(recorder)[-1].split("<user>")
        assert turns[turn].startswith("Passage 1:")
        assert sent_prompts(recorder)[-1].count("Passage 1:") == 1
        assert SLOT not in sent_prompts(recorder)[-1]


def test_the_name_of_the_tokenizer_differs_where_chat_prompts_do(recorder):
    names = {RagLM(recorder, **a).tokenizer_name for a in ({}, {"placement": "question"}, {"retriever": "none"})}
    assert len(names) == 3
    assert RagLM(recorder, retriever="none").tokenizer_name == "recording"


def test_perplexity_tasks_are_refused_under_retrieval_and_passed_on_closed_book(recorder):
    with pytest.raises(UserError, match="no question to retrieve for"):
        RagLM(recorder).loglikelihood_rolling([Instance("loglikelihood_rolling", {}, ("text",), 0)])
    assert RagLM(recorder, retriever="none").loglikelihood_rolling(
        [Instance("loglikelihood_rolling", {}, ("text",), 0)]
    ) == [-1.0]


def test_recall_and_mrr_are_reported_where_rows_know_their_chunk(windowed, request_for):
    lm = RagLM(windowed(500), k=2)
    lm.loglikelihood([*request_for("Arvada", 0, chunk_ids=["d0.1"]), *request_for("Belmont", 1, chunk_ids=["d8.1"])])
    said = lm.get_model_info()["kinj"]["tasks"]["towers"]
    assert said["recall@1"] == 0.5
    assert said["mrr"] == 0.5


def test_a_query_that_matches_nothing_is_counted_as_a_question_without_passages(windowed, request_for):
    lm = RagLM(windowed(500), k=2)
    rows = request_for()
    for row in rows:
        row.doc["question"] = "Zzyzx?"
    lm.loglikelihood(rows)
    assert lm.get_model_info()["kinj"]["tasks"]["towers"]["questions_without_passages"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0: at least one passage; for the closed book use retriever=none"),
        ({"k": "3"}, "k=3: must be a whole number"),
        ({"retriever": "bm26"}, "retriever=bm26: must be one of none, bm25"),
        ({"placement": "middle"}, "placement=middle: must be one of prefix, question"),
        ({"filter": "subjct:law"}, "filter=subjct:law: 'subjct' is no field of a chunk"),
        ({"filter": "date:2023-08..2023-07"}, "the range 2023-08..2023-07 ends before it begins"),
        ({"filtr": "subject:law"}, "did you mean 'filter'"),
        ({"share_prefixes": "maybe"}, "share_prefixes=maybe: must be true or false"),
        ({"base": "hff"}, "base=hff: no such lm-eval model; did you mean 'hf'"),
        ({"base": "kinj_rag"}, "kinj_rag cannot be its own base"),
        ({"retrievr": "bm25"}, "did you mean 'retriever'"),
        ({"indx": "DIR"}, "did you mean 'index'"),
        ({"template": "nowhere.jinja"}, "template=nowhere.jinja: cannot be read"),
        ({"trace": "nowhere/trace.jsonl"}, "folder nowhere does not exist"),
    ],
)
def test_settings_that_are_not_allowed_are_refused_with_the_way_out(arguments, message):
    with pytest.raises(UserError, match=message):
        RagLM(**arguments)


@pytest.mark.parametrize(
    ("arguments", "row", "message"),
    [
        ({"index": "nowhere"}, {}, "nowhere does not exist"),
        ({"retriever": "gold"}, {}, "q0"),
        ({"filter": "subject:law"}, {}, "no chunk of .* has a subject; fields to filter by: document_id"),
        ({"filter": "document_id:d9"}, {}, "no chunk of .* meets it"),
        ({"text_field": "words"}, {}, "text_field=words: only for an index on Elasticsearch"),
        ({"query_field": "nothing"}, {}, "its keys are id, question, choices, benchmark, benchmark_sha256"),
        ({}, {"benchmark": ""}, "task towers has no collection of its own: build an index with `kinj index build"),
        ({}, {"question": ""}, "name one by query_field= out of id, question"),
        ({"query": "question+options"}, {"choices": None}, "no list of options"),
    ],
)
def test_rows_that_cannot_be_searched_for_stop_the_run(recorder, request_for, arguments, row, message):
    requests = request_for()
    for request in requests:
        request.doc.update(row)
    with pytest.raises(UserError, match=message):
        RagLM(recorder, **arguments).loglikelihood(requests)
    assert recorder.sent == []


@pytest.mark.parametrize(
    "row",
    [
        {"benchmark": "towers", "benchmark_sha256": None},
        {"benchmark": "towers", "benchmark_sha256": "of another kind"},
        {"benchmark": "current_events", "benchmark_sha256": None},
        {"benchmark": None, "benchmark_sha256": "0" * 64},
        {"benchmark": None, "benchmark_sha256": None, "collection": "current_events"},
    ],
)
def test_a_foreign_row_with_a_column_of_our_names_is_not_taken_for_ours(recorder, request_for, row):
    requests = request_for()
    for request in requests:
        request.doc.update(row)
    with pytest.raises(UserError, match="task towers has no collection of its own"):
        RagLM(recorder, k=1).loglikelihood(requests)


def test_a_row_that_names_a_collection_is_searched_in_the_one_that_was_taken_for_it(recorder, request_for, collection):
    requests = request_for(task="kinj_mmlu_anatomy", benchmark=None, benchmark_sha256=None)
    with pytest.raises(UserError, match="collection mmlu_anatomy is not there yet: `kinj corpus mmlu_anatomy"):
        RagLM(recorder, k=1).loglikelihood(requests)
    use_collection("mmlu_anatomy", collection)
    model = RagLM(recorder, k=1)
    model.loglikelihood(requests)
    assert sent_prompts(recorder)[0].startswith("Passage 1: The water tower of Arvada was painted amber in May 2031.")
    [source] = model.get_model_info()["kinj"]["indexes"]
    assert source.startswith("mmlu_anatomy@")


def test_a_benchmark_that_this_process_has_not_opened_is_refused_in_one_line(recorder, request_for):
    requests = request_for(benchmark_sha256="0" * 64)
    with pytest.raises(UserError, match=r"benchmark towers \(SHA-256 000000000000…\), whose folder .* not opened"):
        RagLM(recorder, k=1).loglikelihood(requests)


def test_keys_that_the_base_names_reach_it_even_when_near_to_ours():
    class Base(RecordingLM):
        def __init__(self, indx=None):
            super().__init__()

    check_base_keys(Base, "near", ["indx"])
    with pytest.raises(UserError, match="did you mean 'index'"):
        check_base_keys(RecordingLM, "far", ["indx"])


@pytest.mark.parametrize("key", ["kk", "tp", "q", "ef", "pp", "chat_template", "case_study"])
def test_keys_of_the_base_that_only_look_a_little_like_ours_reach_it(key):
    check_base_keys(RecordingLM, "far", [key])


@pytest.mark.parametrize(
    ("key", "ours"), [("K", "k"), ("Retriever", "retriever"), ("distractors_seed", "distractor_seed")]
)
def test_keys_that_are_ours_but_for_case_or_a_letter_are_refused(key, ours):
    with pytest.raises(UserError, match=f"{key!r} is a parameter of neither .* did you mean {ours!r}"):
        check_base_keys(RecordingLM, "far", [key])


@pytest.mark.parametrize("key", ["query_prefix", "passage_prefix"])
def test_a_prefix_of_the_embedder_is_said_to_be_set_where_an_index_is_built(key):
    option = key.replace("_", "-")
    with pytest.raises(UserError, match=rf"kinj index build --{option}, .* that kinj did not build takes none"):
        check_base_keys(RecordingLM, "far", [key])


def test_passages_that_repeat_the_text_of_a_better_one_are_counted_and_said(recorder, request_for, tmp_path, caplog):
    texts = ["The water tower of Arvada was painted amber in May 2031."] * 3 + ["Arvada voted."]
    build_index([Chunk(f"c{i}", f"d{i}", t, start=0, end=len(t)) for i, t in enumerate(texts)], tmp_path / "index")
    lm = RagLM(recorder, k=4, index=str(tmp_path / "index"))
    lm.loglikelihood(request_for())
    assert lm.get_model_info()["kinj"]["tasks"]["towers"]["passages_repeated"] == 2
    assert "towers: passages repeated 2" in caplog.text


def test_a_trace_of_an_earlier_run_is_not_overwritten(recorder, tmp_path):
    (tmp_path / "trace.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="a trace belongs to one run"):
        RagLM(recorder, trace=str(tmp_path / "trace.jsonl"))


def test_a_trace_in_a_folder_that_cannot_be_written_is_refused_before_anything_runs(recorder, tmp_path, monkeypatch):
    monkeypatch.setattr("kinj_models.trace.os.access", lambda *_: False)
    with pytest.raises(UserError, match=r"trace=.*: the folder .* cannot be written; name another"):
        RagLM(recorder, trace=str(tmp_path / "trace.jsonl"))


def test_the_query_can_hold_the_options(recorder, request_for, tmp_path):
    trace = tmp_path / "trace.jsonl"
    RagLM(recorder, k=1, query="question+options", trace=str(trace)).loglikelihood(request_for())
    assert json.loads(trace.read_text())["query"].endswith("May 2031?\namber\nblue")


def test_a_filter_keeps_other_chunks_out_and_is_in_the_results(recorder, request_for):
    lm = RagLM(recorder, k=3, filter="document_id:d2+document_id:d1")
    lm.loglikelihood(request_for())
    assert [prompt.count("Passage ") for prompt in sent_prompts(recorder)] == [2, 2]
    said = lm.get_model_info()["kinj"]
    assert said["filter"] == "document_id:d1+document_id:d2"
    assert [index["filter"]["chunks"] for index in said["indexes"].values()] == [2]


def test_a_template_file_words_the_block(recorder, request_for, tmp_path):
    file = tmp_path / "mine.jinja"
    file.write_text("{% for p in passages %}<{{ p.chunk_id }}>{{ p.text }}\n{% endfor %}")
    RagLM(recorder, k=1, template=str(file)).loglikelihood(request_for())
    assert sent_prompts(recorder)[0].startswith("<d0.1>The water tower of Arvada")


def test_a_template_that_leaves_out_the_passage_is_refused(recorder, request_for, tmp_path):
    file = tmp_path / "mine.jinja"
    file.write_text("{% for p in passages %}{{ p.title }}{% endfor %}")
    with pytest.raises(UserError, match="leaves out the text of passage 1"):
        RagLM(recorder, k=1, template=str(file)).loglikelihood(request_for())


def test_a_checkpoint_is_told_by_its_content_not_by_its_path(make_tiny_model, tmp_path):
    import shutil

    from kinj_models.base import choose_base, identity

    def told(folder):
        choice = choose_base("hf", {"pretrained": str(folder), "device": "cpu"})
        return identity(choice, choice.load())

    one, other = make_tiny_model(seed=3), make_tiny_model(seed=4)
    shutil.copytree(one, tmp_path / "moved")
    assert told(one) == told(tmp_path / "moved")
    assert told(one) != told(other)


def test_a_server_model_that_is_called_as_a_folder_without_a_model_is_told_by_its_name(recorder, tmp_path):
    from kinj_models.base import BaseChoice, identity

    assert identity(BaseChoice("api", recorder, {"model": str(tmp_path)}), recorder)["model"] == str(tmp_path)


def test_the_demo_model_in_a_folder_is_told_by_its_fingerprint_too_and_on_the_hub_by_its_label(recorder, tiny_model):
    from kinj.checkpoint import fingerprint
    from kinj.hub.find import DemoModel
    from kinj_models.base import BaseChoice, identity

    for arguments, expected in (
        ({"pretrained": str(tiny_model)}, {"pretrained": {"fingerprint": fingerprint(tiny_model)}}),
        ({"pretrained": "owner/name", "revision": "abc"}, {}),
    ):
        choice = BaseChoice("hf", recorder, arguments, DemoModel(arguments, "the demo"))
        assert identity(choice, recorder) == {"base": "hf", "model": "the demo", **expected}


def test_results_say_the_benchmark_of_each_task_and_nothing_of_other_data_sets(recorder, request_for, collection):
    from kinj.benchmark import register

    lm = RagLM(recorder, retriever="none")
    lm.loglikelihood(
        [
            *request_for(split="dev"),
            *request_for(task="unknown", benchmark_sha256="0" * 64),
            *request_for(task="foreign", benchmark="current_events", benchmark_sha256=None, split="dev"),
        ]
    )
    tasks = lm.get_model_info()["kinj"]["tasks"]
    sha256 = register(collection).sha256
    assert tasks["towers"]["benchmark"] == {"name": "towers", "version": "", "sha256": sha256}
    assert tasks["towers"]["split"] == "dev"
    assert tasks["unknown"]["benchmark"] == {"name": "towers", "version": None, "sha256": "0" * 64}
    assert not {"benchmark", "split"} & set(tasks["foreign"])


def test_a_checkpoint_of_kinj_train_says_its_training_also_by_its_adapter(recorder, tmp_path):
    from kinj_models.base import BaseChoice, manifest_of, training_of

    (tmp_path / "out" / "adapter").mkdir(parents=True)
    manifest = {"made_by": "kinj train", "arm": "raw", "steps": 3, "threads": 2, "base": {"name": "b", "files": 1}}
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    expected = {"arm": "raw", "base": {"name": "b"}, "steps": 3}
    for arguments in (
        {"pretrained": str(tmp_path / "out")},
        {"pretrained": str(tmp_path), "subfolder": "out"},
        {"pretrained": "some/base", "peft": str(tmp_path / "out" / "adapter")},
    ):
        assert training_of(manifest_of(BaseChoice("hf", recorder, arguments))) == expected
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({**manifest, "made_by": "somebody"}))
    assert training_of(manifest_of(BaseChoice("hf", recorder, {"pretrained": str(tmp_path / "out")}))) is None


def test_a_second_run_of_one_model_has_seconds_and_tokens_of_its_own(tiny_model, request_for):
    lm = RagLM(pretrained=str(tiny_model), device="cpu", k=1)
    infos = []
    for _ in range(2):
        lm.loglikelihood(request_for())
        infos.append(lm.get_model_info()["kinj"])
    assert infos[0]["tokens"] == infos[1]["tokens"]
    assert infos[0]["tokens"]["computed"] > 0
    lm.loglikelihood(request_for("Belmont", 1))
    more = lm.get_model_info()["kinj"]
    assert more["tokens"]["computed"] > infos[1]["tokens"]["computed"]
    for kind in ("retrieving", "scoring"):
        assert more["seconds"][kind] > infos[1]["seconds"][kind] > 0


def test_without_shared_prefixes_results_count_no_tokens(tiny_model, request_for):
    lm = RagLM(pretrained=str(tiny_model), device="cpu", retriever="none", share_prefixes=False)
    lm.loglikelihood(request_for())
    info = lm.get_model_info()["kinj"]
    assert "tokens" not in info
    assert info["seconds"]["retrieving"] == 0 < info["seconds"]["scoring"]


def test_two_rows_of_one_number_never_share_passages(recorder, request_for):
    with pytest.raises(ValueError, match="two rows of task towers have the number 0"):
        RagLM(recorder, k=1).loglikelihood([*request_for("Arvada", 0), *request_for("Belmont", 0)])


COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture
def hub_model(tiny_model, tmp_path, monkeypatch):
    """Puts the tiny model into a hub's cache under that commit, as what `main` is now."""

    def put(commit):
        folder = tmp_path / "hub" / "models--owner--tiny"
        shutil.copytree(tiny_model, folder / "snapshots" / commit)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(commit)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return put


def test_a_hub_model_is_told_by_its_commit(hub_model):
    told = []
    for commit in COMMITS:
        hub_model(commit)
        lm = RagLM("hf", pretrained="owner/tiny", retriever="none", device="cpu")
        told.append(lm.get_model_info()["kinj"]["base"])
    assert [one["commit"] for one in told] == list(COMMITS)
    assert told[0]["pretrained"] == told[1]["pretrained"] == "owner/tiny"


def test_answers_of_a_hub_model_of_unknown_commit_are_not_kept(recorder):
    told = {"base": "vllm", "pretrained": "owner/elsewhere", "commit": None}
    with pytest.raises(UserError, match=r"the commit of pretrained=owner/elsewhere is not in the hub's cache"):
        refuse_unknown_commit(told)
    refuse_unknown_commit({"base": "hf", "pretrained": "owner/tiny", "commit": COMMITS[0], "peft": {"fingerprint": ""}})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": 2023.1}, r"index=2023\.1: lm-eval's parser takes what looks like a number for one .* as \./NAME"),
        ({"trace": 7}, "trace=7: lm-eval's parser"),
        ({"trace": "runs/Bob's.jsonl,share_prefixes=false"}, "holds ',share_prefixes=': after an apostrophe"),
        ({"filter": "title:The President's plan,k=1"}, "holds ',k=': after an apostrophe"),
    ],
)
def test_what_lm_evals_parser_made_something_else_of_is_refused(recorder, arguments, message):
    with pytest.raises(UserError, match=message):
        RagLM(recorder, **arguments)


def test_without_a_device_the_best_there_is_computes(tiny_model):
    lm = RagLM("hf", pretrained=str(tiny_model), retriever="none")
    assert lm.base.device.type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize(
    ("arguments", "unread"),
    [
        ({"retriever": "none", "k": 3, "index": "somewhere"}, "retriever=none does not read k, index"),
        ({"retriever": None, "order": "best_last"}, "retriever=none does not read order"),
        ({"embedder": "some/model", "k": 1}, "retriever=bm25 does not read embedder"),
        ({"retriever": "gold", "distractor_seed": 1}, "retriever=gold does not read distractor_seed"),
        ({"retriever": "gold+distractors", "distractor_seed": 1, "k": 2}, None),
        ({"retriever": "all", "k": 3}, "retriever=all does not read k"),
        ({"retriever": "none", "trace": "t.jsonl", "share_prefixes": False}, None),
    ],
)
def test_settings_that_the_retriever_does_not_read_are_said(recorder, arguments, unread, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("WARNING", logger="lm_eval.kinj"):
        RagLM(recorder, **arguments)
    assert [m for m in caplog.messages if "does not read" in m] == ([f"kinj_rag: {unread}"] if unread else [])


def test_a_closed_book_trace_neither_finds_nor_misses(recorder, request_for, tmp_path):
    RagLM(recorder, retriever="none", trace=str(tmp_path / "t.jsonl")).loglikelihood(request_for(chunk_ids=["d0.1"]))
    line = json.loads((tmp_path / "t.jsonl").read_text())
    assert (line["gold_chunk_ids"], line["gold_found"]) == (["d0.1"], None)


def test_a_base_that_is_an_unfinished_training_says_how_to_go_on(tmp_path):
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(UserError, match="not finished: its `kinj train` command, typed again"):
        RagLM("hf", pretrained=str(tmp_path), retriever="none").base  # noqa: B018  # loads it


def test_of_a_model_spread_over_processes_one_writes_the_trace(recorder, request_for, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    RagLM(recorder, k=1, trace=str(tmp_path / "t.jsonl")).loglikelihood(request_for())
    assert not list(tmp_path.glob("*.jsonl"))
    monkeypatch.setenv("RANK", "0")
    RagLM(recorder, k=1, trace=str(tmp_path / "t.jsonl")).loglikelihood(request_for())
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 1
