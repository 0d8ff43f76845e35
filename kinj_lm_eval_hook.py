"""Run at every interpreter start: calls `kinj_lm_eval_plugin` once lm-eval's own modules have run.

By a .pth file, which imports it, or from Python 3.15 on by the .start file beside it, which names `install` (PEP 829);
a .start file switches the import line of its .pth file off. Small on purpose, without an import of its own.
`KINJ_NO_HOOK=1` switches it off.
"""

import os
import sys


class Finder:
    """Lets the other finders find, and adds our part after the module has run."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        if name not in ("lm_eval.models", "lm_eval.tasks.manager", "lm_eval.loggers.evaluation_tracker"):
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None and spec.loader is not None:

                def exec_module(module, run=spec.loader.exec_module):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
                    run(module)
                    try:
                        import kinj_lm_eval_plugin

                        kinj_lm_eval_plugin.extend(module)
                    except (AttributeError, ImportError) as error:  # left behind by an uninstallation: lm-eval goes on
                        sys.stderr.write(f"kinj: its start-up hook found no kinj ({error}): remove {__file__}\n")

                spec.loader.exec_module = exec_module
                return spec
        return None


def install():  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Puts the finder first, once: a .start file may be read twice, and importing this module has done it already."""
    # By name: a module run a second time makes another class of the same name.
    if not os.environ.get("KINJ_NO_HOOK") and not any(type(finder).__module__ == __name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


install()  # type: ignore[no-untyped-call]
