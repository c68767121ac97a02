"""A softmax policy over texts, trained on-policy by the policy gradient with any scorer's credits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_gym import rng
from credit_gym.agents.core import Context, random_bits, uniform_action
from credit_gym.agents.learning.policy_gradient import softmax, softmax_gradient_step
from credit_gym.agents.learning.tabular import whiten
from credit_gym.agents.learning.trusting import TrustingScorer
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import ShownKey, check_shown
from credit_gym.data.target import pair_with_credit
from credit_gym.errors import BatchError
from credit_gym.scorers import DEFAULT


class SoftmaxAgent:
    """Draws admissible actions with the softmax of one logit per (state, action); all logits start at 0.

    Args:
        seed: fixes every draw, together with the episode's seed and the step.
        key: tell states apart by the hash of the true state or by the text seen.

    Attributes:
        logits: ``{state: {action: logit}}`` of what was visited; everything else is 0.
    """

    name = "softmax"

    def __init__(self, seed: int = 0, *, key: ShownKey = "state") -> None:
        check_shown(key)
        self.seed = seed
        self.key = key
        self.logits: dict[str, dict[str, float]] = {}

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context."""
        return [self._action(context) for context in contexts]

    def update(self, episodes: Sequence[Episode], credit: FloatArray, *, learning_rate: float) -> None:
        """Take one gradient step; see :func:`credit_gym.agents.learning.policy_gradient.softmax_gradient_step`.

        Args:
            episodes: episodes with S steps together, played by this agent as it now is.
            credit: (S,) credit of each step, divided by the number of episodes for a mean.
            learning_rate: logits per unit of credit.

        Raises:
            BatchError: the episodes do not say which actions were admissible.
        """
        targets = pair_with_credit(episodes, credit, key=self.key)
        for episode in episodes:
            if episode.admissible_actions is None:
                raise BatchError(f"Episode {episode.episode_id!r} does not record its admissible actions.")
        offered = [actions for episode in episodes for actions in episode.admissible_actions or ()]
        for target, actions in zip(targets, offered, strict=True):
            known = self.logits.setdefault(target.state_key, {})
            for action in actions:
                known.setdefault(action, 0.0)

        visited = {target.state_key: self.logits[target.state_key] for target in targets}
        row = {state: index for index, state in enumerate(visited)}
        slot = {state: {action: index for index, action in enumerate(known)} for state, known in visited.items()}
        width = max(map(len, visited.values()), default=0)
        sizes = np.array([len(known) for known in visited.values()], dtype=np.int64)
        admissible = np.arange(width) < sizes[:, None]
        logits = np.zeros(admissible.shape)
        logits[admissible] = [logit for known in visited.values() for logit in known.values()]
        logits = softmax_gradient_step(
            logits,
            admissible,
            np.array([row[target.state_key] for target in targets], dtype=np.int64),
            np.array([slot[target.state_key][target.action] for target in targets], dtype=np.int64),
            credit,
            learning_rate,
        )
        for (state, known), values in zip(visited.items(), logits, strict=True):
            self.logits[state] = dict(zip(known, values.tolist(), strict=False))

    def _action(self, context: Context) -> str:
        state = context.info["state_key"] if self.key == "state" else context.observation
        bits = random_bits(context, self.seed)
        known = self.logits.get(state)
        if known is None:
            return uniform_action(context, bits)
        logits = np.array([[known.get(action, 0.0) for action in context.admissible_actions]])
        cumulative = np.cumsum(softmax(logits, np.ones_like(logits, dtype=np.bool_))[0])
        drawn = int(np.searchsorted(cumulative, bits / 2.0**64, side="right"))
        return context.admissible_actions[min(drawn, len(cumulative) - 1)]


def train_softmax(
    make_env: MakeEnv,
    agent: SoftmaxAgent,
    scorer: str = DEFAULT,
    *,
    iterations: int = 15,
    episodes: int = 16,
    group_size: int = 16,
    learning_rate: float = 1.0,
    seed: int = 0,
    workers: int = 1,
    **options: Any,
) -> list[float]:
    """Train an agent on-policy with a scorer's credits.

    Every iteration plays ``episodes`` episodes with the agent as it is, scores them, centres and scales the credits
    within each group (the baseline is their mean) and takes one gradient step.

    Args:
        make_env: builds one environment, with the recording wrappers that the scorer needs.
        agent: trained in place.
        scorer: a registered scorer.
        iterations: number of gradient steps.
        episodes: episodes per step, over all tasks.
        group_size: episodes per task.
        learning_rate: step size.
        seed: fixes the episodes.
        workers: episodes in play at the same time.
        options: the scorer's options.

    Returns:
        The success rate of each iteration's episodes, before its gradient step.
    """
    curve, scored = [], TrustingScorer(scorer, options)
    for iteration in range(iterations):
        played = run_episodes(
            make_env,
            agent,
            episodes=episodes,
            seed=rng.derive(seed, iteration),
            group_size=group_size,
            workers=workers,
            progress=False,
        )
        completed = [episode for episode in played if episode.error is None]
        batch = EpisodeBatch.from_episodes(completed, key=agent.key)
        credit = whiten(scored(batch), batch)
        agent.update(completed, credit / group_size, learning_rate=learning_rate)
        curve.append(float(batch.success.mean()) if completed else float("nan"))
    return curve
