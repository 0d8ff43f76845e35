"""`kinj_rag`: an lm-eval model that puts retrieved passages before the question of another lm-eval model."""

from kinj_models.rag import RagLM

__all__ = ["RagLM"]
