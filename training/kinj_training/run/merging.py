"""`kinj train FOLDER --merge`: the merged weights of a finished training that has its adapter alone.

`kinj compare` removes them once its cells are complete, and makes them again where its plan has grown.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from kinj.checkpoint import fingerprint, read_training
from kinj.errors import UserError
from kinj.manifest import read_manifest, sha256_files
from kinj_training.base import Base, find_base
from kinj_training.recipe.recipe import ModelSource
from kinj_training.run.folder import alone
from kinj_training.run.saving import ADAPTER, Merger

log = logging.getLogger(__name__)

_REMEDY = "train anew: remove the folder and type the same command"
#: Token ids without a pattern, on which the merged model is compared with base and adapter.
_BLOCK = tuple(3 + 7 * place % 61 for place in range(48))


def merge_again(folder: Path) -> None:
    """Returns once the folder has the weights of which its manifest tells, byte for byte; there already: at once.

    Raises:
        UserError: no finished training with an adapter, its base has changed, or the weights become others, as by
            another version of a library.
    """
    with alone(folder):
        manifest = read_manifest(folder, _REMEDY)
        weights = [name for name in manifest["files"] if name.endswith(".safetensors") and "/" not in name]
        names = [name for name in manifest["files"] if name in weights or name.endswith(".safetensors.index.json")]
        if all((folder / name).is_file() for name in names):
            return
        if manifest["lora"] is None or not (folder / ADAPTER).is_dir():
            raise UserError(f"{folder}: weights are missing and no adapter is there to merge: {_REMEDY}")
        model, training = manifest["settings"]["model"], manifest["settings"]["training"]
        code = bool(training.get("trust_remote_code"))
        earlier = Path(model["model_name_or_path"])
        if read_training(earlier) is not None:
            merge_again(earlier)  # a stage before this one, of which its adapter alone may be there too
        base = find_base(ModelSource(model["model_name_or_path"], model["model_revision"], code))
        _refuse_another(base, manifest["base"]["fingerprint"])
        part = folder / "merged.part"
        shutil.rmtree(part, ignore_errors=True)
        Merger(base, model["dtype"], code, _BLOCK).merge(folder / ADAPTER, part)
        if sha256_files(part, weights) != manifest["weights_sha256"]:
            raise UserError(f"{folder}: merged again the weights are others (other libraries than then?): {_REMEDY}")
        for name in names:
            (part / name).chmod((folder / "manifest.json").stat().st_mode)
            (part / name).replace(folder / name)
        shutil.rmtree(part)
        log.info("%s: merged again from its adapter, byte for byte", folder)


def _refuse_another(base: Base, known: str) -> None:
    if fingerprint(base.folder) != known:
        raise UserError(f"{base.name} has changed since the adapter was trained on it: {_REMEDY}")
