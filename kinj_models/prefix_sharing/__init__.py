"""Log-likelihoods of a Hugging Face base with every distinct token of the prompts computed once."""

from kinj_models.prefix_sharing.scorer import SharedScorer, TokenRequest, Work, sharing_copy, why_not

__all__ = ["SharedScorer", "TokenRequest", "Work", "sharing_copy", "why_not"]
