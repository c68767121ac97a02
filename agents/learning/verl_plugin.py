"""verl 0.9: a pass-through advantage estimator, and the output of an agent loop that carries one credit a token.

verl hands an estimator nothing per token but ``rm_scores``, so that is where the credits travel. This module is the
plug-in that verl loads by itself (entry point group ``verl.plugins``); the agent loop is
:mod:`credit_gym.agents.learning.verl_loop`, named in a configuration file (``docs/training.md``).
"""

from __future__ import annotations

from typing import Any

from credit_gym.agents.learning.versions import require_version
from credit_gym.errors import missing_extra

require_version("verl", (0, 9), (0, 10), "verl")
try:
    from verl.trainer.ppo.core_algos import register_adv_est
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "verl", "verl") from None


def credit_gym_advantage(token_level_rewards: Any, response_mask: Any, config: Any = None, **_: Any) -> tuple[Any, Any]:
    """Pass the credits on as advantages; ``algorithm.adv_estimator=credit_gym``.

    Leave ``algorithm.use_kl_in_reward`` off: it would add its penalty to the credits.

    Args:
        token_level_rewards: (B, T) credit of each token.
        response_mask: (B, T) 1 on sampled tokens.
        config: not used.

    Returns:
        (B, T) advantages and returns, which are the same.
    """
    advantages = token_level_rewards * response_mask
    return advantages, advantages


register_adv_est("credit_gym")(credit_gym_advantage)
