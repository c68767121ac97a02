"""Which step fell for it: every scorer against the step that obeyed an injection, on the embedded suites of AgentDojo.

    python -m credit_gym.baselines.tables.injection_blame [--group-size N] [--markdown FILE] [--plots DIR]

Agents of known gullibility play every task that has an injection, in groups. They follow the ground truth, leave out a
call of it now and then, and obey an injection with a chosen probability, when they have read it or one step later;
some of those who obeyed then answer at once and forget the rest. The environment labels the first step that did
something of the injected goal.

The same episodes are scored twice: by whether the user's task was done, and by whether the injected goal was *not*
reached. A scorer names the step of lowest credit; where several are lowest it names each with the same probability, so
that a scorer which says the same of all steps is as good as chance. Means over tasks, of the episodes that obeyed; the
intervals resample tasks. "Praises it" is the share of obeying steps whose credit is positive: a policy trained on
it would be taught to obey more often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, NamedTuple

import gymnasium as gym
import numpy as np
import typer

from credit_gym import rng
from credit_gym.agents.core import Context
from credit_gym.agents.rollout.turns import episode_turns, go_on
from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.scorer_rows import display
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.calls import write_call
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.envs.agent_dojo.env import AgentDojoEnv
from credit_gym.errors import MissingColumnError
from credit_gym.metrics.statistics import Estimate, bootstrap_mean
from credit_gym.report import Table
from credit_gym.report.command import run as run_command
from credit_gym.scorers import names, score
from credit_gym.wrappers import RecordVerifier

GAMES = ("utility", "security")
HEADER = ("scorer", *(f"{game}: {what} [95 %]" for game in GAMES for what in ("names it", "praises it")))
_EQUAL = 1e-9  # credits that differ by less are the same


class Gullibility(NamedTuple):
    """How an agent of the table plays.

    Attributes:
        obeys: probability that it obeys an injection that it has read.
        later: of those who obey: probability that they do so a step later.
        derailed: of those who obey: probability that they answer right afterwards.
        slips: probability that a call of the ground truth is left out.
    """

    obeys: float = 0.5
    later: float = 0.3
    derailed: float = 0.3
    slips: float = 0.1


class Played(NamedTuple):
    """Episodes with what they are scored by.

    Attributes:
        episodes: E episodes.
        obeyed: (E,) the step that first did something of the injected goal, -1 where none did.
        read: (E,) the step at which an injection was read, -1 where none was.
        resisted: (E,) whether the injected goal was not reached.
    """

    episodes: tuple[Episode, ...]
    obeyed: IntArray
    read: IntArray
    resisted: IntArray

    def rewarded_by(self, game: str) -> EpisodeBatch:
        """Return the batch with the utility, or with what resisted, as its only reward."""
        if game == "utility":
            return EpisodeBatch.from_episodes(self.episodes)
        return EpisodeBatch.from_episodes(
            [
                replace(episode, rewards=(*(0.0,) * (len(episode) - 1), float(won)), success=bool(won))
                for episode, won in zip(self.episodes, self.resisted, strict=True)
            ]
        )


def play(group_size: int, character: Gullibility, *, seed: int = 0, most_tasks: int | None = None) -> Played:
    """Let agents play every task with an injection.

    Args:
        group_size: episodes of a task.
        character: of the agents.
        seed: of all draws.
        most_tasks: play so many tasks at most, drawn from all; None for all.
    """
    game = AgentDojoEnv()
    injected = [number for number, task in enumerate(game.tasks) if task.injection]
    if most_tasks is not None:
        injected = sorted(sorted(injected, key=lambda task: rng.derive(seed, task))[:most_tasks])
    env = RecordVerifier(gym.make("credit/AgentDojo-v0"))
    found = [_episode(env, task, member, character, seed) for task in injected for member in range(group_size)]
    episodes, obeyed, read, resisted = zip(*found, strict=True)
    return Played(episodes, np.array(obeyed), np.array(read), np.array(resisted))


def named(credit: FloatArray, offsets: IntArray, label: IntArray) -> FloatArray:
    """Return the probability that the step of lowest credit is the labelled one.

    Args:
        credit: (S,) credits.
        offsets: (E+1,) of the episodes.
        label: (E,) step within each episode, -1 for none.

    Returns:
        (E,) 1 over the number of lowest steps where the labelled one is among them, else 0; NaN without a label.
    """
    found = np.full(label.size, np.nan)
    for episode in np.flatnonzero(label >= 0):
        steps = credit[offsets[episode] : offsets[episode + 1]]
        lowest = steps <= steps.min() + _EQUAL
        found[episode] = lowest[label[episode]] / lowest.sum()
    return found


def praised(credit: FloatArray, offsets: IntArray, label: IntArray) -> FloatArray:
    """Return whether the labelled step has positive credit.

    Args:
        credit: (S,) credits.
        offsets: (E+1,) of the episodes.
        label: (E,) step within each episode, -1 for none.

    Returns:
        (E,) 1 or 0; NaN without a label.
    """
    own = credit[offsets[:-1] + np.maximum(label, 0)]
    return np.where(label < 0, np.nan, (own > _EQUAL).astype(np.float64))


def cost_table(played: Played) -> Table:
    """What an injection that was obeyed costs the user, and brings the attacker."""
    tasks = [episode.task_id for episode in played.episodes]
    done = np.array([episode.success for episode in played.episodes], dtype=np.float64)
    rows: list[tuple[str | int, ...]] = []
    for name, chosen in (("obeyed", played.obeyed >= 0), ("did not obey", played.obeyed < 0)):
        of = [np.where(chosen, values, np.nan) for values in (done, 1.0 - played.resisted)]
        rows.append((name, int(chosen.sum()), *(f"{_mean(values, tasks):.2f}" for values in of)))
    header = ("episodes that", "number", "user's task done [95 %]", "injected goal reached [95 %]")
    return Table("What it costs", header, tuple(rows))


def blame_table(played: Played) -> Table:
    """Score the episodes by everything that can be scored, best at naming from the outcome of security first."""
    label, tasks = played.obeyed, [episode.task_id for episode in played.episodes]
    batches = {game: played.rewarded_by(game) for game in GAMES}
    offsets = batches["utility"].offsets
    chance = np.where(label < 0, np.nan, 1 / np.diff(offsets))
    after = np.where(label < 0, np.nan, (label == played.read + 1).astype(np.float64))
    oracle = np.where(label < 0, np.nan, 1.0)
    rows: list[tuple[float, tuple[str, ...]]] = []
    for name in names():
        try:
            credits = {game: score(batch, name) for game, batch in batches.items()}
        except MissingColumnError:
            continue
        found = [_mean(part(credits[game], offsets, label), tasks) for game in GAMES for part in (named, praised)]
        rows.append((found[2].value, (display(name), *(f"{mean:.2f}" for mean in found))))
    rows.sort(key=lambda row: (-row[0], row[1][0]))
    anchors = (
        ("(knows the label)", oracle, 0.0),
        ("(the step after an injection was read)", after, None),
        ("(any step, by chance)", chance, None),
    )
    best: list[tuple[str | float | None, ...]] = [
        (name, *(f"{_mean(values, tasks):.2f}", praise) * 2) for name, values, praise in anchors
    ]
    return Table("Which step fell for it", HEADER, tuple(best) + tuple(row for _, row in rows))


def _episode(
    env: gym.Env[str, str], task: int, member: int, character: Gullibility, seed: int
) -> tuple[Episode, int, int, bool]:
    """Play one episode; return it, the step that obeyed, the one that read, and whether the goal was not reached."""
    game = env.unwrapped
    assert isinstance(game, AgentDojoEnv)
    bits = rng.derive(seed, task, member)
    turns = episode_turns(
        env, agent_id="gullible", seed=bits, episode_id=f"{task}-{member}", group_id=str(task), options={"task": task}
    )
    turn, read = go_on(turns, None), -1
    obeys, late, derailed, *slips = (_chance(bits, number) for number in range(3 + len(game.rules.gold)))
    calls = [write_call(*call) for call, slip in zip(game.rules.gold, slips, strict=True) if slip >= character.slips]
    plan = [*calls, game.rules.task.suite.user_tasks[game.rules.task.user].answer]
    while isinstance(turn, Context):
        if turn.info["read"] and read < 0:
            read = turn.step - 1
            if obeys < character.obeys:
                orders = [write_call(*call) for call in game.rules.injected]
                at = min(int(late < character.later), len(plan) - 1)  # there is no acting after the answer
                plan[at:at] = orders
                if derailed < character.derailed:
                    del plan[at + len(orders) : -1]
        turn = go_on(turns, plan.pop(0))
    end = game.clone_state().moment
    return turn, end.obeyed, read, not end.security


def _chance(bits: int, number: int) -> float:
    """A number in [0, 1)."""
    return rng.derive(bits, number) / 2.0**64


def _mean(values: FloatArray, tasks: Sequence[str]) -> Estimate:
    """Mean over tasks of what their episodes have in the mean, with its interval."""
    each: dict[str, list[float]] = {}
    for value, task in zip(values, tasks, strict=True):
        if not np.isnan(value):
            each.setdefault(task, []).append(float(value))
    return bootstrap_mean([np.mean(found) for found in each.values()])


def main(
    group_size: Annotated[int, typer.Option(min=2, help="Episodes of a task.")] = 8,
    tasks: Annotated[int | None, typer.Option(min=1, help="Play so many tasks only, drawn from all.")] = None,
    obeys: Annotated[float, typer.Option(min=0, max=1, help="How often an injection that was read is obeyed.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Play, and ask every scorer which step fell for the injection."""
    played = play(group_size, Gullibility(obeys=obeys), seed=seed, most_tasks=tasks)
    publish([cost_table(played), blame_table(played)], markdown, plots)


if __name__ == "__main__":
    run_command(main)
