"""Log-likelihoods of a Hugging Face base with every distinct token of the prompts computed once."""

from kinj_models.prefix_sharing.scorer import (
    SharedScorer,
    TokenCount,
    TokenRequest,
    is_out_of_memory,
    sharing_copy,
)
from kinj_models.prefix_sharing.supported import why_not

__all__ = ["SharedScorer", "TokenCount", "TokenRequest", "is_out_of_memory", "sharing_copy", "why_not"]
