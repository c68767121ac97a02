"""ALFWorld with credit on every step: play, record verifier signals, score the same episodes several ways, report.

    python -m credit_gym.baselines.alfworld [--episodes N] [--agent SPEC] [--json FILE]

The noisy expert plays groups of rollouts on the real TextWorld engine (generated games, or the published ones where
``ALFWORLD_DATA`` is set). Every scorer sees the same episodes. Two numbers are printed side by side, because the first
alone says little: the share of states whose actions a scorer tells apart (mean credits more than 0.01 apart, the
published measure), and how often its best action is one that the expert would have taken.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import gymnasium as gym
import numpy as np
import typer

from credit_gym.agents.runner import run_episodes
from credit_gym.agents.spec import parse_agent
from credit_gym.baselines.experiment import save_json
from credit_gym.command import run as run_command
from credit_gym.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.export import write_parquet
from credit_gym.report import Table, show, write_report
from credit_gym.rescore import run_credits
from credit_gym.store import new_run
from credit_gym.targets import PreferenceTable, differentiated, preference_table
from credit_gym.wrappers import RecordVerifier

SCORERS = ("outcome_only", "branch_aware", "combined", "adaptive_q")
HEADER = (
    "scorer", "states", "contested", "differentiated", "of contested", "top-1 with expert", "aligned"
)  # fmt: skip


def expert_actions(episodes: list[Episode]) -> dict[str, frozenset[str]]:
    """Return what the expert would have done in each state, where the environment said so."""
    return {
        state: frozenset(actions)
        for episode in episodes
        for state, actions in zip(episode.state_keys, episode.expert_actions or (), strict=False)
        if actions
    }


def compare(preferences: PreferenceTable, expert: dict[str, frozenset[str]]) -> dict[str, float]:
    """Judge a credit table against the expert.

    Args:
        preferences: mean credit of every action seen in every state.
        expert: optimal actions of each state.

    Returns:
        ``states``: all states; ``differentiated``: the published share of them; ``contested``: states with at least
        two actions seen, one of them the expert's and one not; ``differentiated_contested``: share of those told
        apart; ``top1``: probability that the best-credited action there, ties broken evenly, is the expert's;
        ``aligned``: told apart and right.
    """
    told, right = [], []
    for state, means in preferences.items():
        optimal = expert.get(state, frozenset())
        if not means.keys() & optimal or not means.keys() - optimal:
            continue
        top = max(means.values())
        chosen = [action for action, mean in means.items() if mean >= top - 1e-9 * max(1.0, abs(top))]
        told.append(top - min(means.values()) > 0.01)
        right.append(len(optimal.intersection(chosen)) / len(chosen))
    return {
        "states": float(len(preferences)),
        "differentiated": differentiated(preferences),
        "contested": float(len(told)),
        "differentiated_contested": float(np.mean(told)) if told else float("nan"),
        "top1": float(np.mean(right)) if right else float("nan"),
        "aligned": float(np.mean(np.multiply(told, right))) if told else float("nan"),
    }


def main(
    episodes: Annotated[int, typer.Option(help="Episodes in all.")] = 48,
    group_size: Annotated[int, typer.Option(help="Rollouts of each game.")] = 8,
    agent: Annotated[str, typer.Option(help="Who plays.")] = "noisy:0.6",
    max_turns: Annotated[int, typer.Option(help="Step limit.")] = 30,
    split: Annotated[str, typer.Option(help="train, valid_seen or valid_unseen.")] = "train",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 7,
    runs_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    json: Annotated[Path | None, typer.Option(help="Write the results here.")] = None,
) -> None:
    """Play, score, compare, and write ``runs/<id>/``."""
    config = {"split": split, "max_steps": max_turns, "group_size": group_size, "episodes": episodes}
    player = parse_agent(agent, seed=seed)
    store, run_id = new_run(runs_dir, env_id="credit/ALFWorld-v0", agent_id=agent, config=config, seed=seed)
    with store:
        played = run_episodes(
            lambda: RecordVerifier(gym.make("credit/ALFWorld-v0", split=split, max_steps=max_turns)),
            player,
            episodes=episodes,
            seed=seed,
            group_size=group_size,
            sink=partial(store.add_episode, run_id),
        )
        completed = [episode for episode in played if episode.error is None]
        if not completed:
            raise CreditGymError(f"No episode completed; the first one says: {played[0].error}")
        credits = {scorer: run_credits(store, run_id, played, scorer, {}) for scorer in SCORERS}
        expert = expert_actions(completed)
        results = {scorer: compare(preference_table(store.load_targets(run_id, scorer)), expert) for scorer in SCORERS}
        store.finish_run(run_id)

    solved, steps = sum(episode.success for episode in completed), sum(map(len, completed))
    title = f"ALFWorld, {agent}: {solved}/{len(completed)} episodes solved, {steps} steps"
    comparison = Table(title, HEADER, tuple((name, *_cells(found)) for name, found in results.items()))
    show(comparison)
    folder = store.folder
    write_parquet(folder / "targets.parquet", played, credits)
    write_report(folder / "report.html", title=title, episodes=played, credits=credits, tables=[comparison])
    typer.echo(f"{folder}/ holds store.sqlite, targets.parquet and report.html.")
    if json:
        save_json(json, {"baseline": "alfworld", "agent": agent, "seed": seed, **config}, results)


def _cells(found: dict[str, float]) -> tuple[str, ...]:
    shares = ("differentiated", "differentiated_contested", "top1", "aligned")
    counts = (f"{found['states']:.0f}", f"{found['contested']:.0f}")
    return (*counts, *(f"{100 * found[share]:.1f} %" for share in shares))


if __name__ == "__main__":
    run_command(main)
