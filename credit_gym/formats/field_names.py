"""What people call the fields of an episode: names that are read alike, and what an outcome may be written as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credit_gym.formats.api_keys import text_without_keys
from credit_gym.formats.json_values import flag, name, number, rows

_SOLVED = ("success", "is_success", "solved", "correct", "is_correct", "passed", "resolved")

NAMES: dict[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation", "contents", "dialogue", "dialog", "chat"),
    "prompt": ("prompt", "instruction", "question", "query", "input"),
    "completion": ("completion", "response", "output", "generation"),
    "steps": ("steps", "transitions", "trajectory"),
    "step": ("step", "step_id", "step_index", "step_number", "turn", "timestep"),
    "observation": ("observation", "obs", "state"),
    "next_observation": ("next_observation", "next_obs", "next_state"),
    "action": ("action", "act"),
    "rewards": ("rewards", "step_rewards", "turn_rewards"),
    "reward": (
        *("reward", "score", "return", "episode_return", "episode_reward", "total_reward", "final_reward"),
        *("outcome", "label", *_SOLVED),
    ),
    "success": _SOLVED,
    "terminated": ("terminated", "done", "terminal", "is_terminal", "is_last"),
    "truncated": ("truncated",),
    "exact_verifier": ("exact_verifier",),
    "task_id": ("task_id", "task", "question_id", "problem_id", "instance_id", "query_id", "example_id", "prompt_id"),
    "group_id": ("group_id", "group", "prompt_id", "uid"),
    "episode_id": ("episode_id", "episode", "trajectory_id", "traj_id", "rollout_id", "conversation_id", "id"),
    "agent_id": ("agent_id", "agent", "model"),
    "env_id": ("env_id", "env", "environment", "data_source"),
}
"""Field -> its names, that of :data:`credit_gym.data.columns.COLUMNS` first; the first that has a value is read."""

UNKNOWN_REWARD = "its reward is not known, which is not the same as 0: nothing can be credited to it"
"""The error of an episode whose source says that there is no reward, so that it is compared with nothing."""

HOLDERS = ("metadata", "extra_info", "info", "extra")
"""Objects in which a record may hold its outcome."""

_WORDS = {
    **dict.fromkeys(("true", "yes", "success", "succeeded", "won", "win"), 1.0),
    **dict.fromkeys(("pass", "passed", "correct", "solved", "resolved"), 1.0),
    **dict.fromkeys(("false", "no", "failure", "failed", "lost", "loss"), 0.0),
    **dict.fromkeys(("fail", "incorrect", "wrong", "unsolved", "unresolved"), 0.0),
}


def find(row: Mapping[str, Any], field: str) -> Any:
    """Return the value of a field under whichever name it has, None where it has none, or null."""
    return next((row[each] for each in NAMES[field] if row.get(each) is not None), None)


def has(row: Mapping[str, Any], field: str) -> bool:
    """Return whether a record has a field, be it null."""
    return any(each in row for each in NAMES[field])


def with_outcome(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record that says how it ended itself, where one of :data:`HOLDERS` says so in its place."""
    fields = ("rewards", "reward", "success")
    if any(has(row, field) for field in fields):
        return row
    for holder in (row.get(each) for each in HOLDERS):
        if isinstance(holder, Mapping) and any(has(holder, field) for field in fields):
            names = {each for field in fields for each in NAMES[field]}
            return {**row, **{key: value for key, value in holder.items() if key in names}}
    return row


def identity(row: Mapping[str, Any], field: str, otherwise: str) -> str:
    """Return an id; a name that is not the field's own counts only where it holds a text or a number."""
    own, *others = NAMES[field]
    if row.get(own) is None:
        row = {each: row[each] for each in others if isinstance(row.get(each), str | int | float)}
    return name(find(row, field), field, otherwise)


def truth(row: Mapping[str, Any], field: str, otherwise: bool) -> bool:
    """Return a truth value."""
    value = find(row, field)
    word = value.strip().lower() if isinstance(value, str) else None
    return otherwise if value is None else bool(_WORDS[word]) if word in _WORDS else flag(value, field)


def episode_rewards(row: Mapping[str, Any], steps: int) -> list[float | None]:
    """Return the reward of each step, None where it is null: that is not known. One for the whole is the last step's.

    Raises:
        TypeError: one is no number and no word for success or failure.
        ValueError: there is none, or not one for each step.
    """
    each = find(row, "rewards")
    if each is not None:
        if len(rows(each, "rewards")) != steps:
            raise ValueError(f"it has {steps} actions but {len(each)} rewards")
        return [worth(reward, f"a reward (number {index})") for index, reward in enumerate(each, 1)]
    if not has(row, "reward"):
        raise ValueError(f"it has no 'reward' (score, label, success ... will do), {_listed(row)}")
    called = "reward" if "reward" in row else next((each for each in NAMES["reward"] if row.get(each) is not None), "")
    whole = worth(row.get(called), "a reward" if called == "reward" else f"a reward ({called})")
    return [*[0.0] * (steps - 1), whole]


def worth(value: Any, what: str) -> float | None:
    """Return a reward: a number, a truth value, or a word for success or failure; None for null."""
    word = value.strip().lower() if isinstance(value, str) else None
    return None if value is None else _WORDS[word] if word in _WORDS else number(value, what)


def lacking(row: Mapping[str, Any]) -> ValueError:
    """Return the error about a record in which nothing is played."""
    if "role" in row or "from" in row:
        return ValueError('it is a single message: write a chat as {"messages": [...], "reward": 1.0}')
    return ValueError(
        "it has no 'messages' (conversations, prompt with completion ... will do) and no 'steps', 'actions' or "
        f"'action', {_listed(row)}"
    )


def _listed(row: Mapping[str, Any]) -> str:
    names = [text_without_keys(str(each))[:30] for each in list(row)[:8]]
    return f"only {', '.join(names)}" + (", ..." if len(row) > len(names) else "") if names else "it is empty"
