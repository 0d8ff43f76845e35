"""Which model computes the log-likelihoods: the base, or its copy that computes shared prefixes once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lm_eval.api.model import LM

if TYPE_CHECKING:
    from kinj_models.prefix_sharing import TokenCount

log = logging.getLogger("lm_eval.kinj")


class PrefixSharing:
    """Decides once, with the first log-likelihoods, whether the base's prefixes can be shared.

    `kinj_models.prefix_sharing` needs torch, which a base behind a server does not: it is imported late.
    """

    def __init__(self, *, enabled: bool) -> None:
        #: of the copy that shares; None where nothing is shared
        self.count: TokenCount | None = None
        #: why nothing is shared though the setting asks for it
        self.reason: str | None = None
        self.enabled = enabled
        self._scorer: LM | None = None
        self._other: PrefixSharing | None = None

    def try_as(self, other: PrefixSharing) -> None:
        """Takes what another finds out about the same base: it is tried on the model, which takes seconds."""
        if self.enabled == other.enabled:
            self._other = other

    def scorer(self, base: LM) -> LM:
        """The base's sharing copy, or the base itself where sharing is off or impossible (the log says why)."""
        if not self.enabled:
            return base
        if self._scorer is None and self._other is not None:
            self._scorer = self._other.scorer(base)
            self.reason, self.count = self._other.reason, self._other.count
        if self._scorer is None:
            from kinj_models.prefix_sharing import TokenCount, sharing_copy, why_not

            self.reason = why_not(base)
            if self.reason is None:
                self.count = TokenCount()
                self._scorer = sharing_copy(base, self.count)
            else:
                self._scorer = base
                # Of a model that is computed here people expect the speed; a server was never meant to share.
                level = logging.INFO if getattr(base, "AUTO_MODEL_CLASS", None) is None else logging.WARNING
                log.log(level, "kinj_rag: prefixes are not shared: %s", self.reason)
        return self._scorer

    def take_tokens(self) -> tuple[int, int]:
        """Tokens asked and computed since they were last taken."""
        return (0, 0) if self.count is None else self.count.take()
