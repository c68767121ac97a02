"""The published evaluation on any language model: k games of every secret, by the rules or before a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from credit_gym.agents.llm.asking import asker
from credit_gym.agents.llm.backends import Settings
from credit_gym.agents.llm.prompting import load_prompting
from credit_gym.agents.rollout.runner import open_agent, run_episodes, usual_workers
from credit_gym.agents.spec import parse_agent
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.metrics.information import interval_over_secrets, mean_at_k, repeated_fraction, success_by_budget
from credit_gym.metrics.pass_at_k import pass_once
from credit_gym.report import Table


def play_games(
    env_id: str,
    model: str,
    *,
    judge: str | None,
    secrets: int,
    repeats: int,
    turns: int,
    seed: int,
    prompting: str = "plain",
    temperature: float = 0.7,
) -> list[Episode]:
    """Play ``repeats`` games of each of ``secrets`` secrets of the test split.

    Args:
        env_id: an information-seeking game.
        model: spec of the agent.
        judge: spec of the model that answers; None leaves it to the rules.
        secrets: how many secrets.
        repeats: games of each.
        turns: most questions of a game.
        seed: of all draws.
        prompting: how a language model is asked.
        temperature: of its sampling.
    """
    arguments: dict[str, Any] = {"split": "test", "num_tasks": secrets, "turns": turns}
    if judge is not None:
        arguments["answerer"] = asker(judge)
    settings = Settings(prompting=replace(load_prompting(prompting), temperature=temperature))
    with open_agent(parse_agent(model, seed=seed, settings=settings)) as player:
        return run_episodes(
            lambda: gym.make(env_id, **arguments),
            player,
            episodes=secrets * repeats,
            seed=seed,
            group_size=repeats,
            workers=usual_workers(player),
        )


def games_table(title: str, episodes: Sequence[Episode], repeats: int, turns: int) -> Table:
    """Mean@k with its spread, Pass@k, questions, repeats and success by budget, with intervals over secrets.

    Secrets of which a game failed to complete are left out, and counted.

    Raises:
        CreditGymError: there is no secret all of whose games completed.
    """
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.group_id, []).append(episode)
    whole = [group for group in groups.values() if len(group) == repeats and not any(e.error for e in group)]
    if not whole:
        raise CreditGymError(f"No secret has all its games; the first one says: {episodes[0].error}")
    played = [episode for group in whole for episode in group]
    won = np.array([[episode.success for episode in group] for group in whole])
    mean, spread = mean_at_k(won)
    games, wins = np.full(len(won), repeats), won.sum(axis=1)
    passed = {k: pass_once(games, wins, k) for k in (1, repeats)}
    lengths = np.array([len(episode) for episode in played], dtype=np.int64)
    questions = [[question.strip().casefold() for question in episode.actions] for episode in played]
    again = np.array([q in asked[:t] for asked in questions for t, q in enumerate(asked)], dtype=np.bool_)
    budgets = success_by_budget(won.ravel(), np.minimum(lengths, turns), turns)
    half = max(turns // 2, 1)
    rows = [
        (f"Mean@{repeats}", f"{mean:.3f} ± {spread:.3f}", _interval(won)),
        *((f"Pass@{k}", f"{passed[k].mean():.3f}", _interval(passed[k])) for k in (1, repeats)),
        (f"success within {half} turns", f"{budgets[half - 1]:.3f}", None),
        ("questions of a game", f"{lengths.mean():.2f}", _interval(lengths.reshape(won.shape))),
        ("questions asked before", f"{repeated_fraction(again):.3f}", None),
        ("secrets left out: a game failed", f"{len(groups) - len(whole)} of {len(groups)}", None),
    ]
    return Table(title, ("measure", "value", "95 % over secrets"), tuple(rows))


def _interval(values: Any) -> str:
    _, low, high = interval_over_secrets(np.asarray(values, dtype=np.float64))
    return f"[{low:.3f}, {high:.3f}]"
