"""A question's options in another order: `--metadata '{"option_order": 1}'`, for who knew the answer before."""

from __future__ import annotations

from collections.abc import Sequence

from kinj.errors import UserError

MOST = 4


def reorder(choices: Sequence[str], answer: int, order: int) -> tuple[list[str], int]:
    """The options in that order, and where the right one stands in it; -1 stays.

    Args:
        choices: as they are written.
        answer: place of the right one, -1 where none is.
        order: 0: as written. 1 to 4: other ones, for four options all different and none as written: shifted by one,
            two and three places, and from the last to the first. Two options have one other order alone.

    Raises:
        UserError: another number.
    """
    if not isinstance(order, int) or isinstance(order, bool) or not 0 <= order <= MOST:
        raise UserError(f"option_order={order!r}: must be from 0, as they are written, to {MOST}")
    places = list(range(len(choices)))
    if order:
        others = [places[shift:] + places[:shift] for shift in range(1, len(places))] + [places[::-1]]
        places = others[(order - 1) % len(others)]
    return [choices[place] for place in places], places.index(answer) if answer >= 0 else answer
