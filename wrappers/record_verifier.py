"""RecordVerifier: say what each transition changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym

Verifier = Callable[[str, str, str, float, dict[str, Any]], float | None]
"""``(observation, action, next observation, reward, info) -> reading``; None where there is nothing to read."""

_NAN = float("nan")


class RecordVerifier(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Records a verifier signal for every transition, in ``info["verifier"]`` and in the episodes recorded around it.

    The environments of this package come with a verifier of their own (positive where a step made progress); another
    one replaces it. The recorded column is NaN where a verifier has no reading. Whether the column exists at all is
    decided by this wrapper being there, inside whatever records: what a scorer may see is what was asked for.

    Args:
        env: the environment.
        verifier: a function of the transition; None takes the environment's own.

    Example:
        >>> import gymnasium as gym
        >>> import credit_gym
        >>> from credit_gym.wrappers import RecordVerifier
        >>> def moved(observation, action, next_observation, reward, info):
        ...     return float(next_observation != observation)
        >>> env = RecordVerifier(gym.make("credit/Stochastic-v0"), verifier=moved)
    """

    def __init__(self, env: gym.Env[str, str], verifier: Verifier | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, verifier=verifier, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        self.verifier = verifier
        self._observation = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Reset the environment; nothing has been read yet, so ``info["verifier"]`` is 0."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = observation
        info["verifier"] = 0.0
        return observation, info

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment and read the transition."""
        observation, reward, _, _, info = result = self.env.step(action)
        if self.verifier is None:
            info.setdefault("verifier", _NAN)
        else:
            reading = self.verifier(self._observation, action, observation, float(reward), info)
            info["verifier"] = _NAN if reading is None else float(reading)
            self._observation = observation
        return result
