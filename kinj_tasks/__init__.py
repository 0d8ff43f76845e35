"""What the YAMLs in task_configs/ name, loaders and scoring, and the collections that ship with the project."""

__all__: list[str] = []
