"""SkyRL 0.3: a pass-through advantage estimator, and the rows of played episodes with per-token credits as rewards.

Register the estimator in the process that trains, set ``trainer.algorithm.advantage_estimator=credit_gym`` and leave
``step_wise_trajectories`` off: step-wise training keeps only the last step's rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from credit_gym.agents.learning.token_rows import token_row
from credit_gym.agents.learning.trusting import remembering
from credit_gym.agents.learning.versions import require_version
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.data.keys import Key
from credit_gym.scorers import DEFAULT


def register_estimator() -> None:
    """Register the estimator ``credit_gym`` with SkyRL.

    Raises:
        MissingExtraError: SkyRL is not installed, or its version does not fit.
    """
    require_version("skyrl", (0, 3), (0, 4), "skyrl")
    from skyrl.backends.skyrl_train.utils.ppo_utils import AdvantageEstimatorRegistry

    AdvantageEstimatorRegistry.register("credit_gym", credit_gym_advantage)


def credit_gym_advantage(token_level_rewards: Any, response_mask: Any, **_: Any) -> tuple[Any, Any]:
    """Pass the credits on; (B, T) rewards and mask -> (B, T) advantages and returns, which are the same."""
    advantages = token_level_rewards * response_mask
    return advantages, advantages


def generator_output(
    episodes: Sequence[Episode], scorer: str = DEFAULT, *, key: Key = "state", **options: Any
) -> dict[str, Any]:
    """Return what a ``GeneratorInterface.generate`` must, ``rewards`` being each token's credit.

    What the calls of a process teach of the verifier is told to the scorer at the next one, if it has the option
    ``trust`` and that is not given.

    Args:
        episodes: completed episodes with token ids, in the order of the generator's input.
        scorer: a registered scorer.
        key: what states are pooled by.
        options: its keyword options.

    Raises:
        BatchError: an episode has no token ids.
    """
    targets = iter(build_targets(episodes, remembering(scorer, options), key=key))
    rows = [token_row(episode, [next(targets).credit for _ in range(len(episode))]) for episode in episodes]
    return {
        "prompt_token_ids": [row.prompt_ids for row in rows],
        "response_ids": [row.completion_ids for row in rows],
        "rewards": [row.credits for row in rows],
        "loss_masks": [row.mask for row in rows],
        "stop_reasons": ["length" if episode.truncated else "stop" for episode in episodes],
        "rollout_metrics": {"success": sum(episode.success for episode in episodes) / max(len(episodes), 1)},
        "rollout_logprobs": None if any(row.logprobs is None for row in rows) else [row.logprobs for row in rows],
    }
