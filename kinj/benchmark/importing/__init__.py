"""People's own questions, however they wrote them down, as questions of a benchmark folder."""

from kinj.benchmark.importing.answers import AnswerForm
from kinj.benchmark.importing.fields import Fields
from kinj.benchmark.importing.files import open_rows
from kinj.benchmark.importing.questions import Imported, Refused, import_questions
from kinj.benchmark.importing.splitting import Shares, split_questions

__all__ = [
    "AnswerForm",
    "Fields",
    "Imported",
    "Refused",
    "Shares",
    "import_questions",
    "open_rows",
    "split_questions",
]
