"""`python -m kinj_models ARGUMENTS` is `lm_eval ARGUMENTS` with kinj in it, without the start-up hook.

For where that is not read or not wanted: `pip install --target`, `python -S`, `KINJ_NO_HOOK=1`.
"""

from __future__ import annotations

import importlib

from lm_eval.__main__ import cli_evaluate

import kinj_lm_eval_plugin

for name in kinj_lm_eval_plugin.MODULES:
    kinj_lm_eval_plugin.extend(importlib.import_module(name))

if __name__ == "__main__":
    cli_evaluate()
