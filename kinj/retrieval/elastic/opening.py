"""Opens an index on a cluster: one that kinj built, or somebody else's."""

from __future__ import annotations

from kinj.errors import UserError
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import connect
from kinj.retrieval.elastic.generations import check_name, find_generation
from kinj.retrieval.elastic.index import missing, open_elastic_index
from kinj.retrieval.index import Index


def open_on_cluster(name: str, text_field: str | None, vector_field: str | None) -> Index:
    """The index of that name on the cluster of the environment.

    Raises:
        UserError: none there, an unfinished or changed one, or somebody else's without `text_field`.
    """
    connection = connect()
    generation = find_generation(connection, check_name(name))
    if generation is None:
        raise missing(connection, name)
    if generation.manifest is None:
        from kinj.retrieval.elastic.foreign import open_foreign_index

        return open_foreign_index(connection, name, generation, text_field, vector_field)
    for field, value in (("text_field", text_field), ("vector_field", vector_field)):
        if value is not None:
            raise UserError(f"{field}={value}: kinj built {PREFIX}{name} and knows its fields; leave {field} away")
    return open_elastic_index(connection, name, generation)
