"""Records that stand within another: a list in an envelope, trajectories by their ids, several answers to one prompt.

Only what has one meaning is taken apart; a record of any other shape is left to its reader, which says what it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credit_gym.formats.field_names import NAMES, find, has

ENVELOPES = ("data", "episodes", "trajectories", "rollouts", "records", "rows", "items", "examples", "samples",
             "traces", "results", "instances")  # fmt: skip
"""Names of a list of records, beside which there is nothing to be scored."""

ANSWERS = ("responses", "completions", "outputs", "generations", "answers", "samples")
"""Names of a list of texts that answer one prompt, each with a reward of its own."""

MOST_MESSAGES = 1_000_000
"""Messages before the answers of one record, each as often as it is answered."""


def held(row: Any) -> list[tuple[str, Any]] | None:
    """Return the records within one, each with words for its place; None where it is a record itself.

    Of an envelope the ids of task, group, agent and environment go to those within that have none.

    Raises:
        ValueError: it has several answers, but not what they answer or not a reward for each.
    """
    if not isinstance(row, Mapping) or not row:
        return None
    return _listed(row) or _by_id(row) or _sampled(row)


def _listed(row: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    lists = [(name, value) for name, value in row.items() if isinstance(value, list)]
    if len(lists) != 1 or any(has(row, field) for field in _CONTENT):
        return None
    ((called, within),) = lists
    besides = (value for name, value in row.items() if name != called and name not in _ABOUT)
    if called not in ENVELOPES or not within or not all(isinstance(each, Mapping) for each in within):
        return None
    if any(isinstance(value, Mapping) for value in besides):
        return None
    return [(f"entry {number} of {called!r}", {**_shared(row, each), **each}) for number, each in enumerate(within, 1)]


def _by_id(row: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    if not _KNOWN.isdisjoint(row):
        return None
    if all(
        isinstance(each, Mapping) and any(has(each, field) for field in ("messages", "steps")) for each in row.values()
    ):
        return [(repr(key[:80]), {**({} if has(each, "episode_id") else {"episode_id": key}), **each})
                for key, each in row.items()]  # fmt: skip
    if all(isinstance(each, list) and each and all(map(_is_step, each)) for each in row.values()):
        return [(repr(key[:80]), {"episode_id": key, "steps": each}) for key, each in row.items()]
    return None


def _sampled(row: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    """Answers to one prompt: episodes of one step, in one group."""
    called = next((name for name in ANSWERS if _texts(row.get(name))), None)
    if called is None or has(row, "completion") or has(row, "steps"):
        return None
    answers = row[called]
    worths = next((row[name] for name in _WORTHS if isinstance(row.get(name), list)), None)
    chat, prompt = find(row, "messages"), find(row, "prompt")
    if chat is None and prompt is None:
        raise ValueError(f"its {called!r} answer no 'prompt': add it, or write each with its messages as a record")
    if worths is None or len(worths) != len(answers):
        given = "no 'rewards'" if worths is None else f"{len(worths)} rewards"
        raise ValueError(f"it has {len(answers)} {called!r} and {given}: give one reward for each")
    said = prompt if chat is None else chat
    before = [{"role": "user", "content": said}] if isinstance(said, str) else said
    if not isinstance(before, list):
        raise ValueError("its prompt is neither a text nor a list of messages")
    if len(before) * len(answers) > MOST_MESSAGES:  # a short text may ask for any number of long chats
        raise ValueError(f"its answers would be chats of more than {MOST_MESSAGES} messages: write each as a record")
    rest = {key: value for key, value in row.items() if key not in _TAKEN and key != called}
    name = find(row, "episode_id")
    ids = {} if name is None or has(rest, "task_id") else {"task_id": str(name)}
    return [
        (
            f"answer {number}",
            {
                **{key: value for key, value in rest.items() if key not in NAMES["episode_id"]},
                **ids,
                **({} if name is None else {"episode_id": f"{name}-{number}"}),
                "messages": [*before, {"role": "assistant", "content": answer}],
                "reward": worth,
            },
        )
        for number, (answer, worth) in enumerate(zip(answers, worths, strict=True), 1)
    ]


def _shared(row: Mapping[str, Any], each: Mapping[str, Any]) -> dict[str, Any]:
    fields = [field for field in ("task_id", "group_id", "agent_id", "env_id") if not has(each, field)]
    return {name: row[name] for field in fields for name in NAMES[field] if isinstance(row.get(name), (str, int))}


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_step(value: Any) -> bool:
    return isinstance(value, Mapping) and has(value, "action") and has(value, "observation")


_CONTENT = ("messages", "prompt", "completion", "steps", "action", "observation")
_ABOUT = ("metadata", "meta", "info", "config", "stats")
_WORTHS = (*NAMES["rewards"], "scores", "labels")
_TAKEN = frozenset((*_WORTHS, *NAMES["messages"], *NAMES["prompt"]))
_KNOWN = frozenset(name for names in NAMES.values() for name in names)
