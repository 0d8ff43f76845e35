"""Shared prefixes give the numbers of lm-eval's `hf`."""

import copy
import inspect
import random
import re

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from kinj_models.prefix_sharing import SharedScorer, TokenCount, sharing_copy, supported, why_not

ARCHITECTURES = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "gpt-neox": ("GPTNeoXConfig", {"rotary_pct": 0.25}),
    "gemma": ("GemmaConfig", {}),
    "gpt2": ("GPT2Config", {}),
}
WORDS = ["blue", " tower", " Arvada", " painted", " in", " May", " 2031", ".", "\n", " gold", "é"]


def requests_of(seed, *, letters=False):
    """Few-shot block, questions, options: shared at three levels, with odd lengths and odd spaces."""
    rng = random.Random(seed)
    shots = "".join(rng.choices(WORDS, k=40)) + "\n\n"
    requests = []
    for question in range(5):
        context = shots + "".join(rng.choices(WORDS, k=rng.randint(2, 25))) + rng.choice(["", " ", "\nAnswer:"])
        options = [" A", " B", " C", " D"] if letters else ["".join(rng.choices(WORDS, k=n)) for n in (1, 1, 3, 7)]
        if question == 3:
            context = ""
        requests += [Instance("loglikelihood", {}, (context, option), i) for i, option in enumerate(options)]
    return requests


def load(folder, **arguments):
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", **arguments)


def assert_same(base, requests):
    plain = base.loglikelihood(requests, disable_tqdm=True)
    shared = sharing_copy(base, TokenCount()).loglikelihood(requests, disable_tqdm=True)
    for request, a, b in zip(requests, plain, shared, strict=True):
        assert b[0] == pytest.approx(a[0], abs=1e-4), request.args
        assert b[1] == a[1], request.args
    return plain


@pytest.fixture(scope="module", params=ARCHITECTURES)
def base(request, make_tiny_model):
    config, changes = ARCHITECTURES[request.param]
    return load(make_tiny_model(config, **changes))


@pytest.mark.parametrize("letters", [True, False], ids=["letters", "option text"])
def test_log_likelihoods_and_greedy_marks_equal_those_of_hf(base, letters):
    assert why_not(base) is None
    assert_same(base, requests_of(1, letters=letters))


def test_most_likely_continuations_are_marked_greedy_as_by_hf(base):
    context = base.tok_encode("The water tower of Arvada was")
    best = []
    for _ in range(3):
        logits = base._model_call(torch.tensor([context + best]))
        best.append(int(logits[0, -1].argmax()))
    tokens = [(None, context, best), (None, context, [*best[:2], (best[2] + 1) % 500])]
    assert SharedScorer(base).score(tokens, show_progress=False)[0][1] is True
    assert [g for _, g in SharedScorer(base).score(tokens, show_progress=False)] == [
        g for _, g in base._loglikelihood_tokens(tokens, disable_tqdm=True)
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("add_bos_token", [True, False])
def test_numbers_depend_neither_on_batch_size_nor_on_bos(tiny_model, batch_size, add_bos_token):
    assert_same(load(tiny_model, batch_size=batch_size, add_bos_token=add_bos_token), requests_of(2))


@pytest.mark.parametrize("side", ["left", "right"])
def test_numbers_do_not_depend_on_the_tokenizers_padding_side(tiny_model, side):
    base = load(tiny_model)
    base.tokenizer.padding_side = side
    assert_same(base, requests_of(3))


def test_prompts_over_the_window_are_cut_as_hf_cuts_them(tiny_model):
    base = load(tiny_model, max_length=48)
    requests = requests_of(4)
    assert any(len(base.tok_encode("".join(r.args))) > 49 for r in requests)
    assert_same(base, requests)


def test_chat_prompts_are_scored_alike(tiny_model):
    base = load(tiny_model)
    requests = []
    for question in ("Which color?", "Which town?"):
        context = base.apply_chat_template([{"role": "user", "content": "Shots. " * 9 + question}])
        requests += [Instance("loglikelihood", {}, (context, option), 0) for option in ("blue", "Arvada or so")]
    assert_same(base, requests)


@pytest.mark.parametrize(("pass_tokens", "cache_bytes"), [(1, 1), (64, 1 << 30), (4096, 100_000)])
def test_numbers_do_not_depend_on_the_budgets(tiny_model, pass_tokens, cache_bytes):
    base = load(tiny_model)
    tokens = [(None, base.tok_encode(r.args[0]) or [0], base.tok_encode(r.args[1])) for r in requests_of(5)]
    scorer = SharedScorer(base)
    expected = scorer.score(tokens, show_progress=False)
    scorer._budget.pass_tokens, scorer._budget.cache_bytes = pass_tokens, cache_bytes
    for a, b in zip(expected, scorer.score(tokens, show_progress=False), strict=True):
        assert b[0] == pytest.approx(a[0], abs=1e-4)
        assert b[1] == a[1]


def test_out_of_memory_halves_the_batch_and_the_numbers_stay(tiny_model, caplog):
    base = load(tiny_model)
    requests = requests_of(6)
    expected = base.loglikelihood(requests, disable_tqdm=True)
    forward = base.model.forward
    most = 2

    def small(*args, **kwargs):
        if kwargs["input_ids"].shape[0] > most:
            raise torch.OutOfMemoryError("pretended")
        return forward(*args, **kwargs)

    small.__signature__ = inspect.signature(forward)
    starved = copy.copy(base)
    base.model.forward = small
    try:
        with caplog.at_level("WARNING", logger="lm_eval.kinj"):
            found = sharing_copy(starved, TokenCount()).loglikelihood(requests, disable_tqdm=True)
    finally:
        base.model.forward = forward
    assert "half the batch" in caplog.text
    assert [f[0] for f in found] == pytest.approx([e[0] for e in expected], abs=1e-4)


def test_shared_tokens_are_computed_once(tiny_model):
    base, count = load(tiny_model), TokenCount()
    requests = [Instance("loglikelihood", {}, ("tower " * 40 + f"number {i}:", " blue and gold"), 0) for i in range(8)]
    sharing_copy(base, count).loglikelihood(requests, disable_tqdm=True)
    assert count.computed < count.asked / 3


def test_answers_reach_the_cache_hook_as_they_come(tiny_model):
    base, kept = load(tiny_model), {}
    base.set_cache_hook(type("Hook", (), {"add_partial": lambda _, attr, req, res: kept.update({(attr, req): res})})())
    requests = requests_of(7)
    found = sharing_copy(base, TokenCount()).loglikelihood(requests, disable_tqdm=True)
    assert {kept["loglikelihood", r.args] for r in requests} == set(found)


@pytest.mark.parametrize(
    ("config", "changes", "reason"),
    [
        ("MistralConfig", {"sliding_window": 16}, "sliding window of 16"),
        ("Gemma3TextConfig", {"sliding_window": 16}, "sliding_attention"),
        ("MambaConfig", {"state_size": 4}, "cache|layers"),
    ],
)
def test_models_with_other_caches_take_the_plain_path_and_say_why(make_tiny_model, config, changes, reason):
    said = why_not(load(make_tiny_model(config, **changes)))
    assert said is not None
    assert re.search(reason, said)


ROPE = {
    "dynamic": {"factor": 2.0},
    "longrope": {
        "original_max_position_embeddings": 128,
        "short_factor": [1.0] * 6,
        "long_factor": [1.0, 1.5, 2.5, 5.0, 9.0, 16.0],
        "factor": 4.0,
    },
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 128},
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    },
    "linear": {"factor": 4.0},
}


def with_rope(make_tiny_model, kind):
    """A model whose positions change their reading at 128, in a window of 512."""
    parameters = {"rope_type": kind, "rope_theta": 10000.0, **ROPE[kind]}
    positions = 128 if kind == "dynamic" else 512
    return load(make_tiny_model(rope_parameters=parameters, max_position_embeddings=positions), max_length=512)


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_positions_that_depend_on_the_pass_are_not_shared_by_name_nor_by_trial(make_tiny_model, kind, monkeypatch):
    base = with_rope(make_tiny_model, kind)
    assert f"positions ({kind} RoPE) depend" in why_not(base)
    # Of a kind that nobody has named yet only the trial can tell.
    monkeypatch.setattr(supported, "_ROPE_BY_PASS", ())
    assert "positions depend on the longest prompt of a pass" in why_not(base)


@pytest.mark.parametrize("kind", ["yarn", "llama3", "linear"])
def test_positions_that_do_not_depend_on_the_pass_are_shared(make_tiny_model, kind):
    base = with_rope(make_tiny_model, kind)
    assert why_not(base) is None
    assert_same(base, requests_of(8))


def test_the_trial_leaves_a_model_as_it_found_it(make_tiny_model, monkeypatch):
    base = with_rope(make_tiny_model, "dynamic")
    tokens = torch.tensor([list(range(5, 45))])
    before = base._model_call(tokens)
    monkeypatch.setattr(supported, "_ROPE_BY_PASS", ())
    assert why_not(base) is not None
    assert torch.equal(base._model_call(tokens), before)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_rounding_of_half_precision_is_not_taken_for_another_number(tiny_model, dtype):
    assert why_not(HFLM(pretrained=str(tiny_model), device="cpu", dtype=dtype)) is None


def test_an_adapters_prefixes_are_shared(tiny_model, tmp_path):
    import peft

    base = load(tiny_model)
    settings = peft.LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(base.model, settings)
    adapted.save_pretrained(tmp_path / "adapter")
    base = load(tiny_model, peft=str(tmp_path / "adapter"))
    assert type(base.model).__name__.startswith("Peft")
    assert why_not(base) is None
    assert_same(base, requests_of(9))


def test_a_base_that_is_no_hugging_face_model_is_left_alone():
    from lm_eval.models.dummy import DummyLM

    assert "not computed here" in why_not(DummyLM())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), r"a trial of it ran out of memory \(CUDA"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), r"a trial of it ran out of memory \(DefaultCPU"),
        (TypeError("no such layer"), r"a trial of it failed \(TypeError: no such layer\)"),
    ],
)
def test_a_trial_that_fails_is_called_what_it_is(tiny_model, monkeypatch, error, reason):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(supported.SharedScorer, "_forward", fail)
    monkeypatch.setattr(supported.SharedScorer, "_halve", fail)
    assert re.match(reason, why_not(load(tiny_model)))
