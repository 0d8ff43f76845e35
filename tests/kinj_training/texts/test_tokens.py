import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from kinj.errors import UserError
from kinj_training.texts.chat import chat_text, prints_date
from kinj_training.texts.texts import plain_text, question_and_answer
from kinj_training.texts.tokens import NO_LOSS, Marks, marks_of, tokenize

QUESTION = question_and_answer("q", "Which?", "blue", "pair")
CHAT = [
    {"role": "user", "content": "Which?"},
    {"role": "assistant", "content": "blue"},
    {"role": "user", "content": "And then?"},
    {"role": "assistant", "content": "gold"},
]


@pytest.fixture
def llama(tiny_tokenizer):
    """Different BOS and EOS, and both added by the tokenizer itself, as a Llama that is told to."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer)
    marks = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=marks)
    tokenizer.chat_template = None
    assert tokenizer.decode(tokenizer("a")["input_ids"]) == "<s>a</s>"
    return tokenizer


@pytest.fixture
def gpt2(tiny_tokenizer):
    """One token for begin and end."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer, bos_token="</s>")
    tokenizer.chat_template = None
    return tokenizer


@pytest.fixture
def instruct(tiny_tokenizer):
    """BOS and EOS are the marks of a chat turn, as SmolLM2-Instruct has them."""
    return AutoTokenizer.from_pretrained(tiny_tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>")


@pytest.fixture
def qwen(tiny_tokenizer):
    """No BOS at all."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer)
    tokenizer.bos_token = None
    return tokenizer


def spelled(text, tokenizer, *, joined=False):
    """The tokens as text, and the learnt ones among them."""
    [tokens] = tokenize([text], tokenizer, marks_of(tokenizer, joined=joined))
    return tokenizer.decode(tokens.input_ids), tokenizer.decode([label for label in tokens.labels if label != NO_LOSS])


def test_a_text_stands_between_the_tokenizers_begin_and_end_marks_once(llama, gpt2, instruct, qwen):
    text = plain_text("t", "The town", "chunk")
    assert spelled(text, llama) == ("<s>The town</s>",) * 2
    assert spelled(text, gpt2) == ("</s>The town</s>",) * 2
    assert spelled(text, instruct) == ("The town<|im_end|>",) * 2
    assert spelled(text, qwen) == ("The town</s>",) * 2


def test_one_token_that_is_both_marks_stands_once_between_joined_texts(llama, gpt2):
    text = plain_text("t", "The town", "chunk")
    assert spelled(text, gpt2, joined=True)[0] == "The town</s>"
    assert spelled(text, llama, joined=True)[0] == "<s>The town</s>"


def test_of_a_question_only_the_answer_and_its_end_are_learnt(llama, gpt2, instruct):
    for tokenizer, begin, end in ((llama, "<s>", "</s>"), (gpt2, "</s>", "</s>"), (instruct, "", "<|im_end|>")):
        whole, learnt = spelled(QUESTION, tokenizer)
        assert whole == f"{begin}Question: Which?\nAnswer: blue{end}"
        assert learnt == f" blue{end}"


def test_prompt_and_answer_are_tokenised_as_one_text(llama):
    [tokens] = tokenize([QUESTION], llama, Marks(None, None))
    assert list(tokens.input_ids) == llama(QUESTION.text, add_special_tokens=False)["input_ids"]


def test_a_chat_is_learnt_on_the_assistants_turns_with_their_end_and_ends_once(instruct, qwen):
    text = chat_text("c", CHAT, instruct, "instruction")
    rendered = instruct.apply_chat_template(CHAT, tokenize=False)
    assert spelled(text, instruct) == (rendered.rstrip(), "blue<|im_end|>gold<|im_end|>")
    # Where the turn's end mark is not the tokenizer's end of text, that one follows.
    assert spelled(text, qwen) == (rendered.rstrip() + "</s>", "blue<|im_end|>gold<|im_end|></s>")


def test_a_chat_begins_as_its_template_says(tiny_tokenizer):
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer)
    whole, _ = spelled(chat_text("c", CHAT, tokenizer, "instruction"), tokenizer)
    assert whole.startswith("<|im_start|>user")
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    whole, _ = spelled(chat_text("c", CHAT, tokenizer, "instruction"), tokenizer)
    assert whole.startswith("<s><|im_start|>user")


def test_without_a_chat_template_a_chat_is_said_in_the_words_of_the_tasks(llama):
    whole, learnt = spelled(chat_text("c", CHAT, llama, "instruction"), llama)
    assert whole == "<s>Question: Which?\nAnswer: blue\n\nQuestion: And then?\nAnswer: gold</s>"
    assert learnt == " blue gold</s>"


def test_a_template_that_prints_the_date_is_told_the_day(instruct):
    plain = instruct.chat_template
    assert not prints_date(instruct)
    instruct.chat_template = "{{ strftime_now('%d %B %Y') }}\n" + plain
    assert prints_date(instruct)
    text = chat_text("c", CHAT, instruct, "instruction", "2026-11-30")
    assert text.text.startswith("30 November 2026\n<|im_start|>user")
    # Llama 3.2's: a variable where it is given, else the clock.
    llama = '{% if strftime_now is defined %}{% set date_string = strftime_now("%d %b %Y") %}{% endif %}'
    instruct.chat_template = llama + "{{ date_string }}\n" + plain
    assert chat_text("c", CHAT, instruct, "instruction", "2026-01-02").text.startswith("02 Jan 2026\n")


@pytest.mark.parametrize(
    "clock", ["{% set form = '%d %B %Y' %}{{ strftime_now (form) }}", "{% set now = strftime_now %}{{ now('%d') }}"]
)
def test_a_template_that_prints_the_clocks_time_in_no_constant_form_is_refused(clock, instruct):
    instruct.chat_template = clock + instruct.chat_template
    with pytest.raises(UserError, match="the chat template prints the clock's time"):
        prints_date(instruct)


def test_a_template_that_rewrites_earlier_turns_is_refused(instruct):
    instruct.chat_template = "{% for m in messages %}{{ loop.revindex }}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    with pytest.raises(UserError, match="'c': the chat template renders earlier turns differently"):
        chat_text("c", CHAT, instruct, "instruction")


def test_a_turn_that_is_no_text_is_refused(instruct):
    with pytest.raises(UserError, match="a user turn is no text"):
        chat_text("c", [{"role": "user", "content": [{"type": "image"}]}], instruct, "instruction")


def test_a_control_token_that_a_text_spells_is_encoded_as_text(llama, instruct):
    for text in (
        plain_text("t", "The manual says <|im_end|> closes a turn, </s> a text.", "chunk"),
        question_and_answer("t", "What closes <|im_end|>?", "a </s>", "pair"),
    ):
        for tokenizer in (llama, instruct):
            [tokens] = tokenize([text], tokenizer, Marks(None, None))
            controls = {tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "</s>")}
            assert not controls & set(tokens.input_ids)
            assert tokenizer.decode(tokens.input_ids) == text.text
    [plain] = tokenize([QUESTION], llama, Marks(None, None))
    assert list(plain.input_ids) == llama(QUESTION.text, add_special_tokens=False)["input_ids"]


def test_a_chat_keeps_its_templates_control_tokens_beside_other_texts(instruct):
    texts = [plain_text("t", "<|im_end|>", "replay"), chat_text("c", CHAT, instruct, "instruction"), QUESTION]
    first, chat, last = tokenize(texts, instruct, Marks(None, None))
    mark = instruct.convert_tokens_to_ids("<|im_end|>")
    assert [list(tokens.input_ids).count(mark) for tokens in (first, chat, last)] == [0, 4, 0]
    assert [tokens.text_id for tokens in (first, chat, last)] == ["t", "c", "q"]


def test_the_end_mark_is_set_also_where_a_text_spells_it(llama):
    assert spelled(plain_text("t", "The town</s>", "replay"), llama)[0] == "<s>The town</s></s>"


def test_a_chat_that_ends_with_the_end_mark_already_gets_no_second_one(instruct):
    assert spelled(chat_text("c", CHAT, instruct, "instruction"), instruct)[0].endswith("gold<|im_end|>")
