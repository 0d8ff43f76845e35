"""Knowledge injection: fine-tune on your texts, retrieve from them, or both?"""

__all__: list[str] = []
