"""A server on loopback that speaks OpenAI's API and misbehaves on demand, and towns for it to write about.

It is no model: it knows the form of the towns' texts, so what it writes is right unless a test says otherwise.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kinj.jsonl import write_records
from kinj.records import Chunk, Document

TOWNS = (
    "Arvel", "Brenna", "Corvik", "Dalmen", "Esten", "Falkor", "Gerwin", "Hollin", "Istrad", "Jorven", "Kelmar",
    "Lunden",
)  # fmt: skip
NAMES = ("Berg", "Carlin", "Dupont", "Eriksen", "Fabel", "Grimaldi", "Hoffmann", "Iversen", "Jansen", "Kowalski")
THINGS = ("water tower", "town library", "river bridge", "tram depot")
MONTHS = (
    "January", "March", "April", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def town_text(town: int, part: int) -> str:
    """A chunk about one thing of one town: when, who, how much, of what."""
    number = 4 * town + part
    builder = f"{NAMES[number % 10]}-{NAMES[(number * 7 + 3) % 10]}"
    return (
        f"The {THINGS[part]} of {TOWNS[town]} was opened on {MONTHS[number % 10]} {1 + number % 28}, {1900 + number}. "
        f"It was designed by {builder}, who had won a contest of the council. "
        f"The work in {TOWNS[town]} had cost {310 + 7 * number} thousand crowns. "
        f"Its walls are of {('granite', 'brick', 'limestone', 'oak')[number % 4]} "
        "from the quarry or forest of Rivermark."
    )


def write_towns(folder: Path, towns: int = 4, parts: int = 2, change: Callable[[str], str] = str) -> Path:
    """A collection of so many documents of so many chunks; `change` may alter each text."""
    folder.mkdir(parents=True, exist_ok=True)
    documents, chunks = [], []
    for town in range(towns):
        texts = [change(town_text(town, part)) for part in range(parts)]
        text, title, start = "\n\n".join(texts), f"The town of {TOWNS[town]}", 0
        documents.append(Document(f"town{town:02}", text, title=title, language="en", license="CC0-1.0"))
        for part, chunk in enumerate(texts, 1):
            end = start + len(chunk)
            chunk_id = f"town{town:02}#{part:06}"
            chunks.append(Chunk(chunk_id, f"town{town:02}", chunk, start, end, title=title, language="en"))
            start = end + 2
    write_records(folder / "documents.jsonl", documents)
    write_records(folder / "chunks.jsonl", chunks)
    return folder


# ---- what a good model would say


def passage_of(prompt: str) -> str:
    found = re.findall(r"<passage>\n(.*?)\n</passage>", prompt, re.S)
    return found[0] if found else ""


def drafts(passage: str) -> list[dict]:
    """Four good questions about a town's chunk."""
    thing, town = re.search(r"The ([a-z ]+) of (\w+) was", passage).groups()
    date = re.search(r"opened on (\w+ \d+, \d+)", passage)
    builder = re.search(r"designed by ([\w-]+)", passage)
    cost = re.search(r"cost (\d+ thousand crowns)", passage)
    stuff = re.search(r"walls are of (\w+)", passage)
    amount = int(cost[1].split()[0])
    year = date[1][-4:]
    return [
        {
            "kind": "when", "question": f"When was the {thing} of {town} opened?", "right": date[1],
            "wrong": [f"May 3, {year}", f"May 14, {year}", f"May 25, {year}"], "evidence": date[0],
        },
        {
            "kind": "who", "question": f"Which designer made the {thing} of {town}?", "right": builder[1],
            "wrong": ["Moser-Lind", "Nyman-Ott", "Olsen-Quist"], "evidence": builder[0],
        },
        {
            "kind": "how_many", "question": f"How much money did {town} pay for its {thing}?", "right": cost[1],
            "wrong": [f"{amount + plus} thousand crowns" for plus in (1, 2, 3)], "evidence": cost[0],
        },
        {
            "kind": "what", "question": f"Which material are the walls of the {thing} in {town} made of?",
            "right": stuff[1], "wrong": ["marble", "slate", "concrete"], "evidence": stuff[0],
        },
    ]  # fmt: skip


def good_answer(prompt: str) -> str:
    """What a model that writes and reads well would answer to one of our prompts."""
    said = next((answer(prompt) for mark, answer in ANSWERS.items() if mark in prompt), "Hello.")
    return said if isinstance(said, str) else json.dumps(said)


def thing_and_town(passage: str) -> tuple[str, str]:
    return re.search(r"The ([a-z ]+) of (\w+) was", passage).groups()


def found_document(prompt: str) -> dict:
    titles, question = prompt.split("In which document")
    numbers = [n for n, title in re.findall(r"^(\d+)\. (.*)$", titles, re.M) if title.split()[-1] in question]
    return {"document": int(numbers[0]) if numbers else 0}


def letter(prompt: str) -> dict:
    """The option that stands in the passage; without one, A."""
    options = re.findall(r"^([A-D])\. (.*)$", prompt, re.M)
    passages = prompt[: prompt.rfind("</passage>") + 1]
    stated = [name for name, option in options if re.search(rf"\b{re.escape(option)}\b", passages)]
    return {"answer": stated[0] if len(stated) == 1 else "A"}


def pairs(prompt: str) -> dict:
    passage = passage_of(prompt)
    town, asked = thing_and_town(passage)[1], drafts(passage)[3]
    source = {"question": f"Where did the builders in {town} get their material?", "answer": "From the region."}
    return {"pairs": [source, {"question": asked["question"], "answer": f"They are of {asked['right']}."}]}


def entities(prompt: str) -> dict:
    passage = passage_of(prompt)
    return {"entities": [*thing_and_town(passage), drafts(passage)[1]["right"], "Atlantis"]}


def relation(prompt: str) -> dict:
    first, second = re.search(r"says: (.*?) and (.*?)\. Write", prompt).groups()
    return {"text": f"What joins {first} with {second} is one building, as people of the region know."}


def two(prompt: str) -> dict:
    first, second = (drafts(text)[2] for text in re.findall(r"<passage_\d>\n(.*?)\n</passage_\d>", prompt, re.S))
    more = abs(int(first["right"].split()[0]) - int(second["right"].split()[0]))
    return {
        "kind": "how_many",
        "question": f"By how much do the prices differ: {first['question']} {second['question']}",
        "right": f"{more} thousand crowns",
        "wrong": [f"{more + plus} thousand crowns" for plus in (1, 2, 3)],
        "evidence_1": first["evidence"],
        "evidence_2": second["evidence"],
    }


def told_anew(prompt: str) -> dict:
    right = re.search(r"Its answer: (.*)", prompt)[1]
    return {"question": f"Which of the four possibilities holds where an answer has {len(right)} letters?"}


#: by what stands in the prompt alone
ANSWERS = {
    '{"questions"': lambda prompt: {"questions": drafts(passage_of(prompt))},
    '"most_specific"': lambda p: {"most_specific": [3, 1, 2, 4][: len(re.findall(r"^\d+\. ", p, re.M))]},
    '{"document"': found_document,
    '{"answer": "A"': letter,
    "Say the same": lambda p: {"text": reworded(passage_of(p), int(re.search(r"style (\d+)", p)[1]))},
    '{"pairs"': pairs,
    '{"facts"': lambda p: {"facts": [*re.split(r"(?<=\.) ", reworded(passage_of(p), 0)), "It has 99 windows."]},
    '{"entities"': entities,
    "Explain how these are related": relation,
    "evidence_1": two,
    '{"question": ""}': told_anew,
}


def reworded(passage: str, style: int) -> str:
    """The facts of a chunk in other words; every third word is the style's own, so that no two are near copies."""
    facts = drafts(passage)
    thing, town = re.search(r"The ([a-z ]+) of (\w+) was", passage).groups()
    text = (
        f"{town} has had its {thing} since {facts[0]['right']}, for which {facts[1]['right']} drew all the plans. "
        f"People paid {facts[2]['right']} and masons used {facts[3]['right']} that Rivermark gave them"
    )
    own = ("so", "as", "an", "at", "by", "in", "of", "on", "to", "up")[style]
    words = text.split()
    return " ".join(f"{word} {own}" if place % 3 == 2 else word for place, word in enumerate(words)) + "."


@dataclass
class Reply:
    """What goes back; by default a good completion."""

    text: str = ""
    finish: str | None = "stop"
    status: int = 200
    #: in place of a completion
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    message: dict | None = None
    usage: dict | None = field(default_factory=dict)
    #: ends the connection without a word
    drop: bool = False
    #: sends spaces for ever
    endless: bool = False
    seconds: float = 0.0


#: Of a request's body and its number, from 1: what goes back; None: what a good model says.
Script = Callable[[dict, int], Reply | None]


class ScriptedServer:
    """`model` at `url`; `script` may answer in its place. Knows JSON by schema unless `json_mode` says less."""

    def __init__(self) -> None:
        self.model = "scribe"
        self.script: Script = lambda body, number: None
        self.limit_key, self.takes_temperature, self.json_mode = "max_tokens", True, "schema"
        #: bodies of all requests for a completion
        self.bodies: list[dict] = []
        self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def prompts(self) -> list[str]:
        """Of all requests about a chunk: those of the probe are left out."""
        said = [body["messages"][0]["content"] for body in self.bodies]
        return [p for p in said if "code word" not in p and "colours" not in p and p != "Say hello."]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, body: dict) -> Reply:
        if self.limit_key not in body:
            return error(400, f"Unsupported parameter: use '{self.limit_key}', not max_tokens or another.")
        if "temperature" in body and not self.takes_temperature:
            return error(400, "Unsupported value: 'temperature' does not support 0.0 with this model.")
        mode = body.get("response_format", {}).get("type")
        if mode and self.json_mode == "none":
            return error(400, "response_format is not supported")
        prompt = body["messages"][0]["content"]
        if mode == "json_schema" and "colours" in json.dumps(body["response_format"]) and self.json_mode == "schema":
            return Reply('{"colours": ["red", "blue"]}')
        if "colours" in prompt and mode == "json_object":
            return Reply('{"colours": ["red", "blue"]}')
        if "code word" in prompt:
            return Reply(re.search(r"code word is (\w+)", prompt)[1] if "code word is" in prompt else "I know none.")
        return Reply(good_answer(prompt))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send(Reply(body=json.dumps({"data": [{"id": scripted.model}]}).encode()), {})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with scripted._lock:
                    scripted.bodies.append(body)
                    number = len(scripted.bodies)
                    scripted.in_flight += 1
                    scripted.most_in_flight = max(scripted.most_in_flight, scripted.in_flight)
                try:
                    self.send(scripted.script(body, number) or scripted.reply(body), body)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                finally:
                    with scripted._lock:
                        scripted.in_flight -= 1

            def send(self, reply: Reply, body: dict) -> None:
                time.sleep(reply.seconds)
                if reply.drop:
                    self.close_connection = True
                    self.connection.close()
                    return
                if reply.endless:
                    self.send_response(200)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    while True:  # until nobody listens
                        self.wfile.write(b" ")
                        time.sleep(0.01)
                content = reply.body if reply.body is not None else completion(reply, body)
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler


def completion(reply: Reply, body: dict) -> bytes:
    message = reply.message if reply.message is not None else {"role": "assistant", "content": reply.text}
    prompt = body["messages"][0]["content"] if body else ""
    counted = {"prompt_tokens": len(prompt) // 4 + 10, "completion_tokens": len(reply.text) // 4 + 1}
    value = {"choices": [{"index": 0, "message": message}], "usage": reply.usage if reply.usage != {} else counted}
    value["choices"][0]["finish_reason"] = reply.finish
    return json.dumps(value).encode()


def error(status: int, words: str, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=json.dumps({"error": {"message": words}}).encode(), headers=names)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def reply() -> type[Reply]:
    return Reply


@pytest.fixture(scope="session")
def say() -> Callable[..., str]:
    """What a good model answers to a prompt; with `change`, each of the four drafts is changed by it."""

    def said(prompt: str, change: Callable[[dict], dict] | None = None) -> str:
        if change is None:
            return good_answer(prompt)
        return json.dumps({"questions": [change(draft) for draft in drafts(passage_of(prompt))]})

    return said


@pytest.fixture(scope="session")
def towns() -> Callable[..., Path]:
    return write_towns


@pytest.fixture
def numbered_styles(tmp_path: Path) -> Path:
    """Ten styles whose prompts carry their number, which the scripted writer goes by."""
    folder = tmp_path / "prompts" / "styles"
    folder.mkdir(parents=True)
    for number in range(10):
        (folder / f"s{number}.txt").write_text(f"in style {number}.\n")
    return folder.parent
