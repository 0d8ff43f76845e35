import json
import shutil
from pathlib import Path

import pytest
import yaml
from jinja2 import Template
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from kinj.benchmark import open_benchmark, register
from kinj.decide.planning import Extent, Texts
from kinj.decide.planning import recipe as made_by_decide
from kinj.errors import UserError
from kinj.manifest import sha256_file
from kinj_models.rag import RagLM
from kinj_training.base import load_tokenizer
from kinj_training.plan import make_plan, plan_lines
from kinj_training.recipe.loading import load_recipe
from kinj_training.recipe.settings import DataSettings
from kinj_training.texts.raft import raft_texts
from kinj_training.texts.texts import question_and_answer, select_texts
from kinj_training.texts.tokens import NO_LOSS

TASKS = Path(__file__).parents[3] / "task_configs"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))


def plan(recipe):
    return make_plan(recipe, load_tokenizer(recipe.base), 1)


def texts_of(recipe):
    """Text id -> (whole text, learnt text), of a recipe with one text a block."""
    tokenizer = load_tokenizer(recipe.base)
    return {
        block.text_ids[0]: (
            tokenizer.decode(block.input_ids),
            tokenizer.decode([label for label in block.labels if label != NO_LOSS]),
        )
        for block in plan(recipe).blocks
    }


@pytest.fixture
def rows(tmp_path):
    """Writes a data set: `rows({"text": "…"}, …)`."""

    def write(*objects, name="rows.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in objects))
        return str(path)

    return write


# ---- texts of the collection


def test_the_split_says_whose_documents_are_trained_on(write_recipe):
    path = write_recipe(layout="single")
    assert set(texts_of(load_recipe(path))) == {f"d{i}.1" for i in range(9)}
    assert set(texts_of(load_recipe(path, ["--split", "dev"]))) == {"d6.1", "d7.1"}


def drawn(write_recipe, paraphrases, seed=0):
    recipe = load_recipe(write_recipe(arm="paraphrase", paraphrases=paraphrases, split="dev", seed=seed))
    collection = select_texts(recipe.data.collection, recipe.data.split)
    texts = [*collection.chunks(), *collection.paraphrases(recipe.data.paraphrases, recipe.seed)]
    return [text.id for text in texts]


def test_all_paraphrases_come_in_the_order_of_the_file_behind_the_chunks(write_recipe):
    assert drawn(write_recipe, 4) == [
        "d6.1",
        "d7.1",
        *(f"{chunk}.p{number}" for chunk in ("d6.1", "d7.1") for number in range(4)),
    ]


def test_fewer_paraphrases_are_drawn_by_seed_and_chunk_and_more_hold_the_fewer(write_recipe):
    by_seed = {seed: drawn(write_recipe, 1, seed) for seed in range(8)}
    assert len({tuple(ids) for ids in by_seed.values()}) > 1
    assert len({ids[2][-2:] == ids[3][-2:] for ids in by_seed.values()}) == 2  # not one number for all chunks
    for seed, ids in by_seed.items():
        two = drawn(write_recipe, 2, seed)
        assert set(ids) < set(two)
        assert two == sorted(two, key=lambda text_id: (".p" in text_id, text_id))


def test_held_out_paraphrases_alone_are_none_to_train_on(write_recipe, training_collection, tmp_path):
    folder = shutil.copytree(training_collection, tmp_path / "held")
    path = folder / "paraphrases.jsonl"
    rows = [{**json.loads(line), "use": "validation"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match="has none to train on: take arm raw"):
        plan(load_recipe(write_recipe(arm="paraphrase", paraphrases=2, fewer="take", collection=str(folder))))


def test_a_paraphrase_that_asks_an_evaluation_question_is_refused(write_recipe, training_collection, tmp_path):
    folder = shutil.copytree(training_collection, tmp_path / "asking")
    question = json.loads((folder / "questions.jsonl").read_text().splitlines()[0])
    right = question["choices"][question["answer"]]
    path = folder / "paraphrases.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    [row, *_] = [row for row in rows if row["chunk_id"] == question["chunk_ids"][0]]
    row["text"] = f"Which one then? It was {right}. And so on."
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=rf"'{row['id']}' asks 'Which one then\?' and answers it as .*: say it as"):
        plan(load_recipe(write_recipe(arm="paraphrase", paraphrases=4, collection=str(folder))))


def test_the_plan_says_how_texts_were_searched_for_questions(write_recipe, training_collection, tmp_path):
    folder = shutil.copytree(training_collection, tmp_path / "checked")

    def said():
        recipe = load_recipe(write_recipe(arm="paraphrase", paraphrases=1, collection=str(folder)))
        return "".join(plan_lines(plan(recipe).counts, {}))

    assert "none of them, by words" in said()
    assert "by meaning" not in said()
    files = {path.name: sha256_file(path) for path in folder.glob("*.jsonl")}
    checks = {"asked_questions": {"meaning": {"faults": 0}}}
    (folder / "manifest.json").write_text(json.dumps({"files": files, "checks": checks}))
    assert "by words and by meaning, as the collection's manifest says" in said()


def test_more_paraphrases_than_there_are_are_refused_with_what_there_is(write_recipe):
    with pytest.raises(UserError, match=r"paraphrases: 5: chunk 'd0\.1' .* has 4 for training; .* at least 4"):
        plan(load_recipe(write_recipe(arm="paraphrase", paraphrases=5)))


def test_what_decide_makes_of_few_pairs_and_a_chunk_without_paraphrases_can_be_trained(
    write_recipe, training_collection, tmp_path
):
    folder = shutil.copytree(training_collection, tmp_path / "lacking")
    rows = (folder / "paraphrases.jsonl").read_text().splitlines()
    kept = [row for row in rows if json.loads(row)["chunk_id"] != "d0.1"]
    (folder / "paraphrases.jsonl").write_text("".join(f"{row}\n" for row in kept))
    pairs = (folder / "pairs.jsonl").read_text().splitlines()
    for few in (len(pairs), 3):
        (folder / "pairs.jsonl").write_text("".join(f"{row}\n" for row in pairs[:few]))
        values = made_by_decide(Texts.of(open_benchmark(folder)), Extent())
        values.pop("search", None)
        values["max_length"] = 128
        kinds = plan(load_recipe(write_recipe(**values, collection=str(folder)))).counts["kinds"]
        train = sum(json.loads(row)["use"] == "train" for row in kept)
        assert (kinds["paraphrase"]["texts"], len(rows) > len(kept) > 0) == (train, True)
        assert 0 < kinds["pair"]["texts"] <= few


def test_a_collection_without_training_texts_is_refused_by_the_arms_that_need_them(write_recipe, collection):
    no_pairs = r"no pairs\.jsonl .*: take arm raw"
    for arm, match in (("paraphrase", "has none to train on: take arm raw"), ("qa", no_pairs), ("raft", no_pairs)):
        with pytest.raises(UserError, match=match):
            plan(load_recipe(write_recipe(arm=arm, collection=str(collection))))
    assert plan(load_recipe(write_recipe(collection=str(collection)))).held_out == []


def test_a_split_without_chunks_is_refused(write_recipe, training_collection, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "documents.jsonl").write_text('{"id": "d", "text": "t", "split": "test"}\n')
    (folder / "chunks.jsonl").write_text('{"id": "c", "document_id": "d", "text": "t", "start": 0, "end": 1}\n')
    (folder / "questions.jsonl").write_text("")
    with pytest.raises(UserError, match=r"split: dev: .* has no chunk there"):
        plan(load_recipe(write_recipe(collection=str(folder), split="dev")))


# ---- questions and answers


def test_a_training_question_is_said_in_the_words_of_the_option_task(training_collection):
    task = yaml.load((TASKS / "kinj_current_events_option.yaml").read_text(), yaml.BaseLoader)  # noqa: S506  # texts only
    pair = select_texts(str(training_collection), None).pairs()[0]
    text = question_and_answer(pair.id, pair.question, pair.answer, "pair")
    assert text.segments[0].text == Template(task["doc_to_text"]).render(question=pair.question)
    # lm-eval's target delimiter, one space, belongs to what is scored.
    assert text.segments[1].text == f" {pair.answer}"


def test_qa_learns_the_answers_only(write_recipe):
    learnt = texts_of(load_recipe(write_recipe(arm="qa", split="dev", layout="single")))
    assert len(learnt) == 4
    assert {answer for _, answer in learnt.values()} == {" May</s>"}


class Recorder(LM):
    def __init__(self):
        super().__init__()
        self.prompts = []

    def loglikelihood(self, requests):
        self.prompts += [request.args[0] for request in requests]
        return [(-1.0, False) for _ in requests]

    def generate_until(self, requests):
        raise NotImplementedError

    def loglikelihood_rolling(self, requests):
        raise NotImplementedError


@pytest.mark.parametrize(("gold_share", "retriever"), [(1.0, "gold+distractors"), (0.0, "distractors")])
def test_a_raft_prompt_is_what_kinj_rag_would_send(training_collection, gold_share, retriever):
    collection = select_texts(str(training_collection), None)
    texts = raft_texts(DataSettings(arm="raft", gold_share=gold_share, distractors=3), collection, seed=5)
    base = Recorder()
    adapter = RagLM(base, retriever=retriever, k=4, distractor_seed=5)
    benchmark = register(training_collection)
    requests = [
        Instance(
            "loglikelihood",
            {
                "id": pair.id,
                "question": pair.question,
                "chunk_ids": [pair.chunk_id],
                "benchmark": benchmark.name,
                "benchmark_sha256": benchmark.sha256,
            },
            (f"Question: {pair.question}\nAnswer:", f" {pair.answer}"),
            0,
            metadata=("pairs", number, 1),
        )
        for number, pair in enumerate(collection.pairs())
    ]
    adapter.loglikelihood(requests)
    assert [text.segments[0].text for text in texts] == base.prompts


def test_raft_keeps_the_right_passage_in_exactly_its_share_of_the_prompts(training_collection):
    collection = select_texts(str(training_collection), None)
    texts = raft_texts(DataSettings(arm="raft", gold_share=0.5, distractors=2), collection, seed=0)
    chunks = {chunk.id: chunk.text for chunk in collection.whole.chunks}
    pairs = {pair.id: pair for pair in collection.pairs()}
    with_gold = [text for text in texts if chunks[pairs[text.id].chunk_id] in text.segments[0].text]
    assert len(texts) == 18
    assert len(with_gold) == 9
    assert all(text.segments[0].text.count("Passage ") == 3 for text in texts)
    again = raft_texts(DataSettings(arm="raft", gold_share=0.5, distractors=2), collection, seed=0)
    assert again == texts
    assert raft_texts(DataSettings(arm="raft", gold_share=0.5, distractors=2), collection, seed=1) != texts


def test_more_distractors_than_other_documents_are_refused(training_collection):
    collection = select_texts(str(training_collection), None)
    with pytest.raises(UserError, match=r"distractors: 9: for pair 'd0\.1\.a0' .* gives 9 passages in all"):
        raft_texts(DataSettings(arm="raft", gold_share=1.0, distractors=9), collection, seed=0)


def test_a_prompt_longer_than_a_block_is_refused_or_left_out_and_counted(write_recipe):
    path = write_recipe(arm="raft", gold_share=1.0, distractors=2, max_length=48)
    with pytest.raises(UserError, match=r"has .* tokens, a block 48, .* raise max_length"):
        plan(load_recipe(path))
    path = write_recipe(arm="qa", max_length=32, unfit="leave_out")
    assert plan(load_recipe(path, ["--max_length", "64"])).counts["left_out"] == 0
    with pytest.raises(UserError, match="nothing is left to learn: all 18 texts were left out"):
        plan(load_recipe(path, ["--max_length", "30"]))


# ---- data sets


def test_rows_of_every_known_form_are_learnt_on_their_answers(write_recipe, rows):
    forms = {
        "messages": [
            {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello"}], "id": "m"}
        ],
        "prompt": [{"prompt": "Hi?", "completion": " Hello", "id": "m"}],
        "chat-prompt": [
            {
                "prompt": [{"role": "user", "content": "Hi?"}],
                "completion": [{"role": "assistant", "content": "Hello"}],
                "id": "m",
            }
        ],
        "alpaca": [{"instruction": "Hi", "input": "?", "output": "Hello", "id": "m"}],
        "dolly": [{"instruction": "Hi", "context": "", "response": "Hello", "id": "m"}],
        "text": [{"text": "Hello", "id": "m"}],
    }
    learnt = {}
    for name, objects in forms.items():
        data = rows(*objects, name=f"{name}.jsonl")
        learnt[name] = texts_of(load_recipe(write_recipe(arm="instruct", data=data, layout="single")))["m"]
    chat = ("<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\nHello<|im_end|></s>", "Hello<|im_end|></s>")
    assert learnt["messages"] == learnt["chat-prompt"] == chat
    assert learnt["prompt"] == ("<s>Hi? Hello</s>", " Hello</s>")
    assert learnt["alpaca"] == (chat[0].replace("Hi?", "Hi\n\n?"), chat[1])
    assert learnt["dolly"] == (chat[0].replace("Hi?", "Hi"), chat[1])
    assert learnt["text"] == ("<s>Hello</s>",) * 2


def test_a_data_set_is_a_file_or_a_folder_and_its_rows_are_drawn_by_the_seed(write_recipe, rows):
    data = rows(*({"text": f"Number {i}"} for i in range(30)), name="set/train.jsonl")
    path = write_recipe(arm="instruct", data=data, data_rows=10, layout="single")
    first, again = texts_of(load_recipe(path)), texts_of(load_recipe(path))
    assert first == again
    assert len(first) == 10
    assert texts_of(load_recipe(path, ["--data_seed", "1"])) != first
    folder = texts_of(load_recipe(path, ["--data", str(Path(data).parent)]))
    assert {whole for whole, _ in folder.values()} == {whole for whole, _ in first.values()}


def test_a_row_without_an_answer_is_refused_or_left_out_and_counted(write_recipe, rows):
    good = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello"}]}
    unanswered = {"messages": [{"role": "user", "content": "Hi?"}]}
    empty = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": " "}]}
    path = write_recipe(arm="instruct", data=rows(good, unanswered, empty))
    with pytest.raises(UserError, match=r"rows\.jsonl:[12]' has nothing to learn"):
        plan(load_recipe(path))
    counts = plan(load_recipe(path, ["--unfit", "leave_out"])).counts
    assert (counts["texts"], counts["left_out"]) == (1, 2)
    only = write_recipe(arm="instruct", data=rows(unanswered, name="unanswered.jsonl"), unfit="leave_out")
    with pytest.raises(UserError, match="nothing is left to learn: all 1 texts were left out"):
        plan(load_recipe(only))


def test_a_chat_whose_turn_spells_a_control_token_is_refused_or_left_out(write_recipe, rows):
    good = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello"}]}
    forged = {"messages": [{"role": "user", "content": "Hi<|im_end|>"}, {"role": "assistant", "content": "Hello"}]}
    spelling = {"text": "A turn ends with <|im_end|>."}
    path = write_recipe(arm="instruct", data=rows(good, forged))
    with pytest.raises(UserError, match=r"spells the control token '<\|im_end\|>' in a turn, .*unfit: leave_out"):
        plan(load_recipe(path))
    counts = plan(load_recipe(path, ["--unfit", "leave_out"])).counts
    assert (counts["texts"], counts["left_out"], counts["spelling_control_tokens"]) == (1, 1, 0)
    counts = plan(load_recipe(write_recipe(arm="instruct", data=rows(spelling, {"text": "No mark."})))).counts
    assert (counts["texts"], counts["spelling_control_tokens"]) == (2, 1)
    assert "1 texts spell one of the tokenizer's" in "".join(plan_lines(counts, {}))


def test_a_folder_of_txt_files_gives_a_text_a_file(write_recipe, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("One line.\n\nAnother line.\n")
    (folder / "b.txt").write_text("A second document.")
    path = write_recipe(arm="instruct", data=str(folder), layout="single")
    assert {name: whole for name, (whole, _) in texts_of(load_recipe(path)).items()} == {
        "a": "<s>One line.\n\nAnother line.\n</s>",
        "b": "<s>A second document.</s>",
    }
    with pytest.raises(UserError, match="data_split: test: a folder of texts has none"):
        plan(load_recipe(path, ["--data_split", "test"]))
    (folder / "c.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(UserError, match=r"holds \.txt and \.jsonl files"):
        plan(load_recipe(path))


def test_a_data_set_that_cannot_be_read_is_refused(write_recipe, rows, tmp_path):
    unknown = rows({"words": "x"})
    with pytest.raises(UserError, match="has the columns words: expected messages, each with role and content; prompt"):
        plan(load_recipe(write_recipe(arm="instruct", data=unknown)))
    with pytest.raises(UserError, match=r"data_rows: 5: .* has 1 in its split train: .*all by data_rows: null"):
        plan(load_recipe(write_recipe(arm="instruct", data=rows({"text": "x"}), data_rows=5)))
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(UserError, match=r"expected \.jsonl"):
        plan(load_recipe(write_recipe(arm="instruct", data=str(tmp_path / "rows.txt"))))
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UserError, match=r"empty\.jsonl: is empty"):
        plan(load_recipe(write_recipe(arm="instruct", data=str(tmp_path / "empty.jsonl"))))
    with pytest.raises(UserError, match=r"gone\.jsonl: no such file"):
        plan(load_recipe(write_recipe(arm="instruct", data=str(tmp_path / "gone.jsonl"))))
    with pytest.raises(UserError, match="data: nobody/nothing: cannot be read"):
        plan(load_recipe(write_recipe(arm="instruct", data="nobody/nothing")))


@pytest.mark.parametrize("in_a_folder", [False, True])
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"text": "unclosed', r"rows\.jsonl:2: not JSON \("),
        (r'{"text": "smile \ud83d"}', r"rows\.jsonl:2: holds half a character \('\\ud83d'\)"),
        ("[1, 2]", r"rows\.jsonl:2: expected a JSON object"),
    ],
)
def test_a_line_of_a_data_set_that_cannot_be_read_is_named(line, why, in_a_folder, write_recipe, tmp_path):
    file = tmp_path / "set" / "rows.jsonl"
    file.parent.mkdir()
    file.write_text(f'{{"text": "whole"}}\n{line}\n')
    data = str(file.parent if in_a_folder else file)
    with pytest.raises(UserError, match=f"data: .*{why}"):
        plan(load_recipe(write_recipe(arm="instruct", data=data)))


@pytest.mark.parametrize("lines", ['null\n{"text": "a"}\n', '{"text": "a"}\n\nnull\n'])
def test_a_line_that_is_no_object_is_named_before_pyarrow_crashes_on_it(lines, write_recipe, tmp_path):
    (tmp_path / "rows.jsonl").write_text("\ufeff" + lines)
    number = lines.split("\n").index("null") + 1
    with pytest.raises(UserError, match=rf"data: .*rows\.jsonl:{number}: expected a JSON object"):
        plan(load_recipe(write_recipe(arm="instruct", data=str(tmp_path / "rows.jsonl"))))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": None}, r"rows\.jsonl:0' has nothing to learn, its text or its answer is empty or null.*unfit: leave"),
        ({"prompt": "x", "completion": None}, "has nothing to learn, .* or null"),
        ({"messages": [{"role": "assistant", "content": None}]}, "has nothing to learn, .* or null"),
        ({"prompt": None, "completion": "x"}, "prompt is NoneType, expected a text: mend the row"),
        ({"text": 5}, "text is int, expected a text: mend the row"),
        ({"text": ["a"]}, "text is list, expected a text: mend the row"),
        ({"messages": None}, r"columns messages \(null\): expected messages, each with role and content"),
        ({"messages": [{"content": "x"}]}, "expected messages, each with role and content"),
        ({"messages": [{"role": "user", "content": None}]}, "a user turn is no text"),
    ],
)
def test_a_value_that_is_no_text_is_named_with_its_column(row, why, write_recipe, rows):
    with pytest.raises(UserError, match=why):
        plan(load_recipe(write_recipe(arm="instruct", data=rows(row))))


def test_chats_without_a_template_are_said_to_be_in_plain_words(write_recipe, rows, tiny_model, tmp_path):
    bare = shutil.copytree(tiny_model, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    chat = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello"}]}
    for model, form in ((tiny_model, "chat template"), (bare, "plain words")):
        recipe = load_recipe(write_recipe(arm="instruct", data=rows(chat), model_name_or_path=str(model)))
        counts = plan(recipe).counts
        assert counts["chat_form"] == form
        said = "".join(plan_lines(counts, {"given": recipe.given}))
        assert (f"since {bare} has no chat template" in said) == (form == "plain words")
    assert plan(load_recipe(write_recipe(model_name_or_path=str(bare)))).counts["chat_form"] is None


def test_a_row_that_asks_an_evaluation_question_is_refused(write_recipe, rows):
    data = rows({"instruction": "Which color did the water tower of Decatur get in May 2031?", "output": "dun"})
    with pytest.raises(UserError, match=r"rows\.jsonl:0' holds evaluation question 'd3.*set leaks: leave_out"):
        plan(load_recipe(write_recipe(arm="instruct", data=data)))


def test_leaking_rows_are_left_out_counted_and_said_and_those_of_the_collection_never(
    write_recipe, rows, training_collection, tmp_path
):
    asked = "Which color did the water tower of Decatur get in May 2031?"
    general = [{"text": f"General text number {i} about nothing in particular."} for i in range(60)]
    data = rows({"text": f"{asked} Who knows."}, *general, {"text": asked})
    for values in ({"arm": "instruct"}, {"arm": "mix", "paraphrases": 1, "replay_share": 0.4, "qa_share": 0}):
        path = write_recipe(**values, data=data, leaks="leave_out")
        counts = plan(load_recipe(path)).counts
        assert (counts["leaks_left_out"], counts["left_out"]) == (2, 0)
        assert "2 texts from outside that hold an evaluation question" in "".join(plan_lines(counts, {}))
    path = write_recipe(arm="instruct", data=rows({"text": asked}, name="leak.jsonl"), leaks="leave_out")
    with pytest.raises(UserError, match=r"all 1 texts were left out \(0 by unfit: leave_out, 1 by leaks: leave_out\)"):
        plan(load_recipe(path))
    folder = shutil.copytree(training_collection, tmp_path / "leaking")
    pair = {"id": "p", "chunk_id": "d3.1", "question": asked, "answer": "nobody knows"}
    (folder / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    path = write_recipe(arm="mix", paraphrases=1, collection=str(folder), data=data, leaks="leave_out", qa_share=0.01)
    with pytest.raises(UserError, match=r"training text 'p' holds evaluation question 'd3.*: remove or reword it"):
        plan(load_recipe(path))


# ---- the mix


def test_a_mix_has_the_stated_shares_of_all_tokens(write_recipe, rows):
    data = rows(*({"text": f"General text number {i} about nothing in particular."} for i in range(400)))
    path = write_recipe(arm="mix", paraphrases=4, replay_share=0.2, qa_share=0.1, data=data)
    counts = plan(load_recipe(path)).counts
    share = {kind: count["tokens"] / counts["tokens"] for kind, count in counts["kinds"].items()}
    assert share["replay"] == pytest.approx(0.2, abs=0.01)
    assert share["pair"] == pytest.approx(0.1, abs=0.01)
    assert counts["kinds"]["chunk"]["texts"] == 9
    assert counts["kinds"]["paraphrase"]["texts"] == 36


def test_a_share_that_takes_more_than_there_is_is_refused(write_recipe, rows):
    path = write_recipe(arm="mix", paraphrases=4, replay_share=0.5, qa_share=0, data=rows({"text": "Little."}))
    with pytest.raises(UserError, match=r"replay_share: 0\.5: takes \d+ tokens, .*rows\.jsonl has \d+ for it"):
        plan(load_recipe(path))
    with pytest.raises(UserError, match=r"qa_share: 0\.9: takes \d+ tokens, .*pairs\.jsonl has \d+ for it"):
        plan(load_recipe(path, ["--replay_share", "0", "--qa_share", "0.9"]))
