"""Tokens and money: what was spent, and where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kinj.errors import UserError
from kinj.settings_file import read_settings
from kinj.writing.journal import Entry

#: Known prices; `--prices FILE` adds others, and wins.
SHIPPED = Path(__file__).with_name("prices.yaml")

#: Host and model.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


def find_price(host: str, model: str, file: Path | None = None) -> Price | None:
    """What a model costs at that host; None where no file says it: that is unknown, and not 0.

    Raises:
        UserError: a file of prices is none.
    """
    for path in (file, SHIPPED):
        if path is None:
            continue
        if not path.is_file():
            raise UserError(f"--prices {path}: no such file")
        prices = read_settings(path).get(host)
        value = prices.get(model) if isinstance(prices, dict) else None
        if value is not None:
            return _price(path, model, value)
    return None


def _price(path: Path, model: str, value: object) -> Price:
    values = value if isinstance(value, dict) else {}
    prompt, completion = values.get("prompt"), values.get("completion")
    if not isinstance(prompt, int | float) or not isinstance(completion, int | float) or min(prompt, completion) < 0:
        raise UserError(f"{path}: {model}: expected `prompt` and `completion`, US dollars for a million tokens")
    return Price(float(prompt), float(completion))


class Budget:
    """What the folder's answers have cost so far, over all runs, and the most that they may."""

    def __init__(
        self,
        prices: Mapping[Place, Price | None],
        spent: Iterable[Entry] = (),
        *,
        most_tokens: int | None = None,
        most_cost: float | None = None,
    ) -> None:
        """Takes over what was spent before.

        Args:
            prices: by host and model, those of the answers of earlier runs too.
            spent: answers of earlier runs.
            most_tokens: of prompts and answers together.
            most_cost: US dollars.

        Raises:
            UserError: a limit of cost where a price is unknown.
        """
        nameless = 'an unknown host, as an older journal has it (the host "" in that file)'
        unknown = sorted(f"{model} at {host or nameless}" for (host, model), p in prices.items() if p is None)
        if most_cost is not None and unknown:
            raise UserError(
                f"--max-cost: the price of {', '.join(unknown)} is unknown; name it in a file: --prices FILE "
                "(docs/writing.md), or limit the tokens: --max-tokens"
            )
        self._prices, self._most_tokens, self._most_cost = prices, most_tokens, most_cost
        self.prompt_tokens = self.completion_tokens = self.requests = self.estimated = 0
        #: US dollars; None once a model without a price has been paid
        self.cost: float | None = 0.0
        #: in flight
        self._held: dict[int, tuple[Place, int, int]] = {}
        self._next = 0
        for entry in spent:
            self.spend(entry)

    @property
    def tokens(self) -> int:
        """Of prompts and answers together."""
        return self.prompt_tokens + self.completion_tokens

    def spend(self, entry: Entry) -> None:
        """Counts an answer."""
        self.requests += 1
        self.estimated += entry.estimated
        self.prompt_tokens += entry.prompt_tokens
        self.completion_tokens += entry.completion_tokens
        cost = self.cost_of(entry.place, entry.prompt_tokens, entry.completion_tokens)
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def cost_of(self, place: Place, prompt_tokens: int, completion_tokens: int) -> float | None:
        """US dollars for so many tokens; None where the price is unknown."""
        price = self._prices.get(place)
        return price.of(prompt_tokens, completion_tokens) if price else None

    def hold(self, place: Place, prompt_tokens: int, completion_tokens: int) -> int:
        """Sets aside what a request may cost at most; returns what to `release` when it has ended.

        Raises:
            OverspentError: with this request a limit could be passed.
        """
        held = [*self._held.values(), (place, prompt_tokens, completion_tokens)]
        tokens = self.tokens + sum(p + c for _, p, c in held)
        if self._most_tokens is not None and tokens > self._most_tokens:
            raise OverspentError(f"--max-tokens {self._most_tokens:,}: {self.tokens:,} are spent in this folder")
        if self._most_cost is not None and self.cost is not None:
            cost = self.cost + sum(self.cost_of(m, p, c) or 0.0 for m, p, c in held)
            if cost > self._most_cost:
                raise OverspentError(f"--max-cost {self._most_cost:g}: ${self.cost:.4f} is spent in this folder")
        self._next += 1
        self._held[self._next] = held[-1]
        return self._next

    def release(self, hold: int) -> None:
        """The request has ended."""
        del self._held[hold]

    def cost_text(self) -> str:
        """For people."""
        return "cost unknown" if self.cost is None else f"${self.cost:.4f}"


class OverspentError(Exception):
    """A request could pass a limit; says which."""
