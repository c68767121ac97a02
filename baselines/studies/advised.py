"""Is advice right? A table of a policy is trained with the scorer that was advised, and with others.

    python -m credit_gym.baselines.studies.advised [--seeds N] [--markdown FILE]

The environments have no exact model: WebShop (eight goals, as a table learns nothing of others), tau2, and tau2 seen as
imported chats, without true states, beliefs and verifier. A softmax table over observations, which leans toward the
expert's actions, plays 64 episodes; ``advise`` reads them and names a scorer and a key. Then the table is trained
on-policy with that, and with the scorers it would be mistaken for, at two rates; the better one counts. Whitened
credits, one gradient step a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple

import gymnasium as gym
import numpy as np
import typer

from credit_gym import rng
from credit_gym.agents.core import Context
from credit_gym.agents.learning.softmax import SoftmaxAgent
from credit_gym.agents.learning.tabular import whiten
from credit_gym.agents.learning.trusting import TrustingScorer
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.studies.key_recurrence import as_chats
from credit_gym.credit.advise import advise
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import Key
from credit_gym.metrics.statistics import paired_difference
from credit_gym.report import Table
from credit_gym.report.command import run as run_command
from credit_gym.wrappers import RecordVerifier

EPISODES, GROUP = 64, 8
RATES = (1.0, 4.0)
OTHERS = ("grpo", "mc", "td_error", "adaptive_q")


class Case(NamedTuple):
    """An environment, how far the table leans to its expert (logits), and as what the episodes are seen."""

    make: Callable[[], gym.Env[str, str]]
    bonus: float
    seen: Callable[[Sequence[Episode]], Sequence[Episode]]


CASES: Mapping[str, Case] = {
    "WebShop": Case(lambda: RecordVerifier(gym.make("credit/WebShop-v0", max_goals=8)), 2.5, lambda played: played),
    "tau2": Case(lambda: RecordVerifier(gym.make("credit/Tau2-v0")), 4.5, lambda played: played),
    "tau2, as chats": Case(lambda: RecordVerifier(gym.make("credit/Tau2-v0")), 4.5, as_chats),
}


class LeaningAgent(SoftmaxAgent):
    """A softmax table over observations that leans toward the expert's actions where it was never trained.

    Args:
        seed: fixes every draw.
        bonus: logits of the actions that the expert would take when an observation is first seen.
    """

    name = "leaning"

    def __init__(self, seed: int, bonus: float) -> None:
        super().__init__(seed, key="observation")
        self._bonus = bonus

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context."""
        for context in contexts:
            if context.observation not in self.logits:
                good = set(context.info.get("expert_actions") or ())
                known = {action: self._bonus * (action in good) for action in context.admissible_actions}
                self.logits[context.observation] = known
        return super().act(contexts)


def trained(case: Case, scorer: str, key: Key, rate: float, *, seed: int, batches: int) -> FloatArray:
    """Return the success of each batch of a training, (batches,).

    Args:
        case: the environment.
        scorer: whose credit is used.
        key: what it pools states by.
        rate: logits per unit of whitened credit.
        seed: fixes everything.
        batches: updates, less one.
    """
    agent, scored, curve = LeaningAgent(seed, case.bonus), TrustingScorer(scorer), np.zeros(batches)
    for number in range(batches):
        played = play(case, agent, rng.derive(seed, number))
        batch = EpisodeBatch.from_episodes(case.seen(played), key=key)
        curve[number] = batch.success.mean()
        agent.update(played, whiten(scored(batch), batch) / GROUP, learning_rate=rate)
    return curve


def play(case: Case, agent: SoftmaxAgent, seed: int) -> list[Episode]:
    """Return the episodes of a batch that completed."""
    played = run_episodes(case.make, agent, episodes=EPISODES, group_size=GROUP, seed=seed, progress=False)
    return [episode for episode in played if episode.error is None and len(episode)]


def compared(name: str, *, seeds: int, batches: int) -> Table:
    """Return what was advised on one environment, and how it trains beside the others, best first."""
    case = CASES[name]
    first = case.seen(play(case, LeaningAgent(0, case.bonus), rng.derive(0, 0)))
    advice = advise(first)
    key = advice.options.get("key", "state")
    verifier = first[0].verifier is not None
    scorers = {advice.scorer: None, **dict.fromkeys(other for other in OTHERS if verifier or other != "adaptive_q")}
    curves = {scorer: _best(case, scorer, key, seeds, batches) for scorer in scorers}
    ranked = sorted(curves, key=lambda scorer: -curves[scorer].mean())
    rows = [
        (
            f"{scorer} (advised)" if scorer == advice.scorer else scorer,
            f"{curves[scorer].mean():.3f}",
            "" if scorer == "grpo" else f"{paired_difference(*_means(curves, scorer)):+.3f}",
            f"{curves[scorer][:, -4:].mean():.3f}",
        )
        for scorer in ranked
    ]
    title = f"{name}: success in training, states by key={key}, {seeds} seeds, {batches} batches of {EPISODES}"
    return Table(title, ("scorer", "mean of the curve", "less grpo's", "last four batches"), tuple(rows))


def _means(curves: Mapping[str, FloatArray], scorer: str) -> tuple[list[float], list[float]]:
    return curves[scorer].mean(axis=1).tolist(), curves["grpo"].mean(axis=1).tolist()


def _best(case: Case, scorer: str, key: Key, seeds: int, batches: int) -> FloatArray:
    """Curves of the better rate, (seeds, batches)."""
    found = [
        np.stack([trained(case, scorer, key, rate, seed=seed, batches=batches) for seed in range(seeds)])
        for rate in RATES
    ]
    return max(found, key=lambda curves: float(curves.mean()))


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Trainings with each scorer and rate.")] = 3,
    batches: Annotated[int, typer.Option(min=4, help="Batches of a training.")] = 24,
    environment: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(CASES)}.")] = None,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Advise on a played run, then train with what was advised and with others."""
    publish((compared(name, seeds=seeds, batches=batches) for name in environment or CASES), markdown, plots)


if __name__ == "__main__":
    run_command(main)
