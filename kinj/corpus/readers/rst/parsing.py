"""docutils, taught the words of Sphinx that a source uses."""

from __future__ import annotations

import re
from typing import Any

from docutils import core, frontend, nodes, utils  # type: ignore[import-untyped]
from docutils.parsers import rst  # type: ignore[import-untyped]
from docutils.parsers.rst import directives, languages, roles  # type: ignore[import-untyped]

#: A document reads no other file, runs nothing, and takes no settings from the machine.
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "report_level": 5,
    "halt_level": 5,
    "doctitle_xform": False,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "initial_header_level": 1,
    "line_length_limit": 1_000_000,
}
_DIRECTIVE_NAMES = re.compile(r"^\s*\.\. (?:\|[^|\n]+\| )?([\w:.+-]+?)::", re.MULTILINE)
_ROLE_NAMES = re.compile(r"(?<![\w`]):([A-Za-z][\w:.+-]*):`|`:([A-Za-z][\w:.+-]*):")
#: Directives that only tell Sphinx what to do. Of those that docutils does not know, all others leave their text.
_SILENT = frozenset(
    {
        *("toctree", "index", "currentmodule", "py:currentmodule", "highlight", "tabularcolumns", "default-domain"),
        *("sectionauthor", "codeauthor", "automodule", "autoclass", "autofunction", "automethod", "autoexception"),
        *("autoattribute", "autodata", "autosummary", "literalinclude", "acks", "graphviz", "plot"),
        *("testsetup", "testcleanup", "include", "raw"),
    }
)
_CODE = frozenset({"code-block", "sourcecode", "doctest", "testcode", "testoutput", "prompt"})
#: What a reader of the page sees before a directive's argument.
_LABELS = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
    "seealso": "See also",
}
#: `text <target>`: what is read is the text.
_TARGET = re.compile(r"\A(?P<text>.+?)\s*<[^<>]*>\Z", re.DOTALL)


def rst_to_html(source: str) -> str:
    """The body of the page that docutils makes of a source; what it cannot make sense of stays as it is typed."""
    _learn(source)
    return str(core.publish_parts(source, writer="html5", settings_overrides=_SETTINGS)["html_body"])


class _AnyOption(dict[str, Any]):  # Any: docutils' own conversions
    """Takes every option of a directive as it is typed."""

    def __bool__(self) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return directives.unchanged


class _Silent(rst.Directive):  # type: ignore[misc]  # docutils ships no types
    """Leaves nothing."""

    has_content, optional_arguments, final_argument_whitespace, option_spec = True, 1, True, _AnyOption()

    def run(self) -> list[Any]:
        """Gives no nodes."""
        return []


class _Code(_Silent):
    """Leaves its content as code."""

    def run(self) -> list[Any]:
        """Gives a block of code."""
        code = "\n".join(self.content)
        return [nodes.literal_block(code, code)]


class _Text(_Silent):
    """Leaves its argument as a paragraph, and its content."""

    def run(self) -> list[Any]:
        """Gives a box with both."""
        box = nodes.container()
        words = " ".join([_LABELS.get(self.name, ""), *self.arguments]).strip()
        if words and self.name != "only":
            box += nodes.paragraph("", "", *self.state.inline_text(words, self.lineno)[0])
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


def _role(name: str, raw: str, text: str, *_: Any, **__: Any) -> tuple[list[Any], list[Any]]:  # Any: as docutils calls
    """A role's text; a leading ! or ~ told Sphinx how to link."""
    target = _TARGET.match(text)
    return [nodes.inline(raw, (target["text"] if target else text).lstrip("!~"))], []


_ENGLISH = languages.get_language("en")
_NOWHERE = utils.new_document("", frontend.get_default_settings(rst.Parser))


def _learn(source: str) -> None:
    """Registers what the source uses and docutils does not know."""
    for name in {match.lower() for match in _DIRECTIVE_NAMES.findall(source)}:
        if name in _SILENT:
            directives.register_directive(name, _Silent)
        elif name in _CODE:
            directives.register_directive(name, _Code)
        elif directives.directive(name, _ENGLISH, _NOWHERE)[0] is None:
            directives.register_directive(name, _Text)
    for before, after in _ROLE_NAMES.findall(source):
        name = (before or after).lower()
        if roles.role(name, _ENGLISH, 0, _NOWHERE.reporter)[0] is None:
            roles.register_local_role(name, _role)
