"""Play a text environment, score the same episodes several ways, compare the credits with the expert, write a report.

The environments that use this measure progress exactly: the verifier is the change of a potential that an oracle
computes (the distance to the goal; the best reward still reachable). Transitions are deterministic, so within a
state the order of the readings is the order of the exact optimal advantages. That branch_aware agrees with the
expert is then true by construction, and shows what a perfect verifier would buy; what is measured is how far
outcomes alone fall short of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from credit_gym.agents.llm.backends import Settings
from credit_gym.agents.llm.prompting import load_prompting
from credit_gym.agents.rollout.runner import open_agent, run_episodes, usual_workers
from credit_gym.agents.spec import parse_agent
from credit_gym.credit.stored_runs import run_credits
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.formats.parquet import write_parquet
from credit_gym.metrics.differentiation import PreferenceTable, differentiated, preference_table
from credit_gym.metrics.fidelity import spearman
from credit_gym.report import Table, write_report
from credit_gym.store import new_run
from credit_gym.wrappers import RecordVerifier

SCORERS = ("outcome_only", "branch_aware", "combined", "adaptive_q")
HEADER = (
    "scorer", "states", "contested", "differentiated", "of contested", "top-1 with expert", "aligned", "spearman"
)  # fmt: skip
Credits = Mapping[str, Sequence[Sequence[float] | None]]


class Plan(NamedTuple):
    """What is played.

    Attributes:
        episodes: episodes in all.
        group_size: rollouts of each task.
        seed: seed of the run.
    """

    episodes: int
    group_size: int
    seed: int


@dataclass(frozen=True)
class Collection:
    """A stored run and what its scorers say.

    Attributes:
        folder: the run's folder.
        played: all its episodes.
        completed: those that ended properly.
        credits: scorer -> credits of each episode.
        comparison: scorer -> measures of :func:`compare`.
    """

    folder: Path
    played: list[Episode]
    completed: list[Episode]
    credits: Credits
    comparison: dict[str, dict[str, float]]


def play(
    env_id: str, arguments: Mapping[str, Any], agent: str, plan: Plan, *, prompting: str | None = None, **options: Any
) -> list[Episode]:
    """Play episodes with recorded verifier signals; see :func:`credit_gym.agents.rollout.runner.run_episodes`.

    Raises:
        CreditGymError: no episode completed.
    """
    settings = None if prompting is None else Settings(prompting=load_prompting(prompting))
    with open_agent(parse_agent(agent, seed=plan.seed, settings=settings)) as player:
        played = run_episodes(
            lambda: RecordVerifier(gym.make(env_id, **arguments)),
            player,
            episodes=plan.episodes,
            seed=plan.seed,
            group_size=plan.group_size,
            workers=usual_workers(player),
            **options,
        )
    if all(episode.error is not None for episode in played):
        raise CreditGymError(f"No episode completed; the first one says: {played[0].error if played else 'nothing'}")
    return played


def collect(
    env_id: str, arguments: Mapping[str, Any], agent: str, plan: Plan, *, runs_dir: Path, prompting: str | None = None
) -> Collection:
    """Play a run into a folder of its own under ``runs_dir``, and score it with :data:`SCORERS`.

    Args:
        env_id: the environment.
        arguments: its arguments.
        agent: who plays, as in :func:`credit_gym.agents.spec.parse_agent`.
        plan: how many episodes, and by which draws.
        runs_dir: folder of all runs.
        prompting: how a language model is asked, as in :func:`credit_gym.agents.llm.prompting.load_prompting`.
    """
    config = {"arguments": dict(arguments), "episodes": plan.episodes, "group_size": plan.group_size}
    store, run_id = new_run(runs_dir, env_id=env_id, agent_id=agent, config=config, seed=plan.seed)
    with store:
        sink = partial(store.add_episode, run_id)
        played = play(env_id, arguments, agent, plan, prompting=prompting, sink=sink)
        completed = [episode for episode in played if episode.error is None]
        credits = {scorer: run_credits(store, run_id, played, scorer, {}) for scorer in SCORERS}
        comparison = {
            scorer: compare(
                preference_table(store.load_targets(run_id, scorer)), expert_actions(completed), readings(completed)
            )
            for scorer in SCORERS
        }
        store.finish_run(run_id)
    return Collection(store.folder, played, completed, credits, comparison)


def expert_actions(episodes: Sequence[Episode]) -> dict[str, frozenset[str]]:
    """Return what the expert would have done in each state, where the environment said so."""
    return {
        state: frozenset(actions)
        for episode in episodes
        for state, actions in zip(episode.state_keys, episode.expert_actions or (), strict=False)
        if actions
    }


def readings(episodes: Sequence[Episode]) -> PreferenceTable:
    """Return the verifier reading of every action seen in every state (the same each time: nothing is random)."""
    table: PreferenceTable = {}
    for episode in episodes:
        for state, action, reading in zip(episode.state_keys, episode.actions, episode.verifier or (), strict=False):
            table.setdefault(state, {})[action] = reading
    return table


def compare(
    preferences: PreferenceTable, expert: Mapping[str, frozenset[str]], exact: PreferenceTable
) -> dict[str, float]:
    """Judge a credit table against the expert and the exact order of the actions.

    Args:
        preferences: mean credit of every action seen in every state.
        expert: optimal actions of each state.
        exact: a number for every action seen whose order within a state is that of the exact advantages.

    Returns:
        ``states``: all states; ``differentiated``: the published share of them; ``contested``: states with at least
        two actions seen, one of them the expert's and one not; ``differentiated_contested``: share of those told
        apart; ``top1``: probability that the best-credited action there, ties broken evenly, is the expert's;
        ``aligned``: told apart and right; ``spearman``: mean rank correlation with the exact order there.
    """
    told, right, ranks = [], [], []
    for state, means in preferences.items():
        optimal = expert.get(state, frozenset())
        if not means.keys() & optimal or not means.keys() - optimal:
            continue
        top = max(means.values())
        chosen = [action for action, mean in means.items() if mean >= top - 1e-9 * max(1.0, abs(top))]
        told.append(top - min(means.values()) > 0.01)
        right.append(len(optimal.intersection(chosen)) / len(chosen))
        pairs = np.asarray([[(mean, exact[state][action]) for action, mean in means.items()]])
        ranks.append(float(spearman(pairs[..., 0], pairs[..., 1], np.ones(pairs.shape[:2], dtype=np.bool_))[0]))
    return {
        "states": float(len(preferences)),
        "differentiated": differentiated(preferences),
        "contested": float(len(told)),
        "differentiated_contested": float(np.mean(told)) if told else float("nan"),
        "top1": float(np.mean(right)) if right else float("nan"),
        "aligned": float(np.mean(np.multiply(told, right))) if told else float("nan"),
        "spearman": float(np.mean(ranks)) if ranks else float("nan"),
    }


def comparison_table(title: str, comparison: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the measures of :func:`compare`, a row per scorer."""
    shares = ("differentiated", "differentiated_contested", "top1", "aligned")
    rows = tuple(
        (
            scorer,
            f"{found['states']:.0f}",
            f"{found['contested']:.0f}",
            *(f"{100 * found[share]:.1f} %" for share in shares),
            f"{found['spearman']:.2f}",
        )
        for scorer, found in comparison.items()
    )
    return Table(title, HEADER, rows)


def write_outputs(collection: Collection, title: str, tables: Sequence[Table]) -> None:
    """Write ``targets.parquet`` and ``report.html`` beside the store."""
    folder, played, credits = collection.folder, collection.played, collection.credits
    write_parquet(folder / "targets.parquet", played, credits)
    asked: dict[str, tuple[str, Mapping[str, Any]]] = {scorer: (scorer, {}) for scorer in credits}
    page = folder / "report.html"
    write_report(page, title=title, episodes=played, credits=credits, scorers=asked, tables=tables)
