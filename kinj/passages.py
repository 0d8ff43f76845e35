"""The text of a block of passages: one wording for evaluation and for training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kinj.errors import UserError
from kinj.records import Passage

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


@dataclass(frozen=True, slots=True)
class PassageTemplate:
    """A Jinja template that turns `passages` into one block.

    A passage has `text`, `context` (a line `title > heading > heading`, and the header row of a table that the text
    continues; empty for most), `title`, `date`, `source`, `license`, `page`, `headings`, `table_header`, `chunk_id`,
    `document_id`, `score`, `rank`.
    """

    source: str
    #: what to call it in logs and results: "default" or the file's path
    name: str = "default"

    @property
    def sha256(self) -> str:
        """SHA-256 of the template's text, 64 hex digits."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def render(self, passages: Sequence[Passage]) -> str:
        """The block that is put before the question; empty without passages. Passages are data, never template code.

        Raises:
            UserError: the template does not parse, asks for an unknown field, or leaves out a passage's text.
        """
        if not passages:
            return ""
        try:
            block = _compiled(self.source).render(passages=passages)
        except (TemplateError, TypeError) as error:
            raise UserError(
                f"template {self.name}: {error}; `kinj template` prints the default to start from"
            ) from error
        for passage in passages:
            if passage.text.strip() not in block:
                raise UserError(
                    f"template {self.name} leaves out the text of passage {passage.rank}: use {{{{ passage.text }}}}"
                )
        return block


@cache
def _compiled(source: str) -> Template:
    """Compiling takes twenty times as long as rendering, and fitting the window renders often."""
    return _ENVIRONMENT.from_string(source)


def load_template(file: str | Path | None = None) -> PassageTemplate:
    """The template in `file`, or the default.

    Raises:
        UserError: no such file, not UTF-8, or not a Jinja template.
    """
    if file is None:
        return PassageTemplate(resources.files("kinj").joinpath("passages.jinja").read_text(encoding="utf-8"))
    try:
        source = Path(file).read_text(encoding="utf-8")
        _ENVIRONMENT.parse(source)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"template={file}: cannot be read ({error}); `kinj template > FILE` writes the default"
        ) from error
    except TemplateSyntaxError as error:
        raise UserError(
            f"template={file}:{error.lineno}: {error.message}; `kinj template` prints the default"
        ) from error
    return PassageTemplate(source, name=str(file))
