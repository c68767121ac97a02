"""The turn and episode tables as Parquet files.

Both files carry ``credit_gym.schema`` (its version) in their metadata. What the columns are is said in
:mod:`credit_gym.formats.turn_table`; of a message, ``rest`` is JSON of its fields other than role and content; of a
tool call, ``arguments`` is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from credit_gym.data.columns import Column
from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import LARGEST, open_file
from credit_gym.errors import StoreError
from credit_gym.formats.turn_table import EPISODE_COLUMNS, TURN_COLUMNS, Credits, episode_row, turn_rows
from credit_gym.formats.whole_file import whole_file

SCHEMA_VERSION = 3

_VERSION_KEY = b"credit_gym.schema"
_GROUP, _PIECE, _FEW = 1 << 13, 1 << 9, 1 << 4  # rows
_LONGEST_ROWS = 256 << 20  # bytes of a few
_LONGEST_VERSION = 9  # digits
_MOST_ROWS = 100  # a byte of a file; a row has texts and numbers of its own
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("rest", pa.string())])
_CALL = pa.struct([("id", pa.string()), ("name", pa.string()), ("arguments", pa.string())])
_TYPES = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "number": pa.float64(),
    "integer": pa.int64(),
    "integers": pa.list_(pa.int64()),
    "flag": pa.bool_(),
    "messages": pa.list_(_MESSAGE),
    "calls": pa.list_(_CALL),
}


def _field(column: Column) -> pa.Field:
    kind = pa.uint64() if column.stored == "unsigned" else _TYPES[column.type]
    shape = pa.list_(kind) if column.kind == "token" else kind
    return pa.field(column.export, shape, nullable=column.nullable)


_TURNS = pa.schema(
    [
        pa.field("episode_id", pa.string(), nullable=False),
        pa.field("step", pa.int32(), nullable=False),
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        *map(_field, TURN_COLUMNS),
    ]
)
_EPISODES = pa.schema(
    [
        *map(_field, EPISODE_COLUMNS),
        pa.field("steps", pa.int32(), nullable=False),
        pa.field("return", pa.float64(), nullable=False),
        pa.field("final_observation", pa.string(), nullable=False),
    ]
)


class Export(NamedTuple):
    """The two tables of an export."""

    turns: pa.Table
    episodes: pa.Table


def write_parquet(path: str | Path, episodes: Sequence[Episode], credits: Credits) -> Path:
    """Write the turns to ``path`` and the episodes beside it, to ``<stem>.episodes.parquet``.

    Text that is not legal unicode (a lone surrogate) becomes U+FFFD: Parquet's strings are UTF-8.

    Args:
        path: where the turns go.
        episodes: E episodes.
        credits: scorer -> E rows of credits, see :data:`~credit_gym.formats.turn_table.Credits`.

    Returns:
        The path of the episode table.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: a file cannot be written.
    """
    path = Path(path)
    columns = [pa.field(f"credit_{scorer}", pa.float64()) for scorer in credits]
    try:
        _write(path, turn_rows(episodes, credits), _stamped(_TURNS, columns))
        _write(episode_path(path), map(episode_row, episodes), _stamped(_EPISODES))
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): choose another path.") from error
    return episode_path(path)


def _bounded(file: pq.ParquetFile, size: int) -> pa.Table:
    """Read a table in pieces, unless it states more rows than its bytes can hold or grows beyond what is read whole.

    Columns that repeat take next to nothing in a file, however many rows they are said to have.
    """
    if file.metadata.num_rows > _MOST_ROWS * size:
        raise ValueError(f"it states {file.metadata.num_rows} rows in {size} bytes")
    batches, taken = list[pa.RecordBatch](), 0
    for batch in file.iter_batches(_GROUP):
        batches.append(batch)
        taken += batch.nbytes
        if taken > LARGEST:
            raise ValueError(f"it unpacks to more than {LARGEST} bytes")
    return pa.Table.from_batches(batches, file.schema_arrow)


def _write(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    with whole_file(path) as part, pq.ParquetWriter(part, schema) as writer:
        for table in _tables(iter(rows), schema):
            writer.write_table(table)


def _tables(rows: Iterator[Mapping[str, Any]], schema: pa.Schema) -> Iterator[pa.Table]:
    """Row groups: made of pieces, because rows take many times the memory of a table."""
    while True:
        pieces = [
            pa.Table.from_pylist(piece, schema=schema)
            for _ in range(_GROUP // _PIECE)
            if (piece := list(islice(rows, _PIECE)))
        ]
        if not pieces:
            return
        yield pa.concat_tables(pieces).combine_chunks()


def read_parquet(path: str | Path) -> Export:
    """Read what :func:`write_parquet` wrote to ``path``.

    Raises:
        StoreError: a file is missing, is not such a table, or was written by a newer version.
    """
    path = Path(path)
    return Export(_read(path), _read(episode_path(path)))


def foreign_rows(file: BinaryIO, size: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of anybody's table, a few in memory at a time.

    Args:
        file: the table.
        size: its bytes.

    Raises:
        StoreError: it is damaged, or unpacks to more than is read.
    """
    try:
        table, taken = pq.ParquetFile(file), 0
        if table.metadata.num_rows > _MOST_ROWS * size:
            raise ValueError(f"it states {table.metadata.num_rows} rows in {size} bytes")
        for batch in table.iter_batches(_FEW):
            taken += batch.nbytes
            if batch.nbytes > _LONGEST_ROWS or taken > LARGEST:
                raise ValueError("it unpacks to more than is read")
            yield from batch.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        said = str(error).partition("\n")[0][:200]
        raise StoreError(f"The table cannot be read as Parquet ({said}): write it again.") from None


def episode_path(path: Path) -> Path:
    """Return where the episode table of a turn table lies."""
    return path.with_name(f"{path.stem}.episodes{path.suffix}")


def _stamped(schema: pa.Schema, more: Iterable[pa.Field] = ()) -> pa.Schema:
    return pa.schema([*schema, *more], metadata={_VERSION_KEY: str(SCHEMA_VERSION).encode()})


def _read(path: Path) -> pa.Table:
    try:
        with open_file(path) as file:
            table = _bounded(pq.ParquetFile(file), path.stat().st_size)
    except (OSError, ValueError) as error:  # what Arrow finds invalid is a ValueError
        raise StoreError(f"{path} cannot be read as Parquet ({error}): give a file that was exported here.") from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"").decode("ascii", "replace")
    if not version.isdecimal() or len(version) > _LONGEST_VERSION:
        raise StoreError(f"{path} was not exported by credit_gym: its metadata has no schema version.")
    if int(version) > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer credit_gym (schema {version}): upgrade credit-gym.")
    return table
