"""Other languages than English, on both back ends; texts written for this test."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from kinj.errors import UserError
from kinj.records import Chunk, Query
from kinj.retrieval import Index, build_elastic_index, build_index, open_index, open_retriever
from kinj.retrieval.analysis import ANALYSIS, STEMMERS, Analysis, read_analysis
from kinj.retrieval.languages import find_languages

#: About rent, cats and an underground railway, in this order.
TEXTS = {
    "ko": [
        "임대료는 매달 오십만 원이며 계약 기간은 이 년이다.",
        "고양이가 지붕 위에서 잠을 자고 있었다.",
        "서울의 지하철은 새벽까지 운행한다.",
    ],
    "zh": [
        "租金每月三千元，合同期为两年。",  # noqa: RUF001  # Chinese has commas of its own
        "几只猫在屋顶上睡觉。",
        "北京的地铁运行到深夜。",
    ],
    "ja": [
        "家賃は毎月八万円で、契約期間は二年です。",
        "黒い猫が屋根の上で寝ていました。",
        "東京の地下鉄は深夜まで運行します。",
    ],
    "th": ["ค่าเช่าเดือนละห้าพันบาทและสัญญามีอายุสองปี", "แมวนอนหลับอยู่บนหลังคา", "รถไฟฟ้าในกรุงเทพวิ่งจนถึงเที่ยงคืน"],
    "de": [
        "Die Miete wurde im Mai erhöht, und der Vertrag läuft zwei Jahre.",
        "Die Katzen schliefen auf den Dächern der Häuser.",
        "Die U-Bahn in Berlin fährt bis spät in die Nacht.",
    ],
    "ar": [
        "الإيجار الشهري خمسة آلاف درهم ومدة العقد سنتان",
        "كانت القطط نائمة فوق السطح",
        "يعمل مترو القاهرة حتى منتصف الليل",
    ],
    "hi": [
        "मासिक किराया पाँच हज़ार रुपये है और अनुबंध दो वर्ष का है।",
        "बिल्ली छत पर सो रही थी।",
        "दिल्ली की मेट्रो आधी रात तक चलती है।",
    ],
    "en": [
        "The rent was raised in May, and the contract runs for two years.",
        "The cats were sleeping on the roofs of the houses.",
        "The metro of London runs until late at night.",
    ],
}
#: What is asked, and the chunk that holds it: other forms of its words, parts of a clause, one character.
ASKED = [
    ("임대료", "ko0"), ("지하철을 탔다", "ko2"), ("租金", "zh0"), ("租金是多少", "zh0"), ("屋顶", "zh1"),
    ("家賃", "ja0"), ("地下鉄は何時まで", "ja2"), ("ค่าเช่า", "th0"), ("แมว", "th1"), ("Mieten", "de0"),
    ("Katze im Haus", "de1"), ("إيجار", "ar0"), ("किराया", "hi0"), ("मेट्रो", "hi2"), ("a sleeping cat", "en1"),
]  # fmt: skip


def chunk(name: str, text: str, **changes: str) -> Chunk:
    return Chunk(name, name, text, 0, len(text), **changes)


def chunks(*languages: str) -> list[Chunk]:
    return [chunk(f"{code}{i}", text) for code in languages or TEXTS for i, text in enumerate(TEXTS[code])]


@pytest.fixture(scope="module", params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.long)])
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Builds an index on one of the back ends; gives the name to open it by."""
    folder = tmp_path_factory.mktemp("languages")
    patch = pytest.MonkeyPatch()
    if request.param == "elasticsearch":
        for name, value in request.getfixturevalue("elasticsearch_server").environment.items():
            patch.setenv(name, value)

    def make(given: list[Chunk], name: str, **settings: str) -> str:
        if request.param == "embedded":
            build_index(given, folder / name, **settings)
            return str(folder / name)
        build_elastic_index(given, f"{folder.name}-{name}", overwrite=True, **settings)
        return f"elasticsearch:{folder.name}-{name}"

    yield make
    patch.undo()


def best(index: str, words: str) -> list[str]:
    [passages] = open_retriever("bm25", index=index).search([Query(words)], 3)
    return [passage.chunk_id for passage in passages]


def languages_of(index: Index) -> dict[str, int]:
    return index.manifest["analysis"]["languages"]


def test_each_language_of_a_mixed_collection_is_found_in_its_own_way(build):
    index = build(chunks(), "mixed")
    assert languages_of(open_index(index)) == dict.fromkeys(sorted(TEXTS), 3)
    assert {words: best(index, words)[:1] for words, _ in ASKED} == {words: [name] for words, name in ASKED}


@pytest.mark.parametrize("code", TEXTS)
def test_and_so_is_each_language_alone(build, code):
    index = build(chunks(code), f"only-{code}")
    for words, name in ASKED:
        if name.startswith(code):
            assert best(index, words)[0] == name


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
@pytest.mark.parametrize("code", ["ko", "de", "en"])
def test_a_letter_is_found_however_it_is_composed(build, code, stored, asked):
    words = {"ko": "지하철", "de": "Dächer", "en": "Café Zoë"}[code]
    texts = [*TEXTS[code], "The Café Zoë of London serves the best tea of the town."]
    given = [chunk(f"{code}{i}", unicodedata.normalize(stored, text)) for i, text in enumerate(texts)]
    index = build(given, f"composed-{code}-{stored.lower()}")
    assert best(index, unicodedata.normalize(asked, words))[0] == {"ko": "ko2", "de": "de1", "en": "en3"}[code]
    [found] = open_index(index).chunks([given[1].id]).values()
    assert found.text == given[1].text  # what is read stays the exact slice


def test_headings_and_a_tables_header_are_searched_with_the_text(build):
    for code, words in (("en", "tenancies"), ("de", "Mietrecht")):
        *others, last = chunks(code)
        index = build([*others, replace(last, headings=("Mietrecht", "Tenancy"))], f"headings-{code}")
        assert best(index, words) == [f"{code}2"]
        [found] = open_index(index).chunks([f"{code}2"]).values()
        assert (found.text, found.headings) == (TEXTS[code][2], ("Mietrecht", "Tenancy"))


def test_the_given_language_is_that_of_all_chunks_and_part_of_the_fingerprint(build):
    as_found, as_given = build(chunks("de"), "found"), build(chunks("de"), "given", language="de")
    as_english = build(chunks("de"), "as-english", language="en")
    fingerprints = [open_retriever("bm25", index=name).fingerprint for name in (as_found, as_given, as_english)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert best(as_given, "Mieten") == ["de0"]
    assert best(as_english, "Mieten") == []
    assert open_index(as_english).manifest["analysis"] == ANALYSIS


@pytest.mark.parametrize("said", ["de", "DE", "de-AT", "de_CH"])
def test_the_field_of_a_document_goes_before_its_text(tmp_path, said):
    given = [replace(one, language=said) for one in chunks("en")]
    assert languages_of(build_index(given, tmp_path / "index")) == {"de": 3}


@pytest.mark.parametrize("said", ["", "German", "deu", "d"])
def test_a_field_that_is_no_code_tells_nothing(said):
    assert found(*(replace(one, language=said) for one in chunks("en"))) == ["en"] * 3


@pytest.mark.parametrize("code", ["english", "e", "", "EN", "zh-TW"])
def test_what_is_no_language_code_is_refused(tmp_path, code):
    with pytest.raises(UserError, match=f"language={code}: must be a language's two letters of ISO 639-1"):
        build_index(chunks("en"), tmp_path / "index", language=code)


def test_english_alone_is_analysed_as_ever(tmp_path):
    index = build_index(chunks("en"), tmp_path / "index")
    assert index.manifest["analysis"] == ANALYSIS
    assert index.identity(["bm25"]).startswith("6b484b84c19bcc94")  # as before there was a choice


def test_an_analysis_of_another_version_is_not_read():
    mine = Analysis((("de", 3),)).description
    assert read_analysis(mine) == Analysis((("de", 3),))
    assert read_analysis({**mine, "case": "upper"}) is None
    assert read_analysis({**ANALYSIS, "case": "upper"}) is None


# ---- which language a text is taken for


def found(*given: Chunk) -> list[str]:
    return list(find_languages(given))


def test_a_text_that_does_not_tell_is_in_the_language_of_most():
    assert found(*chunks("de"), chunk("x", "BMW 2002")) == ["de"] * 4
    assert found(chunk("x", "BMW 2002"), chunk("y", "1 2 3")) == ["en"] * 2


def test_a_few_chinese_characters_tell_by_their_script():
    assert found(*chunks("en"), chunk("x", "租金")) == ["en"] * 3 + ["zh"]


def test_the_chunks_of_a_document_are_in_one_language():
    [first, second, third] = [replace(one, document_id="d") for one in chunks("de")]
    assert found(replace(first, text="1 2 3"), second, replace(third, text="Berlin")) == ["de"] * 3


def test_one_list_of_names_does_not_make_an_english_collection_a_mixed_one():
    latin = "Nervus opticus, nervus oculomotorius, nervus trochlearis, nervus trigeminus, nervus abducens"
    english = [chunk(f"c{i:03d}", TEXTS["en"][i % 3]) for i in range(200)]
    assert set(found(*english, chunk("x", latin))) == {"en"}
    assert len(set(found(*english[:3], chunk("x", latin)))) == 2


def test_a_stray_decomposed_letter_leaves_an_english_index_what_it_was():
    given = [chunk(f"c{i:03d}", TEXTS["en"][i % 3]) for i in range(200)]
    one = replace(given[0], text=given[0].text + " Cafe\u0301.")
    assert find_languages([one, *given[1:]]).analysis.is_plain
    assert not find_languages([one, *given[1:50]]).analysis.is_plain


# ---- terms


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("de", "Die Häuser der Stadt", "haus stadt"),
        ("zh", "2023年租金", "2023 年 租 金 年租 租金"),
        ("ko", "임대료는 API", "임 대 료 는 임대 대료 료는 api"),
        ("th", "ค่าเช่า", "ค่ า เ ช่ า ค่า าเ เช่ ช่า"),
        ("hi", "हिन्दी", "हिन्दी"),
        ("hi", "a" * 300, "a" * 100),
    ],
)
def test_text_becomes_these_terms(language, text, terms):
    assert Analysis(((language, 1),)).of_chunk(text, language) == terms


def test_a_query_asks_for_pairs_and_for_what_stands_alone_and_for_each_term_once_a_language():
    mixed = Analysis((("de", 1), ("en", 1), ("zh", 1)))
    assert sorted(mixed.of_query("租金 猫 Katzen")) == sorted(["租金", "猫", "katz", "katzen"])


def test_every_stemmer_is_there():
    for code in STEMMERS:
        assert Analysis(((code, 1),)).of_chunk("x1", code) == "x1"
