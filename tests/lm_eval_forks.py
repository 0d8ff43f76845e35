"""Started by the fixture `forked_lm_eval`: runs `lm_eval` commands, each in a fork of this process.

A line of standard input is a command, `{"words": […], "log": FILE}`; the line that answers is its exit code.
The imports and the parsing of lm-eval's own 14,000 task files are most of what a small run costs.
"""

import copy
import functools
import json
import os
import sys
from pathlib import Path

# Before anything else is written: what imports print must not stand among the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import lm_eval.__main__  # noqa: E402
import lm_eval.models.huggingface  # noqa: E402
from lm_eval.tasks import _index  # noqa: E402

import kinj_models  # noqa: E402, F401


def remember_files():
    """Only the parsing of single files is remembered; each run still walks the folders and builds its own index."""
    read = functools.cache(_index.load_yaml)

    def load_yaml(path, *arguments, **named):
        if Path(path).is_relative_to(BUILT_IN):
            return copy.deepcopy(read(path, *arguments, **named))
        return plain(path, *arguments, **named)

    plain, _index.load_yaml = _index.load_yaml, load_yaml
    _index.TaskIndex.build([BUILT_IN])


def run(words, log):
    """Never returns: the process ends as the command would."""
    for stream, name in ((0, os.devnull), (1, log + ".out"), (2, log)):
        os.dup2(os.open(name, os.O_RDONLY if stream == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.argv = words
    code = 1
    try:
        lm_eval.__main__.cli_evaluate()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter does at the end of a command
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


BUILT_IN = Path(_index.__file__).parent
remember_files()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(**json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), file=ANSWERS, flush=True)
