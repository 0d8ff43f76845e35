from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from kinj.corpus.wiki.api import Wiki, license_of
from kinj.errors import UserError

MAXLAG = {"error": {"code": "maxlag", "info": "Waiting for db1: 7 seconds lagged."}}


def test_a_wiki_says_its_name_language_licence_and_addresses(wiki):
    site = wiki.site
    assert (site.id, site.language, site.license) == ("wiki", "en", "CC BY-SA 4.0")
    assert site.address_of("Sea & sky/Part 1") == "http://wiki.example/index.php/Sea_%26_sky/Part_1"
    assert site.content == (0,)
    assert {"file", "image", "media"} <= site.namespaces.files


def test_each_request_asks_not_to_be_served_by_a_lagging_database(wiki, replay):
    assert wiki.site
    assert [one["maxlag"] for one in replay.asked] == ["5"]


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (("", 429, {"Retry-After": "7"}), 7),
        (("", 503, {"Retry-After": "3"}), 3),
        (("", 503, {}), 1),
        ((json.dumps(MAXLAG), 200, {"Retry-After": "5"}), 5),
        (('{"error": {"code": "ratelimited", "info": "slow down"}}', 200, {}), 1),
        (('{"query": {"pages": [', 200, {}), 1),
    ],
)
def test_a_busy_wiki_is_waited_for_as_long_as_it_asks(wiki, replay, slept, make_answer, fault, seconds):
    replay.faults = [make_answer(*fault)]
    assert wiki.site.id == "wiki"
    assert slept == [seconds]


def test_a_date_to_wait_for_is_understood(wiki, replay, slept, make_answer):
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    replay.faults = [make_answer("", 503, {"Retry-After": then})]
    assert wiki.site.id == "wiki"
    assert 25 < slept[0] <= 30


def test_a_connection_that_breaks_is_made_again_and_pauses_grow(wiki, replay, slept):
    assert wiki.site
    cut = requests.exceptions.ChunkedEncodingError("cut")
    replay.faults = [requests.ConnectionError("reset"), cut, requests.Timeout()]
    assert wiki.pages(titles="Mars", redirects="1", prop="info|pageprops", ppprop="disambiguation")
    assert slept == [1, 2, 4]


def test_a_wiki_that_stays_busy_ends_in_one_line(wiki, replay, slept, make_answer):
    assert wiki.site
    replay.faults = [make_answer("", 503, {})] * 20
    with pytest.raises(UserError, match=r"api.php: HTTP 503 \(10 tries\); what was read is kept: type the same"):
        wiki.pages(titles="Mars")
    assert slept == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_a_wiki_that_never_answered_is_not_waited_for_as_long(wiki, replay, slept):
    replay.faults = [requests.ConnectionError("Connection refused")] * 20
    with pytest.raises(UserError, match=r"the connection failed \(Connection refused\) \(3 tries\)"):
        assert wiki.site
    assert slept == [1, 2]


def test_a_wait_of_an_hour_is_said_and_not_taken(wiki, replay, slept, make_answer):
    replay.faults = [make_answer("", 429, {"Retry-After": "3600"})]
    with pytest.raises(UserError, match=r"the wiki asks to wait 3600 s \(HTTP 429\): type the same command then"):
        assert wiki.site
    assert slept == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (("Forbidden: no agent", 403, {}), "HTTP 403 .*Forbidden: no agent"),
        (('{"error": {"code": "badvalue", "info": "Unrecognized value"}}', 200, {}), "badvalue: Unrecognized value"),
        (("[]", 200, {}), "is this the address of an api.php"),
        (('{"query": {"general": {}}}', 200, {}), "no MediaWiki of today: its siteinfo has no 'namespaces'"),
    ],
)
def test_a_refusal_is_not_tried_again(wiki, replay, slept, make_answer, fault, why):
    replay.faults = [make_answer(*fault)]
    with pytest.raises(UserError, match=why):
        assert wiki.site
    assert slept == []


@pytest.mark.parametrize("contact", ["", "nobody", "a@b\nX: y", "ä@b"])
def test_a_contact_is_needed_and_fits_a_header(contact):
    with pytest.raises(UserError, match=r"--contact .*: your e-mail address"):
        Wiki("https://wiki.example/api.php", contact)


@pytest.mark.parametrize("address", ["", "wiki.example", "ftp://wiki.example/api.php", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UserError, match=r"--api .*: the address of an api.php"):
        Wiki(address, "me@example.org")


def test_the_user_agent_names_the_program_and_the_contact():
    agent = Wiki("https://wiki.example/api.php", "me@example.org")._session.headers["User-Agent"]
    assert agent.startswith("kinj/")
    assert "(me@example.org)" in agent


@pytest.mark.parametrize(
    ("rights", "name"),
    [
        ({"url": "https://creativecommons.org/licenses/by-sa/4.0/", "text": "Creative Commons"}, "CC BY-SA 4.0"),
        ({"url": "//creativecommons.org/publicdomain/zero/1.0/deed.en", "text": ""}, "CC0 1.0"),
        ({"url": "http://x.org", "text": "GNU FDL"}, "GNU FDL"),
        ({"url": "", "text": ""}, ""),
    ],
)
def test_a_licence_has_its_usual_name(rights, name):
    assert license_of(rights) == name
