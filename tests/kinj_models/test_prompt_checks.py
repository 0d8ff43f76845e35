import logging
import shutil
from datetime import datetime

import pytest
from lm_eval.api.instance import Instance

from kinj.benchmark import register
from kinj_models import RagLM
from kinj_models.prompt_checks import control_tokens

TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TURNS
DATE = "{% if date_string is not defined %}{% set date_string = strftime_now('%d %B %Y') %}{% endif %}"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question: Which color has Ithaca?"}]


@pytest.fixture
def with_template(tiny_model, tmp_path):
    """A copy of the tiny model with another chat template."""

    def make(template):
        folder = shutil.copytree(tiny_model, tmp_path / "model")
        (folder / "chat_template.jinja").write_text(template)
        return str(folder)

    return make


@pytest.fixture
def lines(caplog):
    """What the log has been told so far, lm-eval's own warnings among it."""
    caplog.set_level(logging.WARNING)
    return lambda part: [text for record in caplog.records if part in (text := record.getMessage())]


def told(lm):
    return lm.get_model_info()["kinj"]


# ---- control tokens


@pytest.fixture
def spelling(collection, tmp_path):
    """The row's fields of a copy of the benchmark whose text about Arvada spells a control token."""
    folder = shutil.copytree(collection, tmp_path / "spelling")
    for name in ("chunks", "documents"):
        text = (folder / f"{name}.jsonl").read_text()
        (folder / f"{name}.jsonl").write_text(text.replace("Arvada had voted for it.", "Arvada <|im_end|> voted."))
    benchmark = register(folder)
    return {"benchmark": benchmark.name, "benchmark_sha256": benchmark.sha256}


def test_sent_passages_that_spell_a_control_token_are_counted_and_said_once(tiny_model, spelling, request_for, lines):
    lm = RagLM(pretrained=str(tiny_model), device="cpu", k=2)
    lm.loglikelihood([*request_for("Arvada", 0, **spelling), *request_for("Belmont", 1, **spelling)])
    counts = told(lm)["tasks"]["towers"]
    assert lm.base.tok_encode("a <|im_end|> b").count(lm.base.tokenizer.convert_tokens_to_ids("<|im_end|>")) == 1
    assert counts["questions_with_control_tokens"] == 0
    assert 1 <= counts["passages_with_control_tokens"] <= 2
    [line] = lines("control token")
    assert "passage d0.1 holds <|im_end|>, which the base's tokenizer reads as a control token" in line


def test_a_passage_that_was_found_and_not_sent_is_not_counted(make_tiny_model, spelling, request_for):
    small = make_tiny_model(max_position_embeddings=40)
    lm = RagLM(pretrained=str(small), device="cpu", k=1)
    lm.loglikelihood(request_for(**spelling))
    counts = told(lm)["tasks"]["towers"]
    assert (counts["passages_dropped"], counts["passages_with_control_tokens"]) == (1, 0)


def test_questions_and_options_that_spell_one_are_counted_closed_book_too(tiny_model, request_for, lines):
    lm = RagLM(pretrained=str(tiny_model), device="cpu", retriever="none")
    rows = [request_for("Arvada", 0), request_for("Belmont", 1, choices=["</s>", "blue"]), request_for("Fresno", 2)]
    for request in rows[0]:
        request.doc["question"] += " <s>"
    lm.loglikelihood([request for row in rows for request in row])
    counts = told(lm)["tasks"]["towers"]
    assert counts["questions_with_control_tokens"] == 2
    assert "passages_with_control_tokens" not in counts
    assert "question q0 holds <s>" in lines("control token")[0]


def test_a_base_without_a_tokenizer_counts_none(recorder, windowed, request_for):
    for base in (recorder, windowed(500)):
        lm = RagLM(base, k=1)
        lm.loglikelihood(request_for())
        assert not any("control_tokens" in key for key in told(lm)["tasks"]["towers"])


def test_added_tokens_count_where_the_chat_template_prints_them_and_none_where_all_are_split(tiny_tokenizer):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer)
    tokenizer.add_tokens(["<tool>", "    "])
    assert control_tokens(tokenizer).search("a    b <tool> c") is None
    tokenizer.chat_template += "<tool>"
    assert control_tokens(tokenizer).search("a    b <tool> c")[0] == "<tool>"
    tokenizer.split_special_tokens = True
    assert control_tokens(tokenizer).search("a <tool> </s>") is None


# ---- chat templates


@pytest.mark.parametrize("settings", [{"retriever": "none"}, {"k": 1}, {"k": 1, "placement": "question"}], ids=str)
def test_a_system_turn_that_the_template_does_not_know_is_said_once_and_in_results(with_template, lines, settings):
    lm = RagLM(pretrained=with_template(NO_SYSTEM), device="cpu", **settings)
    prompts = [lm.apply_chat_template(CHAT) for _ in range(3)]
    assert all("Be brief." not in prompt and "Which color has Ithaca?" in prompt for prompt in prompts)
    assert prompts == [lm.apply_chat_template(CHAT[1:])] * 3
    assert told(lm)["system_dropped"] is True
    assert len(lines("has no system turn")) == 1
    assert len(lines("removing the system role")) == 1


def test_a_system_turn_that_is_sent_is_not_said_to_be_dropped(with_template, lines):
    lm = RagLM(pretrained=with_template(TURNS), device="cpu", k=1)
    assert "Be brief." in lm.apply_chat_template(CHAT)
    assert told(lm)["system_dropped"] is False
    assert lines("system") == []


def test_without_a_system_turn_results_say_nothing_of_it(with_template):
    lm = RagLM(pretrained=with_template(NO_SYSTEM), device="cpu", k=1)
    lm.apply_chat_template(CHAT[1:])
    assert "system_dropped" not in told(lm)


def test_a_template_that_prints_todays_date_is_said_once_with_the_date_in_results(with_template, lines):
    lm = RagLM(pretrained=with_template(DATE + "Today: {{ date_string }}\n" + TURNS), device="cpu", k=1)
    before = datetime.now()
    prompts = [lm.apply_chat_template(CHAT) for _ in range(2)]
    [date] = told(lm)["dates_in_prompts"]
    assert date in {day.strftime("%d %B %Y") for day in (before, datetime.now())}
    assert all(f"Today: {date}\n" in prompt for prompt in prompts)
    [line] = lines("today's date")
    assert date in line


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        (TURNS, {}),
        ("Today: 26 Jul 2024\n" + TURNS, {}),
        (DATE + "Today: {{ date_string }}\n" + TURNS, {"chat_template_args": {"date_string": "26 Jul 2024"}}),
        ("{% set unused = strftime_now('%d %B %Y') %}" + TURNS, {}),
    ],
)
def test_a_template_without_a_date_or_with_a_fixed_one_is_no_trouble(with_template, lines, template, arguments):
    lm = RagLM(pretrained=with_template(template), device="cpu", k=1, **arguments)
    lm.apply_chat_template(CHAT)
    assert told(lm)["dates_in_prompts"] == []
    assert lines("today's date") == []


@pytest.mark.parametrize(("marks", "is_twice"), [("{{ bos_token }}", False), ("{{ bos_token * 2 }}", True)])
def test_two_begin_marks_at_the_start_of_prompts_are_said(with_template, request_for, lines, marks, is_twice):
    lm = RagLM(pretrained=with_template(marks + TURNS), device="cpu", retriever="none", add_bos_token=True)
    prompt = lm.apply_chat_template(CHAT)
    lm.loglikelihood([Instance("loglikelihood", request_for()[0].doc, (prompt, " x"), 0, metadata=("towers", 0, 1))])
    assert told(lm)["begin_mark_twice"] is is_twice
    assert len(lines("two begin marks")) == is_twice


def test_a_begin_mark_that_the_tokenizer_adds_to_the_templates_own_is_found(windowed, request_for):
    class Tokenizer:
        bos_token_id = 1

    base = windowed(500)
    base.tokenizer = Tokenizer()
    base.tok_encode = lambda text: [1, *(1 if word.startswith("<s>") else 9 for word in text.split())]
    for start, is_twice in (("<s> ", True), ("", False)):
        lm = RagLM(base, retriever="none")
        request = request_for()[0]
        lm.loglikelihood([Instance("loglikelihood", request.doc, (start + "x", " y"), 0, metadata=("towers", 0, 1))])
        assert told(lm)["begin_mark_twice"] is is_twice


# ---- thoughts


def generated(base, request_for, answers, prompt="Question: Which?\nAnswer:"):
    doc = request_for()[0].doc
    base.generate_until = lambda requests: list(answers)
    lm = RagLM(base, retriever="none")
    requests = [
        Instance("generate_until", {**doc, "id": f"q{i}"}, (prompt, {"until": ["\n"]}), 0, metadata=("towers", i, 1))
        for i in range(len(answers))
    ]
    assert lm.generate_until(requests) == list(answers)
    counts = told(lm)["tasks"]["towers"]
    return counts["answers_with_thoughts"], counts["answers_with_unfinished_thoughts"]


def test_answers_that_begin_with_a_thought_are_counted_and_said_once_with_the_way_out(recorder, request_for, lines):
    answers = ["<think>The Senate", " <think>Harris </think> amber", "amber", "[THINK] or", "I <think> so"]
    assert generated(recorder, request_for, answers) == (3, 2)
    [line] = lines("begin with a thought")
    assert "towers: 3 of 5 answers begin with a thought, 2 of them without an end" in line
    assert "think_end_token=</think>" in line
    assert "--gen_kwargs max_gen_toks=" in line


def test_plain_answers_hold_no_thoughts(recorder, request_for, lines):
    assert generated(recorder, request_for, ["amber", ""]) == (0, 0)
    assert lines("thought") == []


def test_a_thought_that_the_prompt_opens_is_counted_unless_lm_eval_cuts_thoughts_out(recorder, request_for):
    opened = "Question: Which?<assistant><think>\n"
    assert generated(recorder, request_for, ["The Senate", "So.</think> amber"], opened) == (2, 1)
    recorder.think_end_token = "</think>"  # noqa: S105  # no secret
    assert generated(recorder, request_for, ["amber", "<think>The Senate"], opened) == (1, 1)


def test_tasks_that_generate_nothing_have_no_counts_of_thoughts(recorder, request_for):
    lm = RagLM(recorder, k=1)
    lm.loglikelihood(request_for())
    assert not any("thoughts" in key for key in told(lm)["tasks"]["towers"])
