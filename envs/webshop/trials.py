"""Best-of-N folders: episodes in the layout from which progress-advantage scorers choose one rollout a task."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode


def write_trials(folder: Path, episodes: Iterable[Episode], *, domain: str = "webshop") -> list[Path]:
    """Write ``trial_i/<domain>.json`` for the i-th episode of every task.

    Each file is an object with ``simulations``, a list of ``{id, task_id, messages, reward_info}`` in tau2's form: what
    the environment said are the user's messages, the actions the assistant's, and ``reward_info["reward"]`` is the
    return. A task with fewer episodes than another is missing from the later trials. Episodes that failed to complete
    are left out.

    Args:
        folder: where to write; it is made where it does not exist.
        episodes: of any number of tasks, in the order of the trials.
        domain: name of the files.

    Returns:
        The files, in the order of the trials.
    """
    trials: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    played: defaultdict[str, int] = defaultdict(int)
    for episode in episodes:
        if episode.error is None:
            trials[played[episode.task_id]].append(_simulation(episode))
            played[episode.task_id] += 1
    paths = []
    for number, simulations in trials.items():
        path = folder / f"trial_{number}" / f"{domain}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"simulations": simulations}), encoding="utf-8")
        paths.append(path)
    return paths


def _simulation(episode: Episode) -> dict[str, Any]:
    messages = [{"role": "user", "content": episode.observations[0]}]
    for action, observation in zip(episode.actions, episode.observations[1:], strict=True):
        messages += {"role": "assistant", "content": str(action)}, {"role": "user", "content": observation}
    return {
        "id": episode.episode_id,
        "task_id": episode.task_id,
        "messages": messages,
        "reward_info": {"reward": episode.episode_return},
    }
