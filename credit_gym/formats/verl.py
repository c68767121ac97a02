"""The Parquet rows of verl's RLHFDataset: recorded turns with their credits, or tasks to be played live."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.credited_turns import Credit, Row, action_credits, credited_turns
from credit_gym.formats.turn_table import legal_text

_TEXT = pa.string()
_FUNCTION = pa.struct([("name", _TEXT), ("arguments", _TEXT)])
_CALLS = pa.list_(pa.struct([("id", _TEXT), ("type", _TEXT), ("function", _FUNCTION)]))
_SAID = [("role", _TEXT), ("content", _TEXT)]
_MAY_BE_SAID = {"name": _TEXT, "tool_call_id": _TEXT, "reasoning_content": _TEXT, "tool_calls": _CALLS}
_PROMPT = pa.field("prompt", pa.list_(pa.struct(_SAID)), nullable=False)
_COMMON = [
    _PROMPT,
    pa.field("data_source", _TEXT, nullable=False),
    pa.field("ability", _TEXT, nullable=False),
    pa.field("reward_model", pa.struct([("style", _TEXT), ("ground_truth", _TEXT)]), nullable=False),
]
TURNS = pa.schema(
    [
        *_COMMON,
        pa.field(
            "extra_info",
            pa.struct(
                [
                    ("index", pa.int64()),
                    ("episode_id", _TEXT),
                    ("step", pa.int32()),
                    ("group_id", _TEXT),
                    ("action", _TEXT),
                    ("thought", _TEXT),
                    ("finish_reason", _TEXT),
                    ("tool_calls", _CALLS),
                    ("credit", pa.float64()),
                    ("prompt_token_ids", pa.list_(pa.int64())),
                    ("token_ids", pa.list_(pa.int64())),
                    ("logprobs", pa.list_(pa.float64())),
                ]
            ),
            nullable=False,
        ),
    ]
)
"""One row a turn; ``reward_model.ground_truth`` is a JSON object of the state's actions and their mean credits.

Where a chat has tool calls, tool results, thoughts or names, the messages of ``prompt`` have those fields too.
"""

TASKS = pa.schema(
    [
        *_COMMON,
        pa.field("agent_name", _TEXT, nullable=False),
        pa.field("extra_info", pa.struct([("index", pa.int64()), ("env_id", _TEXT)]), nullable=False),
    ]
)
"""One row a task, for the agent loop of :mod:`credit_gym.agents.learning.verl_plugin`."""


def verl_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one row for every turn that has a credit, as :data:`TURNS` says.

    Token ids, log-probabilities and whatever else was not recorded of a turn are null.

    Args:
        episodes: E episodes.
        credit: E rows of credits.
        threshold: the size that a credit must reach to be written; 0 writes all.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    turns = list(credited_turns(episodes, credit))
    worth = action_credits(turns)
    for index, turn in enumerate(turn for turn in turns if abs(turn.credit) >= threshold):
        answer = turn.answer
        yield {
            "prompt": turn.prompt,
            "data_source": turn.episode.env_id,
            "ability": "agent",
            "reward_model": {"style": "rule", "ground_truth": json.dumps(worth[turn.state], ensure_ascii=False)},
            "extra_info": {
                "index": index,
                "episode_id": legal_text(turn.episode.episode_id),
                "step": turn.step,
                "group_id": legal_text(turn.episode.group_id),
                "action": turn.action,
                "thought": answer.get("reasoning_content"),
                "finish_reason": turn.finish_reason,
                "tool_calls": answer.get("tool_calls"),
                "credit": turn.credit,
                **turn.tokens,
            },
        }


def write_turns(path: str | Path, rows: Iterable[Row]) -> None:
    """Write :func:`verl_rows` as a Parquet file for ``data.train_files``.

    Raises:
        StoreError: the file cannot be written.
    """
    rows = list(rows)  # what is said in any message decides the columns
    used = {key for row in rows for message in row["prompt"] for key in message}
    more = [(key, kind) for key, kind in _MAY_BE_SAID.items() if key in used]
    prompt = _PROMPT.with_type(pa.list_(pa.struct([*_SAID, *more])))
    _write(path, rows, TURNS.set(TURNS.get_field_index("prompt"), prompt))


def write_tasks(path: str | Path, env_id: str, tasks: Iterable[int]) -> None:
    """Write one row for each task of an environment, to be played live by verl's agent loop.

    The prompt names the task and nothing more: the loop makes the real one from what the environment says.

    Args:
        path: the Parquet file, for ``data.train_files``.
        env_id: Gymnasium id of the environment.
        tasks: their numbers, as ``reset(options={"task": number})`` takes them.

    Raises:
        StoreError: the file cannot be written.
    """
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Play task {task} of {env_id}."}],
            "data_source": env_id,
            "ability": "agent",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "agent_name": "credit_gym",
            "extra_info": {"index": task, "env_id": env_id},
        }
        for task in tasks
    ]
    _write(path, rows, TASKS)


def _write(path: str | Path, rows: Iterable[Row], schema: pa.Schema) -> None:
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): choose another path.") from error
