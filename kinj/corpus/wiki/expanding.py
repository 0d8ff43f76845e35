"""Templates in sentences, expanded by the wiki itself, many at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kinj.corpus.wiki.api import Wiki
from kinj.manifest import sha256_json

#: Of one request: modules on the wiki have ten seconds for all of it.
_MOST_CALLS, _MOST_CHARACTERS = 100, 50_000
#: A longer call is a box, whatever stands beside it.
_LONGEST_CALL = 5_000
_FAILED = re.compile(r"class=\"[^\"]*\berror\b|scribunto-error")


class Expander:
    """Expands calls, and remembers what came: `{{convert|1|km|mi}}` stands in many pages."""

    def __init__(self, wiki: Wiki) -> None:
        self._wiki = wiki
        self._known: dict[str, str] = {}

    def expand(self, calls: Sequence[str]) -> dict[str, str]:
        """The wikitext that each call becomes; without those that the wiki does not know, or failed at."""
        if len(self._known) > 100_000:
            self._known.clear()
        for group in _groups([one for one in dict.fromkeys(calls) if one not in self._known]):
            self._known.update(self._ask(group))
        return {one: self._known[one] for one in calls if self._known.get(one)}

    def _ask(self, calls: Sequence[str]) -> Iterator[tuple[str, str]]:
        # No page can hold this mark, since it depends on what the page says.
        mark = f"kinj-{sha256_json(list(calls))[:16]}"
        text = "".join(f"<{mark}-{number}>\n{call}\n" for number, call in enumerate(calls))
        answer = self._wiki.call(action="expandtemplates", prop="wikitext", text=text)
        made = str(answer.get("expandtemplates", {}).get("wikitext", ""))
        parts = re.findall(rf"<{mark}-(\d+)>(.*?)(?=<{mark}-|\Z)", made, re.DOTALL)
        found = {int(number): words.strip("\n") for number, words in parts}
        missing = f"[[:{self._wiki.site.template}:".lower()
        for number, call in enumerate(calls):
            words = found.get(number, "")
            is_whole = words != call and missing not in words.lower() and not _FAILED.search(words)
            yield call, words if is_whole else ""


def _groups(calls: Sequence[str]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for call in calls:
        if len(call) > _LONGEST_CALL:
            continue
        if group and (len(group) == _MOST_CALLS or size + len(call) > _MOST_CHARACTERS):
            yield group
            group, size = [], 0
        group.append(call)
        size += len(call)
    if group:
        yield group
