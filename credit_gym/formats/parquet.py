"""Export: episodes and their credits as Parquet or JSON lines, one row a turn.

Two tables, joined by ``episode_id``. A credit that a scorer did not give is null, which is not the same thing as 0.

=================  =========================================================================================
turns              one row per step
=================  =========================================================================================
episode_id         string
step               int32, from 0
task_id, group_id  string
state_key          string, hash of the true state before the step
observation        string, what the agent saw before the step
action             string
reward             float64
verifier           float64, null where there was no reading
advantage          float64, exact advantage, null where no oracle knows it
role               string, null if single-agent
admissible         list of string, null where the environment does not know them
messages           list of {role, content, rest}: the chat that the action answered; ``rest`` is JSON of a
                   message's other fields, null if it has none
prompt_token_ids   list of int64, the tokens of that chat, null where the model's backend did not give them
token_ids          list of int64, the tokens that were sampled as the action, null likewise
logprobs           list of float64, their log-probabilities under the policy in nats, null likewise
decoding           string, how the model's text became the action, null where nobody said
credit_<scorer>    float64, null where not scored; one column per scorer
=================  =========================================================================================

=================  =========================================================================================
episodes           one row per episode
=================  =========================================================================================
episode_id         string
env_id, task_id    string
group_id           string
agent_id, goal     string
seed               uint64, null if it was not given
steps              int32
return             float64, undiscounted
success            bool
terminated         bool
truncated          bool
error              string, null if the episode completed
final_observation  string, after the last action
=================  =========================================================================================

Both files carry ``credit_gym.schema`` (its version) in their metadata.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError, StoreError

SCHEMA_VERSION = 2

Credits = Mapping[str, Sequence[Sequence[float | None] | None]]
"""Scorer -> for each episode its credits, one a step; None (or NaN) where a step or a whole episode has none."""

_VERSION_KEY = b"credit_gym.schema"
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("rest", pa.string())])
_TURNS = pa.schema(
    [
        pa.field("episode_id", pa.string(), nullable=False),
        pa.field("step", pa.int32(), nullable=False),
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("state_key", pa.string(), nullable=False),
        pa.field("observation", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("reward", pa.float64(), nullable=False),
        pa.field("verifier", pa.float64()),
        pa.field("advantage", pa.float64()),
        pa.field("role", pa.string()),
        pa.field("admissible", pa.list_(pa.string())),
        pa.field("messages", pa.list_(_MESSAGE)),
        pa.field("prompt_token_ids", pa.list_(pa.int64())),
        pa.field("token_ids", pa.list_(pa.int64())),
        pa.field("logprobs", pa.list_(pa.float64())),
        pa.field("decoding", pa.string()),
    ]
)
_EPISODES = pa.schema(
    [
        pa.field("episode_id", pa.string(), nullable=False),
        pa.field("env_id", pa.string(), nullable=False),
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("agent_id", pa.string(), nullable=False),
        pa.field("goal", pa.string(), nullable=False),
        pa.field("seed", pa.uint64()),
        pa.field("steps", pa.int32(), nullable=False),
        pa.field("return", pa.float64(), nullable=False),
        pa.field("success", pa.bool_(), nullable=False),
        pa.field("terminated", pa.bool_(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("error", pa.string()),
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
        credits: scorer -> E rows of credits, see :data:`Credits`.

    Returns:
        The path of the episode table.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: a file cannot be written.
    """
    path = Path(path)
    columns = [pa.field(f"credit_{scorer}", pa.float64()) for scorer in credits]
    turns = pa.Table.from_pylist(list(turn_rows(episodes, credits)), schema=_stamped(_TURNS, columns))
    runs = pa.Table.from_pylist([_episode_row(episode) for episode in episodes], schema=_stamped(_EPISODES))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(turns, path)
        pq.write_table(runs, episode_path(path))
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): choose another path.") from error
    return episode_path(path)


def read_parquet(path: str | Path) -> Export:
    """Read what :func:`write_parquet` wrote to ``path``.

    Raises:
        StoreError: a file is missing, is not such a table, or was written by a newer version.
    """
    path = Path(path)
    return Export(_read(path), _read(episode_path(path)))


def write_jsonl(path: str | Path, episodes: Sequence[Episode], credits: Credits) -> None:
    """Write the turns as JSON lines, with the columns of the Parquet table; null where there is no value.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    path = Path(path)
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in turn_rows(episodes, credits)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): choose another path.") from error


def episode_path(path: Path) -> Path:
    """Return where the episode table of a turn table lies."""
    return path.with_name(f"{path.stem}.episodes{path.suffix}")


def turn_rows(episodes: Sequence[Episode], credits: Credits) -> Iterator[dict[str, Any]]:
    """Yield the turns of some episodes as rows of the turn table.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
    """
    for scorer, rows in credits.items():
        lengths = [len(episode) if row is None else len(row) for episode, row in zip(episodes, rows, strict=False)]
        if len(rows) != len(episodes) or lengths != list(map(len, episodes)):
            raise BatchError(f"The credits of {scorer!r} must be one row per episode and one number per step.")
    for e, episode in enumerate(episodes):
        given = {f"credit_{scorer}": rows[e] for scorer, rows in credits.items()}
        for t, action in enumerate(episode.actions):
            yield {
                "episode_id": _legal(episode.episode_id),
                "step": t,
                "task_id": _legal(episode.task_id),
                "group_id": _legal(episode.group_id),
                "state_key": _legal(episode.state_keys[t]),
                "observation": _legal(episode.observations[t]),
                "action": _legal(action),
                "reward": float(episode.rewards[t]),
                "verifier": _number(episode.verifier, t),
                "advantage": _number(episode.advantages, t),
                "role": None if episode.roles is None else _legal(episode.roles[t]),
                "admissible": _texts(episode.admissible_actions, t),
                "messages": None if episode.messages is None else [_message(m) for m in episode.messages[t]],
                "prompt_token_ids": _numbers(episode.prompt_token_ids, t),
                "token_ids": _numbers(episode.token_ids, t),
                "logprobs": _numbers(episode.policy_logprobs, t),
                "decoding": (episode.decodings[t] or None) if episode.decodings is not None else None,
                **{name: _number(row, t) for name, row in given.items()},
            }


def _episode_row(episode: Episode) -> dict[str, Any]:
    return {
        "episode_id": _legal(episode.episode_id),
        "env_id": _legal(episode.env_id),
        "task_id": _legal(episode.task_id),
        "group_id": _legal(episode.group_id),
        "agent_id": _legal(episode.agent_id),
        "goal": _legal(episode.goal),
        "seed": episode.seed,
        "steps": len(episode),
        "return": episode.episode_return,
        "success": bool(episode.success),
        "terminated": bool(episode.terminated),
        "truncated": bool(episode.truncated),
        "error": None if episode.error is None else _legal(episode.error),
        "final_observation": _legal(episode.observations[-1]),
    }


def _message(message: Mapping[str, Any]) -> dict[str, str | None]:
    """Keep the two texts that every chat has; whatever else a message holds goes to ``rest``."""
    texts = {key: value for key, value in message.items() if key in ("role", "content") and isinstance(value, str)}
    rest = {key: value for key, value in message.items() if key not in texts}
    return {
        "role": _legal(texts["role"]) if "role" in texts else None,
        "content": _legal(texts["content"]) if "content" in texts else None,
        "rest": _legal(json.dumps(rest, ensure_ascii=False, sort_keys=True)) if rest else None,
    }


def _texts(column: Sequence[Iterable[str]] | None, t: int) -> list[str] | None:
    return None if column is None else [_legal(text) for text in column[t]]


def _numbers(column: Sequence[Sequence[float]] | None, t: int) -> list[float | None] | None:
    """The numbers of a step; a step without any has null, which is not the same thing as an empty answer."""
    row = column[t] if column is not None else ()
    return [None if math.isnan(value) else value for value in row] or None


def _number(column: Sequence[float | None] | None, t: int) -> float | None:
    value = None if column is None else column[t]
    return None if value is None or math.isnan(value) else float(value)


def _legal(text: str) -> str:
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _stamped(schema: pa.Schema, more: Iterable[pa.Field] = ()) -> pa.Schema:
    return pa.schema([*schema, *more], metadata={_VERSION_KEY: str(SCHEMA_VERSION).encode()})


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path} cannot be read as Parquet ({error}): give a file that was exported here.") from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"").decode()
    if not version.isdecimal():
        raise StoreError(f"{path} was not exported by credit_gym: its metadata has no schema version.")
    if int(version) > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer credit_gym (schema {version}): upgrade credit-gym.")
    return table
