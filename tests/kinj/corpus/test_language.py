from __future__ import annotations

from types import SimpleNamespace

import pytest

from kinj.corpus import language
from kinj.corpus.language import find_language

TEXTS = {
    "en": "The tenant pays the rent within five days after the first of the month.",
    "de": "Der Mieter zahlt die Miete innerhalb von fünf Tagen nach dem Ersten des Monats.",
    "zh": "租金每月到期承租人须在五日内支付。",
    "ja": "賃借人は毎月五日までに家賃を支払うものとする。",
    "ko": "임차인은 매월 5일까지 임대료를 지급한다.",
    "th": "ผู้เช่าต้องชำระค่าเช่าภายในวันที่ห้าของทุกเดือน",
    "ar": "يجب على المستأجر دفع الإيجار قبل اليوم الخامس من كل شهر",
    "hi": "किरायेदार को हर महीने की पाँच तारीख तक किराया देना होगा",
}


@pytest.mark.parametrize("code", TEXTS)
def test_the_language_of_a_sentence_is_found(code):
    assert find_language(TEXTS[code]) == code


@pytest.mark.parametrize("text", ["", "12 345 678 / 90", "Yes.", "|---|---|"])
def test_a_text_of_few_letters_has_no_language(text):
    assert find_language(text) == ""


@pytest.mark.parametrize("code", ["zxx", "bcl"])
def test_a_code_of_three_letters_is_none(monkeypatch, code):
    monkeypatch.setattr(language, "_identifier", lambda: SimpleNamespace(classify=lambda _: (code, 0.9)))
    assert find_language(TEXTS["en"]) == ""


def test_the_beginning_decides():
    assert find_language(TEXTS["de"] * 60 + TEXTS["en"] * 600) == "de"
