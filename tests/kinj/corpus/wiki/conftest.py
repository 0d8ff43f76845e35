"""A small wiki: its pages as an export, and what a real MediaWiki 1.39 that had imported them answered.

`recorded.json` holds those answers; test_real_mediawiki.py asks a real one again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pytest
import requests

from kinj.corpus.wiki import api
from kinj.corpus.wiki.api import Wiki

RECORDED = Path(__file__).with_name("recorded.json")
#: Stands for the address of the real one.
ADDRESS = "http://wiki.example"
#: The address of a MediaWiki that imported `export(PAGES)`, without /api.php: asked for what is not recorded yet.
RECORD_FROM = "KINJ_RECORD_FROM"

MARS = """{{Short description|Planet}}
{{Infobox planet
| name = Mars
| radius = {{convert|3390|km|mi}}
}}
'''Mars''' is the fourth [[planet]] from the [[Sun|sun]].<ref name="a">{{cite web|url=http://x.org|title=T}}</ref>
Its moon [[Phobos (moon)|Phobos]] is {{convert|22|km|mi}} wide;{{citation needed|date=May}} its year has 687&nbsp;days.

[[File:Mars.jpg|thumb|A [[photograph]] of Mars]]

== Surface ==
{{Main|Surface of Mars}}
The highest mountain is 10<sup>4</sup>&nbsp;m high, H<sub>2</sub>O is ice.
* Olympus Mons
** ''caldera''
* Valles Marineris

=== Heights ===
{| class="wikitable"
|+ Mountains
! Name !! Height
|-
| Olympus Mons || {{convert|21.9|km|mi}}<ref>Y.</ref>
|}

== References ==
{{reflist}}

[[Category:Planets]]
[[de:Mars (Planet)]]
"""
#: title -> wikitext
PAGES = {
    "Template:Convert": "{{#expr:{{{1}}}}}&nbsp;{{{2}}} ({{#expr:{{{1}}}*0.621371 round 1}}&nbsp;{{{3}}})",
    "Template:Infobox planet": '{| class="infobox"\n! {{{name|}}}\n|-\n| {{{radius|}}}\n|}',
    "Template:Cite web": "[{{{url}}} {{{title}}}]",
    "Template:Disambiguation": '<div class="metadata">may refer to</div>',
    "Category:Planets": "[[Category:Sky]]",
    "Category:Sky": "All.",
    "Category:August 2026 events": "Events.",
    "Mars": MARS,
    "Venus": "'''Venus''' is the second planet, {{convert|10|km|mi}} off {{unwritten|7}}.\n[[Category:Planets]]",
    "Red planet": "#REDIRECT [[Mars]]",
    "Mercury": "'''Mercury''' may be:\n* [[Mercury (planet)]]\n{{disambiguation}}\n[[Category:Planets]]",
    "Sky": "The '''sky''' has [[Mars]], [[Venus]], the [[Red planet]], [[Mercury]] and [[Nibiru]].\n[[Category:Sky]]",
    "Moon": "The '''Moon''' is seen beside [[Mars]], [[Venus]] and the [[Sun]].",
    "Sun": "The '''Sun''' is a star, as [[Vega]] is.",
    "Election of August": "People voted on 3 August. {{small|It was warm.}}\n[[Category:August 2026 events]]",
    "Current events/2026 August 1": "{{Current events|year=2026|month=08|content=\n;Elections\n*People [[vote]].\n}}",
}
_NUMBERS = {"Template": 10, "Category": 14}


def export(pages: dict[str, str], day: str = "2026-08-01") -> str:
    """The pages as a MediaWiki's XML export that another one can import, ten seconds between two."""
    parts = []
    for number, (title, text) in enumerate(pages.items()):
        namespace = _NUMBERS.get(title.partition(":")[0], 0)
        parts.append(
            f"<page><title>{escape(title)}</title><ns>{namespace}</ns><revision>"
            f"<timestamp>{day}T12:{number // 6 % 60:02}:{number % 6}0Z</timestamp>"
            "<contributor><username>Admin</username></contributor><model>wikitext</model><format>text/x-wiki</format>"
            f'<text xml:space="preserve">{escape(text, quote=False)}</text></revision></page>'
        )
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">'
    return f"{head}<siteinfo><sitename>Loopback wiki</sitename></siteinfo>{''.join(parts)}</mediawiki>"


def spelled(parameters: dict[str, str]) -> str:
    """A request as recorded.json names it."""
    return json.dumps(dict(sorted(parameters.items())), ensure_ascii=False)


@dataclass
class Answer:
    """What requests gives of an answer."""

    body: str
    status_code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def text(self) -> str:
        return self.body

    def json(self) -> Any:
        return json.loads(self.body)


class Replay:
    """A session of requests that gives recorded answers, after the faults that stand before them."""

    def __init__(self) -> None:
        self.recorded: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.is_file() else {}
        #: answers, or errors to raise, that come first
        self.faults: list[Answer | Exception] = []
        self.asked: list[dict[str, str]] = []

    def get(self, url: str, *, params: dict[str, str], timeout: float) -> Answer:
        return self._answer(params)

    def post(self, url: str, *, data: dict[str, str], timeout: float) -> Answer:
        return self._answer(data)

    def _answer(self, parameters: dict[str, str]) -> Answer:
        self.asked.append(parameters)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        key = spelled(parameters)
        if key not in self.recorded and RECORD_FROM in os.environ:
            self._record(key, parameters)
        assert key in self.recorded, f"not recorded: {key}"
        return Answer(json.dumps(self.recorded[key]))

    def _record(self, key: str, parameters: dict[str, str]) -> None:
        address = os.environ[RECORD_FROM]
        answer = requests.post(f"{address}/api.php", data=parameters, timeout=60)
        self.recorded[key] = json.loads(answer.text.replace(address, ADDRESS))
        RECORDED.write_text(json.dumps(self.recorded, indent=1, ensure_ascii=False, sort_keys=True) + "\n")

    @property
    def actions(self) -> list[str]:
        """What was asked for, in a word."""
        return [one.get("prop") or one.get("list") or one.get("meta") or "page" for one in self.asked]


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Replay:
    """The recorded wiki behind each `Wiki`."""
    session = Replay()
    monkeypatch.setattr(api, "_session", lambda contact: session)
    return session


@pytest.fixture
def slept() -> list[float]:
    """The seconds that the wiki was waited for."""
    return []


@pytest.fixture
def wiki(replay: Replay, slept: list[float]) -> Wiki:
    return Wiki(f"{ADDRESS}/api.php", "me@example.org", sleep=slept.append)


@pytest.fixture
def make_export() -> Callable[..., str]:
    return export


@pytest.fixture
def pages() -> dict[str, str]:
    return dict(PAGES)


@pytest.fixture
def make_answer() -> type[Answer]:
    return Answer
