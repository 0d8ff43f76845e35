"""Prompts and styles: files that a person can change."""

from __future__ import annotations

import shutil
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from kinj.errors import UserError, nearest
from kinj.manifest import sha256_file

#: The files that ship; those of `--prompts DIR` take their place, by name.
SHIPPED = Path(__file__).with_name("prompts")
STYLES = "styles"
#: Tasks of answers whose prompt has another name.
_FILES = {
    "unseen": "read",
    "closed_book": "read",
    "indirect": "questions_indirect",
    "two": "questions_two",
    "relation": "relations",
}


class Prompts:
    """All prompts and styles of a run."""

    def __init__(self, folder: Path | None = None) -> None:
        """Reads the files that ship, and those that replace or add to them.

        Args:
            folder: of a person's own files; styles in its folder `styles` replace all that ship.

        Raises:
            UserError: there is no such folder, or a file in it replaces none.
        """
        files = {path.stem: path for path in sorted(SHIPPED.glob("*.txt"))}
        styles = sorted((SHIPPED / STYLES).glob("*.txt"))
        if folder is not None:
            if not folder.is_dir():
                raise UserError(f"--prompts {folder}: no such folder; `kinj write prompts {folder}` makes one")
            for path in sorted(folder.glob("*.txt")):
                if path.stem not in files:
                    like = nearest(path.stem, files)
                    means = f"; did you mean {like}.txt?" if like else ""
                    raise UserError(f"{path}: no prompt of that name ({', '.join(files)}){means}")
                files[path.stem] = path
            styles = sorted((folder / STYLES).glob("*.txt")) or styles
        self._files = files | {f"{STYLES}/{path.stem}": path for path in styles}
        #: names of the styles of paraphrases
        self.styles = [path.stem for path in styles]
        # Values are data: nothing in them is run, and a person's file reaches nothing but them.
        self._environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
        #: those that were used; compiling one takes longer than all else about a request
        self._templates: dict[str, Template] = {}
        self._hashes: dict[str, str] = {}

    def render(self, name: str, **values: object) -> str:
        """A prompt with its values in their places.

        Raises:
            UserError: the file asks for a value that there is not, or is no template.
        """
        path = self._files[name]
        try:
            if name not in self._templates:
                self._templates[name] = self._environment.from_string(path.read_text(encoding="utf-8"))
            return self._templates[name].render(**values).strip()
        except TemplateError as error:
            raise UserError(f"{path}: {error}; it may use {', '.join(sorted(values))}") from error

    def style(self, name: str) -> str:
        """How a style is to be written."""
        return self.render(f"{STYLES}/{name}")

    def hashes_for(self, task: str, style: str) -> dict[str, str]:
        """SHA-256 of the files that an answer was asked by, by name.

        Args:
            task: as its key in the journal names it.
            style: of its key (see `style_of`).
        """
        names = [_FILES.get(task, task)]
        if task == "paraphrase":
            names.append(f"{STYLES}/{style_of(style)}")
        return {name: self._sha256(name) for name in names}

    def _sha256(self, name: str) -> str:
        if name not in self._hashes:
            self._hashes[name] = sha256_file(self._files[name])
        return self._hashes[name]


def style_of(key: str) -> str:
    """The name of a paraphrase's style, with which its key in the journal begins."""
    return key.rpartition(" ")[0]


def copy_prompts(folder: Path) -> None:
    """Copies all that ship, to be changed.

    Raises:
        UserError: the folder is there.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder")
    shutil.copytree(
        SHIPPED, folder, ignore=lambda _, names: [n for n in names if not n.endswith(".txt") and n != STYLES]
    )
