"""What a server says of the model behind it."""

from __future__ import annotations

import json
import logging
import re
import urllib.request
from typing import Any

from lm_eval.api.model import LM

log = logging.getLogger("lm_eval.kinj")

_SECONDS = 10.0


def served_models(base: LM) -> list[dict[str, Any]] | None:  # Any: JSON values
    """`id` and `root` of the models that the server names in its `/v1/models`: the one asked for, else all.

    Of all that stands there only these two stay the same while one model is served (vLLM makes `created` and
    `permission` anew at each call). None where the server does not say.
    """
    found = re.match(r"(https?://.*?/v\d+)(/|$)", str(getattr(base, "base_url", "")))
    if found is None:
        return None
    request = urllib.request.Request(f"{found[1]}/models", headers=dict(getattr(base, "header", None) or {}))  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  # the address the base is asked at
            rows = json.load(answer)["data"]
        models = [{"id": row.get("id"), "root": row.get("root")} for row in rows]
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        log.info("kinj_rag: %s/models does not say what is served (%s)", found[1], type(error).__name__)
        return None
    asked = [model for model in models if model["id"] == getattr(base, "model", None)]
    return sorted(asked or models, key=lambda model: str(model["id"]))
