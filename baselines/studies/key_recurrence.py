"""What a key buys: how often states recur under it, and what a scorer that pools them then knows of good actions.

    python -m credit_gym.baselines.studies.key_recurrence [--seeds N] [--markdown FILE] [--json FILE] [--plots DIR]

A noisy expert plays groups of one task. The same episodes are written as chats (calls as calls, system message,
observations, replies and a reward) and imported again, which leaves no true states, no beliefs and no verifier; and
once more with a stamp before every observation, as logs have it: a time, the number of the request, an id. For each of
the three, and for every key: the share of steps whose state another episode of the group visited too, and the mean
Spearman correlation, within groups, of the temporal difference of pooled values (``td_error``) with whether the action
was one of the expert's. What knows no states, ``grpo``, stands beside it.
"""

from __future__ import annotations

import json as text_json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import gymnasium as gym
import numpy as np
import typer

from credit_gym import rng
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.spec import parse_agent
from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile, MarkdownFile, PlotFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.call_dialects import Unreadable, read_calls
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import BoolArray
from credit_gym.data.keys import KEYS, choose_key, measure_keys
from credit_gym.data.recurrence import recurrence
from credit_gym.formats.credited_turns import CreditedTurn
from credit_gym.formats.readers import read_episodes
from credit_gym.metrics.statistics import spearman
from credit_gym.report import Table
from credit_gym.report.command import run as run_command
from credit_gym.scorers import score
from credit_gym.wrappers import RecordBelief, RecordVerifier
from credit_gym.wrappers.record_belief import oracle


class _Found(NamedTuple):
    """What some episodes show, by key: recurrence and correlation; that of grpo, and the key that auto took."""

    recurs: dict[str, float]
    knows: dict[str, float]
    grpo: float
    auto: str


def measure(episodes: Sequence[Episode], good: BoolArray) -> _Found:
    """Measure every key on some episodes.

    Args:
        episodes: E episodes of S steps.
        good: (S,) whether each action was one of the expert's.
    """
    batches = {key: EpisodeBatch.from_episodes(episodes, key=key) for key in measure_keys(episodes)}
    return _Found(
        {str(key): recurrence(batch) for key, batch in batches.items()},
        {str(key): _knows(batch, "td_error", good) for key, batch in batches.items()},
        _knows(batches["state"], "grpo", good),
        str(choose_key(episodes).key),
    )


def as_chats(episodes: Sequence[Episode]) -> list[Episode]:
    """Return the episodes as they come back from a file of chats, which is all that a model's log would hold."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chats.jsonl"
        file.write_text("".join(f"{text_json.dumps(_chat(_calling(episode)))}\n" for episode in episodes), "utf-8")
        found = read_episodes("chat", file)
    return list(found.episodes)


def stamped(episodes: Sequence[Episode]) -> list[Episode]:
    """Return the episodes with a stamp before every observation, none of them like another."""
    return [
        replace(
            episode,
            observations=tuple(
                f"[{_clock(number, point)} request {point + 1}, {rng.derive(number, point):016x}] {observation}"
                for point, observation in enumerate(episode.observations)
            ),
        )
        for number, episode in enumerate(episodes)
    ]


def main(
    agent: Annotated[str, typer.Option(help="Who plays.")] = "noisy:0.3",
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of each environment.")] = 10,
    group_size: Annotated[int, typer.Option(min=2, help="Episodes of a task.")] = 8,
    seeds: Annotated[int, typer.Option(min=1, help="Runs that are averaged.")] = 4,
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Play, write as chats, import, measure every key on both."""
    results: dict[str, list[_Found]] = {}
    for name, make_env in ENVIRONMENTS.items():
        for seed in range(seeds):
            played = run_episodes(
                make_env,
                parse_agent(agent, seed=seed),
                episodes=tasks * group_size,
                group_size=group_size,
                seed=rng.derive(seed),
                progress=False,
            )
            played = [episode for episode in played if episode.error is None and len(episode)]
            offered = chain.from_iterable(episode.expert_actions or ((),) * len(episode) for episode in played)
            acted = chain.from_iterable(episode.actions for episode in played)
            good = np.asarray([action in best for action, best in zip(acted, offered, strict=True)])
            results.setdefault(name, []).append(measure(played, good))
            results.setdefault(f"{name}, as chats", []).append(measure(as_chats(played), good))
            results.setdefault(f"{name}, with stamps", []).append(measure(as_chats(stamped(played)), good))
    table = _table(results)
    publish([table], markdown, plots)
    if json is not None:
        config = {
            "baseline": "key_recurrence",
            "agent": agent,
            "tasks": tasks,
            "group_size": group_size,
            "seeds": seeds,
        }
        save_json(json, config, {name: [found._asdict() for found in rows] for name, rows in results.items()})


def _environment(env_id: str, belief: bool = False) -> gym.Env[str, str]:
    env = RecordVerifier(gym.make(env_id))
    return RecordBelief(env, oracle) if belief else env


ENVIRONMENTS: Mapping[str, Callable[[], gym.Env[str, str]]] = {
    "ALFWorld": partial(_environment, "credit/ALFWorld-v0"),
    "WebShop": partial(_environment, "credit/WebShop-v0"),
    "20 Questions": partial(_environment, "credit/TwentyQuestions-v0", belief=True),
    "tau2 (library)": partial(_environment, "credit/Tau2-v0"),
}


def _clock(number: int, point: int) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number, seconds=7 * point)).isoformat()


def _knows(batch: EpisodeBatch, scorer: str, good: BoolArray) -> float:
    """Mean over groups of the correlation of credits with good actions; 0 where either is constant."""
    credit = score(batch, scorer)
    parts = [batch.step_group == group for group in np.unique(batch.step_group)]
    found = [spearman(credit[part], good[part]) for part in parts]
    return float(np.mean(np.nan_to_num(found)))


def _calling(episode: Episode) -> Episode:
    """The episode with the calls that its actions are as a column, as a model that calls tools leaves them."""
    found = [read_calls(action, {}) for action in episode.actions]
    calls = [() if isinstance(each, Unreadable) else each for each in found]
    rows = [
        tuple({**call, "id": f"call_{step}_{number}"} for number, call in enumerate(each))
        for step, each in enumerate(calls)
    ]
    return replace(episode, tool_calls=tuple(rows)) if any(rows) else episode


def _chat(episode: Episode) -> dict[str, Any]:
    last = CreditedTurn(episode, len(episode) - 1, 0.0)
    return {
        "messages": [*last.prompt, last.answer],
        "reward": episode.episode_return,
        "success": episode.success,
        "task_id": episode.task_id,
        "group_id": episode.group_id,
        "episode_id": episode.episode_id,
    }


def _table(results: Mapping[str, Sequence[_Found]]) -> Table:
    rows = [
        (
            name,
            f"{np.mean([found.grpo for found in rows]):.2f}",
            *(_cell(rows, key) for key in KEYS),
            ", ".join(dict.fromkeys(found.auto for found in rows)),
        )
        for name, rows in results.items()
    ]
    title = "Steps that recur in another episode of the group; correlation of td_error with the expert's actions"
    return Table(title, ("", "grpo", *KEYS, "auto is"), tuple(rows))


def _cell(rows: Sequence[_Found], key: str) -> str:
    if key not in rows[0].recurs:
        return "–"
    share, correlation = (
        np.mean([each[key] for each in part]) for part in zip(*(row[:2] for row in rows), strict=True)
    )
    return f"{100 * share:.0f} %; {correlation:.2f}"


if __name__ == "__main__":
    run_command(main)
