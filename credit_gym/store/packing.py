"""An episode in two cells: SQLite's time goes by the cell, and an episode has some thirty columns.

``numbers`` holds its columns of numbers, one after the other, and ``texts`` those of texts, U+001D between them, and
what it has once. ``recorded`` names the columns of the first, of the second, and those that have a cell of their own:
whatever is long, ragged or made of messages.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from credit_gym.data.columns import COLUMNS
from credit_gym.errors import StoreError
from credit_gym.store.codecs import EPISODE_COLUMNS, Cell
from credit_gym.store.column_cells import STEP_COLUMNS

PACKED = ("recorded", "numbers", "texts")
"""The cells that columns are packed into."""

_NEXT, _KIND = "\x1d", "|"
_FLAGS = frozenset(column.name for column in COLUMNS if column.kind == "episode" and column.type == "flag")
_WIDTH = {name: codec.dtype.itemsize for name, codec in STEP_COLUMNS.items() if codec.dtype}
_EXTRA = {column.name: column.extra for column in COLUMNS}
_SEEN = [column.name for column in COLUMNS if column.batch]  # by scorers: first, so that the rest need not be cut
_TEXTS = [name for name in dict.fromkeys([*_SEEN, *EPISODE_COLUMNS, *STEP_COLUMNS]) if name not in _WIDTH]


class Recorded(NamedTuple):
    """Names of the columns of an episode, by where they are."""

    numbers: Sequence[str]
    texts: Sequence[str]
    own: Sequence[str]


def pack(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return the cells of :data:`PACKED`, then those of the columns that are not packed, by name.

    Args:
        cells: of the columns of an episode that were recorded, by name.
    """
    plain = {name: cell for name in _TEXTS if (cell := _text(name, cells.get(name))) is not None}
    texts = {name: cell for name, cell in plain.items() if _NEXT not in cell}
    numbers = {name: given for name in _WIDTH if isinstance(given := cells.get(name), bytes)}
    own = {name: cell for name, cell in cells.items() if name not in numbers and name not in texts}
    recorded = _KIND.join(map(" ".join, Recorded(list(numbers), list(texts), list(own))))
    packed = (recorded, b"".join(numbers.values()), _NEXT.join(texts.values()))
    return {**dict(zip(PACKED, packed, strict=True)), **own}


def is_whole(recorded: Cell) -> bool:
    """Whether the first cell of :data:`PACKED` says that there are no others."""
    return isinstance(recorded, str) and recorded.endswith(_KIND)


def names_of(recorded: str) -> Recorded:
    """Return what the first cell of :data:`PACKED` says.

    Raises:
        StoreError: it names a column that is not known.
        ValueError: it is damaged.
    """
    found = Recorded(*map(str.split, recorded.split(_KIND)))
    for name in (*found.numbers, *found.texts, *found.own):
        if name not in _EXTRA:
            raise StoreError(f"it has a column {name!r} that this version does not know: upgrade credit-gym.")
    return found


def unpack(
    recorded: Recorded, numbers: Sequence[bytes], texts: Sequence[str], steps: Sequence[int], names: Container[str]
) -> dict[str, Sequence[Cell]]:
    """Return the packed columns of some episodes by name, a cell an episode.

    Args:
        recorded: what each of them has.
        numbers: cells of the episodes.
        texts: likewise.
        steps: how many each episode has.
        names: of the columns that are wanted; others may be left out.

    Raises:
        ValueError: a cell has not what the episode recorded.
    """
    found: dict[str, Sequence[Cell]] = {}
    ends = [0] * len(steps)
    for name in recorded.numbers:
        width, extra = _WIDTH[name], _EXTRA[name]
        begins, ends = ends, [end + width * (size + extra) for end, size in zip(ends, steps, strict=True)]
        found[name] = [cell[begin:end] for cell, begin, end in zip(numbers, begins, ends, strict=True)]
    if list(map(len, numbers)) != ends:
        raise ValueError("a column has not as many entries as its episode")
    last = max((place for place, name in enumerate(recorded.texts, 1) if name in names), default=0)
    cuts = last if last < len(recorded.texts) else -1
    columns = list(zip(*[cell.split(_NEXT, cuts) for cell in texts], strict=True))
    if len(columns) != min(last + 1, max(len(recorded.texts), 1)):
        raise ValueError("it has not as many columns as it recorded")
    return found | dict(zip(recorded.texts[:last], columns, strict=False))


def _text(name: str, cell: Cell) -> str | None:
    """The cell as a text, if it can be one; a flag is one that is empty where it is false."""
    if name in _FLAGS and isinstance(cell, int):
        return "1" if cell else ""
    return cell if isinstance(cell, str) else None
