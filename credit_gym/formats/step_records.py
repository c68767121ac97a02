"""Plain steps, ``{"observation", "action", "reward"}``: the list of an episode, its columns, or one record each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.field_names import NAMES, UNKNOWN_REWARD, episode_rewards, find, has, identity, truth, worth
from credit_gym.formats.json_records import Place
from credit_gym.formats.json_values import BESIDE, beside, rows, text


def has_steps(row: Mapping[str, Any]) -> bool:
    """Return whether a record holds the steps of an episode: their list, or a list of actions."""
    steps = find(row, "steps")
    listed = isinstance(steps, list) and steps != [] and all(map(is_step, steps))
    return listed or isinstance(row.get("actions"), list)


def is_step(row: object) -> bool:
    """Return whether a record is a single step."""
    return isinstance(row, dict) and has(row, "action")


def joined(found: Iterable[tuple[Place, Any]]) -> Iterator[tuple[Place, Any]]:
    """Yield records as they are, but single steps put together to episodes ``{"steps": [...], ...}``.

    Steps that follow each other are of one episode as long as their ``episode_id`` is the same; where they have none,
    until one says that it is the last. What other fields say last is said of the episode. Where a record between steps
    cannot be read, the episodes on both sides are not whole, and are left out.

    Raises:
        StoreError: steps of an episode that had not said its last stand apart: what was yielded of it is a part.
    """
    steps, place, whose, left = list[dict[str, Any]](), Place(0, ""), "", set[str]()
    torn = after_damage = ended = False
    for here, given in found:
        row, own, last = _read_step(here, given)
        damaged = isinstance(row, StoreError)
        if steps and not damaged and (own is None or own != whose or (not own and ended)):
            yield place, _put_together(place, steps, torn)
            steps = []
            left |= set() if ended else {whose}
        if own and own in left:
            raise StoreError(f"{here.text} is a step of an episode begun and left before: sort the file by episode.")
        if own is None:
            torn = after_damage = damaged
            yield here, row
            continue
        if not steps:
            place, whose, torn = here, own, after_damage
        steps.append(row)
        ended, after_damage = last, False
    if steps:
        yield place, _put_together(place, steps, torn)


def steps_episode(row: Mapping[str, Any], number: int) -> Episode:
    """Return the episode of a record that :func:`has_steps`; what is wrong with it is a KeyError, TypeError, ...

    An observation or an action that is no text is the JSON text of what it is. Steps that all have a number of
    their own are in its order. The last observation is the
    ``next_observation`` of the last step, or one more in ``observations``. Rewards are those of the steps, or of the
    episode's end. A step may bring the columns of a turn table under their names there (``state_key``, ``verifier``,
    ``thought``), a record those of :data:`credit_gym.formats.json_values.BESIDE` as lists.
    """
    steps = [] if isinstance(row.get("actions"), list) else _in_order(find(row, "steps"))
    seen, done, rewards = _of_steps(steps) if steps else _of_columns(row)
    rewards = episode_rewards(row, len(done)) if not rewards or find(row, "rewards") is not None else rewards
    if not done:
        raise ValueError("it has no step")
    task = identity(row, "task_id", seen[0])
    return Episode.from_steps(
        [(before, action, reward or 0.0) for before, action, reward in zip(seen, done, rewards, strict=False)],
        last_observation=seen[-1] if len(seen) > len(done) else "",
        env_id=identity(row, "env_id", "imported/steps"),
        task_id=task,
        group_id=identity(row, "group_id", task),
        episode_id=identity(row, "episode_id", str(number)),
        agent_id=identity(row, "agent_id", ""),
        goal=text(row.get("goal") or "", "goal"),
        success=truth(row, "success", sum(reward or 0.0 for reward in rewards) > 0),
        truncated=truth(row, "truncated", bool(steps) and truth(steps[-1], "truncated", False)),
        error=UNKNOWN_REWARD if None in rewards else None,
        exact_verifier=truth(row, "exact_verifier", False),
        **_state_keys(steps, seen),
        **beside({**_step_columns(steps), **row}),
    )


_Rewards = list[float | None]
_Steps = list[dict[str, Any]]


def _in_order(steps: _Steps) -> _Steps:
    """Steps by their numbers; as they stand where one has none, or that of another."""
    numbers = {each: step for step in steps if type(each := find(step, "step")) is int}
    return [numbers[each] for each in sorted(numbers)] if len(numbers) == len(steps) else steps


def _read_step(place: Place, row: Any) -> tuple[Any, str | None, bool]:
    """A record, with the id of the episode that it is a step of (None: of none), and whether it is its last."""
    if not is_step(row) or has_steps(row):
        return row, None, False
    try:
        last = truth(row, "terminated", False) or truth(row, "truncated", False)
        return row, identity(row, "episode_id", ""), last
    except TypeError as error:
        return place.damage(error), None, False


def _of_columns(row: Mapping[str, Any]) -> tuple[list[str], list[str], _Rewards]:
    """The observations, the actions and the rewards (none if not given) of lists."""
    done = [_said(each) for each in row["actions"]]
    seen = [_said(each) for each in rows(row.get("observations"), "observations")]
    if len(seen) not in (len(done), len(done) + 1):
        raise ValueError(f"it has {len(done)} actions and {len(seen)} observations")
    return seen, done, []


def _of_steps(steps: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str], _Rewards]:
    """The same of steps."""
    seen, done, rewards = list[str](), list[str](), _Rewards()
    for index, step in enumerate(steps):
        if not has(step, "observation"):
            raise ValueError(f"steps[{index}] has no 'observation'")
        seen.append(_said(find(step, "observation")))
        done.append(_said(find(step, "action")))
        if "reward" in step:
            rewards.append(worth(step["reward"], f"the reward of steps[{index}]"))
    if len(rewards) not in (0, len(done)):
        raise ValueError(f"{len(rewards)} of its {len(done)} steps have a reward: give one to all, or to none")
    last = find(steps[-1], "next_observation")
    return [*seen, *([] if last is None else [_said(last)])], done, rewards


def _step_columns(steps: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns = {name: [step.get(key) for step in steps] for name, key in _KEYS.items()}
    return {name: values for name, values in columns.items() if any(value is not None for value in values)}


def _state_keys(steps: Sequence[Mapping[str, Any]], seen: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The true states, where every step tells its own; after the last step it is told apart by what is seen."""
    keys = [step["state_key"] for step in steps if isinstance(step.get("state_key"), str)]
    if not steps or len(keys) < len(steps):
        return {}
    last = steps[-1].get("next_state_key")
    return {"state_keys": (*keys, last if isinstance(last, str) else seen[-1] if len(seen) > len(steps) else "")}


_KEYS = {column.name: column.export or column.name for column in BESIDE if column.kind != "point"}
_OF_A_STEP = {each for field in ("observation", "next_observation", "action", "terminated") for each in NAMES[field]}
_OF_A_STEP |= {"reward", "state_key", "next_state_key", *_KEYS.values()}


def _put_together(place: Place, steps: list[dict[str, Any]], torn: bool) -> dict[str, Any] | StoreError:
    if torn:
        return place.damage(ValueError("a record between its steps, or beside them, cannot be read"))
    about = {key: value for step in steps for key, value in step.items() if value is not None and key not in _OF_A_STEP}
    return {**about, "steps": steps}


def _said(value: Any) -> str:
    """What is seen or done as a text; null is nothing."""
    said = "" if value is None else value
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, sort_keys=True)
