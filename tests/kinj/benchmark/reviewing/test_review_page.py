"""The review page: what stands in it, and what a person does on it in a real browser."""

import json
import re
import time

import pytest

from kinj.benchmark import open_benchmark
from kinj.benchmark.reviewing import (
    Decision,
    Item,
    apply_decisions,
    merge_decisions,
    read_decisions,
    read_items,
    review_page,
)
from kinj.benchmark.reviewing.page import segments
from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.manifest import sha256_json
from kinj.records import Chunk


def page_of(folder):
    chunks = {chunk.id: chunk for chunk in read_records(folder / "chunks.jsonl", Chunk)}
    return review_page("benchmark", read_items(folder), chunks)


def test_evidence_is_marked_wherever_it_stands_and_nothing_is_lost():
    assert segments("ab<b>ab", ("ab", "b<")) == [("ab<", True), ("b>", False), ("ab", True)]
    assert segments("none of it", ("x", "")) == [("none of it", False)]


def test_no_text_becomes_markup_and_nothing_is_loaded_from_elsewhere(under_review):
    page = page_of(under_review)
    assert page.count("<script>") == 1  # its own
    assert "<img" not in page
    assert "&lt;script&gt;window.injected" in page
    assert re.search(r"(src|href)=[\"']?(https?:)?//", page) is None
    assert "<mark>Janet Yellen rejected it.</mark>" in page
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe" not in policy


def test_a_folder_without_a_review_file_is_reviewed_by_its_questions(rows, write):
    items = read_items(write(rows))
    assert [(item.id, item.what, item.state) for item in items] == [
        (f"ce-{n}.1.q1", "question", "kept") for n in range(3)
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"what": "poem"}, "what 'poem', expected question, paraphrase, pair"),
        ({"state": "lost"}, "state 'lost', expected kept or refused"),
        ({"id": "new1"}, "new1: the id comes twice"),
    ],
)
def test_a_faulty_review_file_is_refused_by_its_row(under_review, changes, why):
    file = under_review / "review.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in [rows[0] | changes, *rows[1:]]))
    with pytest.raises(UserError, match=re.escape(why)):
        read_items(under_review)


# ---- decisions


def applied(folder, *decisions):
    return apply_decisions(open_benchmark(folder), read_items(folder), decisions_of(folder, *decisions))


def decisions_of(folder, *decisions):
    path = folder.parent / "decisions.jsonl"
    path.write_text("".join(json.dumps(decision) + "\n" for decision in decisions))
    return read_decisions(path)


def test_accepted_come_in_struck_go_out_and_edited_change(under_review):
    row = next(item.row for item in read_items(under_review) if item.id == "ce-0.1.p01")
    done = applied(
        under_review,
        {"id": "ce-0.1.q1", "decision": "strike"},
        {"id": "new1", "decision": "accept"},
        {"id": "ce-0.1.p01", "decision": "edit", "row": {**row, "text": "Otherwise said."}},
    )
    assert (done.added, done.struck, done.edited, done.confirmed, done.unchanged) == (1, 1, 1, 0, 0)
    assert [question.id for question in done.benchmark.questions] == ["ce-1.1.q1", "ce-2.1.q1", "new1"]
    assert done.benchmark.paraphrases[0].text == "Otherwise said."
    states = {item.id: (item.state, item.reasons) for item in done.items}
    assert states["ce-0.1.q1"] == ("refused", ("struck by a person",))
    assert states["new1"] == ("kept", ())


def test_the_last_of_two_decisions_counts_and_what_is_so_already_is_said(under_review):
    done = applied(
        under_review,
        {"id": "new1", "decision": "accept"},
        {"id": "new1", "decision": "strike"},
        {"id": "ce-0.1.q1", "decision": "accept"},
    )
    assert (done.added, done.struck, done.confirmed, done.unchanged) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        ({"id": "q9", "decision": "strike"}, "decision about q9: no such row under review"),
        (
            {"id": "new1", "decision": "acept"},
            r"decision 'acept', expected accept, strike, edit \(do you mean accept\?\)",
        ),
        ({"id": "new1", "decision": "edit", "row": {"id": "new1"}}, "question new1: no 'chunk_ids'"),
        ({"id": "new1", "decision": "strike", "what": "poem"}, "what 'poem', expected question"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused_by_name(under_review, decision, why):
    with pytest.raises(UserError, match=why):
        applied(under_review, decision)


def test_an_edit_may_not_take_another_id(under_review):
    row = read_items(under_review)[1].row
    with pytest.raises(UserError, match="new1: its row has another id, 'new2'"):
        applied(under_review, {"id": "new1", "decision": "edit", "row": {**row, "id": "new2"}})


def test_what_gave_no_row_can_be_struck_and_nothing_else(under_review):
    file = under_review / "review.jsonl"
    empty = {"id": "new2", "what": "question", "chunk_ids": ["ce-0.1"], "row": {}, "state": "refused"}
    file.write_text(file.read_text() + json.dumps(empty) + "\n")
    page = page_of(under_review)
    assert (page.count('data-do="strike"'), page.count('data-do="accept"'), page.count('data-do="edit"')) == (4, 3, 3)
    assert applied(under_review, {"id": "new2", "decision": "strike"}).unchanged == 1
    with pytest.raises(UserError, match="question new2: nothing was written that could be accepted or edited"):
        applied(under_review, {"id": "new2", "decision": "accept"})


def test_later_decisions_replace_earlier_ones_but_accepting_an_edit_keeps_it(under_review):
    edit = Decision("a", "edit", {"id": "a", "text": "new"})
    merged = merge_decisions([edit, Decision("b", "accept")], [Decision("a", "accept"), Decision("b", "strike")])
    assert merged == [edit, Decision("b", "strike")]
    assert merge_decisions(merged, [Decision("a", "strike")])[0].decision == "strike"


def test_decisions_about_rows_of_one_id_are_kept_by_kind():
    strike, accept = Decision("a", "strike", what="question"), Decision("a", "accept", what="paraphrase")
    assert merge_decisions([strike], [accept]) == [strike, accept]
    assert merge_decisions([Decision("a", "strike")], [accept]) == [accept]
    assert merge_decisions([strike], [Decision("a", "accept")]) == [Decision("a", "accept")]


@pytest.mark.parametrize("decision", ["accept", "strike"])
def test_a_decision_about_another_row_of_that_id_is_refused(under_review, decision):
    row = read_items(under_review)[0].row
    given = {"id": row["id"], "what": "question", "decision": decision}
    with pytest.raises(UserError, match="about another question of that id than this folder has now"):
        applied(under_review, given | {"row": {**row, "question": "Who?"}})
    done = applied(under_review, given | {"row": {**row, "split": ""}})  # the same, with a default spelt out
    assert (done.struck, done.confirmed) == ((1, 0) if decision == "strike" else (0, 1))


@pytest.mark.parametrize("decision", ["accept", "strike"])
def test_a_decision_without_its_row_is_held_to_the_hash_that_it_says(under_review, decision):
    row = read_items(under_review)[0].row
    given = {"id": row["id"], "what": "question", "decision": decision}
    applied(under_review, given | {"was": sha256_json(row)})
    with pytest.raises(UserError, match="it is about another question of that id"):
        applied(under_review, given | {"was": sha256_json({**row, "question": "What?"})})


def test_an_edit_of_another_row_is_refused_and_one_that_was_applied_is_not(under_review):
    row = read_items(under_review)[0].row
    edit = {"id": row["id"], "what": "question", "decision": "edit", "row": {**row, "question": "Who?"}}
    with pytest.raises(UserError, match="it is about another question of that id"):
        applied(under_review, edit | {"was": sha256_json({**row, "question": "What?"})})
    done = applied(under_review, edit | {"was": sha256_json(row)})
    assert done.edited == 1
    again = apply_decisions(done.benchmark, done.items, decisions_of(under_review, edit | {"was": sha256_json(row)}))
    assert (again.edited, again.confirmed) == (0, 1)


def test_an_item_knows_its_record(under_review):
    item = read_items(under_review)[0]
    assert isinstance(item, Item)
    assert item.record == open_benchmark(under_review).questions[0]


# ---- in a browser


def counts(browser):
    return browser.run("return document.getElementById('counts').textContent")


def saved(browser, folder):
    browser.run("document.getElementById('save').click()")
    path, end = folder / "decisions.jsonl", time.monotonic() + 20
    while not path.is_file():
        assert time.monotonic() < end, "nothing was downloaded"
        time.sleep(0.1)
    return path


@pytest.mark.long
def test_a_person_accepts_strikes_and_edits_and_the_decisions_are_applied(under_review, browser, tmp_path):
    page = tmp_path / "review.html"
    page.write_text(page_of(under_review), encoding="utf-8")
    browser.open(page)
    assert browser.errors() == []  # nothing was refused by the page's policy, nothing asked for
    assert browser.run("return window.injected ?? 'no'") == "no"
    assert "<script>" in browser.run("return document.querySelectorAll('.shown')[1].textContent")

    browser.run("document.querySelector('article').focus()")
    browser.press("s")
    browser.run("document.querySelectorAll('[data-do=edit]')[1].click()")
    browser.run(
        """const card = document.querySelectorAll('article')[1];
        card.querySelector('textarea').value = 'Who refused the "rating"?';
        const options = card.querySelectorAll('.option input[type=text]');
        options[0].value = '';
        options[3].value = '<i>Ann Lee</i>';
        card.querySelector('[type=submit]').click();"""
    )
    browser.run("document.querySelectorAll('[data-do=accept]')[2].click()")
    assert counts(browser) == "1 accepted, 1 struck, 1 edited, 0 not decided"

    browser.open(page)  # as after a reload
    assert counts(browser) == "1 accepted, 1 struck, 1 edited, 0 not decided"
    assert browser.run("return window.injected ?? 'no'") == "no"

    decisions = read_decisions(saved(browser, tmp_path))
    assert [d.was for d in decisions] == [sha256_json(item.row) for item in read_items(under_review)]
    assert [(d.what, d.id, d.decision) for d in decisions] == [
        ("question", "ce-0.1.q1", "strike"),
        ("question", "new1", "edit"),
        ("paraphrase", "ce-0.1.p01", "accept"),
    ]
    done = apply_decisions(open_benchmark(under_review), read_items(under_review), decisions)
    [new] = [question for question in done.benchmark.questions if question.id == "new1"]
    assert new.question == 'Who refused the "rating"?'
    assert (new.choices, new.answer) == (("Janet Yellen", "Lael Brainard", "<i>Ann Lee</i>"), 0)
    assert browser.errors() == []


@pytest.mark.long
def test_an_edit_that_leaves_no_right_option_is_not_taken(under_review, browser, tmp_path):
    page = tmp_path / "review.html"
    page.write_text(page_of(under_review), encoding="utf-8")
    browser.open(page)
    browser.run("document.querySelector('[data-do=edit]').click()")
    browser.run(
        """document.querySelectorAll('.option input[type=text]')[1].value = '';
        document.querySelector('[type=submit]').click();"""
    )
    assert browser.run("return document.querySelector('.fault').textContent") == "Mark the right option."
    assert counts(browser) == "0 accepted, 0 struck, 0 edited, 3 not decided"


@pytest.mark.long
def test_a_script_put_into_the_page_itself_does_not_run(under_review, browser, tmp_path):
    page = tmp_path / "review.html"
    page.write_text(page_of(under_review).replace("</main>", "<script>window.injected = 3</script></main>"), "utf-8")
    browser.open(page)
    assert browser.run("return window.injected ?? 'no'") == "no"
    assert any("Content Security Policy" in line for line in browser.errors())
