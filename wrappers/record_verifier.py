"""RecordVerifier: say what each transition changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym

from credit_gym.errors import BatchError, CreditGymError
from credit_gym.wrappers.readings import read_mapping, read_reward

Verifier = Callable[[str, str, str, float, dict[str, Any]], float | None]
"""``(observation, action, next observation, reward, info) -> reading``; None where there is nothing to read, which the
column has as NaN. NaN itself, infinity and what is no number are no readings."""

_NAN = float("nan")


class RecordVerifier(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Records a verifier signal for every transition, in ``info["verifier"]`` and in the episodes recorded around it.

    The environments of this package come with a verifier of their own (positive where a step made progress); another
    one replaces it. The recorded column is NaN where a verifier has no reading. Whether the column exists at all is
    decided by this wrapper being there, inside whatever records: what a scorer may see is what was asked for.

    Where the verifier raises, or returns what is no reading, ``step`` raises: whoever records around it keeps the
    episode up to there, with the reason in its ``error``. A reward that is no finite number is passed on unread.

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
        self._step = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Reset the environment; nothing has been read yet, so ``info["verifier"]`` is 0."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation, self._step = observation, 0
        info["verifier"] = 0.0
        if self.verifier is not None:
            info.pop("exact_verifier", None)  # what the environment declares of its own
        return observation, info

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment and read the transition.

        Raises:
            CreditGymError: it cannot be read; the sentence names the step.
        """
        observation, reward, _, _, info = result = self.env.step(action)
        step, self._step = self._step, self._step + 1
        if type(info) is not dict:
            read_mapping(info, f"The info of step {step}")
        if self.verifier is None:
            info.setdefault("verifier", _NAN)
            return result
        before, self._observation = self._observation, observation
        try:
            earned = read_reward(reward, f"The reward of step {step}")
        except BatchError:  # the recorder around this names it
            info["verifier"] = _NAN
        else:
            info["verifier"] = read_transition(self.verifier, before, action, observation, earned, info, step)
        return result


def read_transition(
    verifier: Verifier, before: str, action: str, after: str, reward: float, info: dict[str, Any], step: int
) -> float:
    """Return what a verifier reads off a transition, NaN where it says that there is nothing to read.

    Args:
        verifier: whom to ask.
        before: the observation that the action answered.
        action: the action.
        after: the observation that followed.
        reward: what the action earned.
        info: the info that followed.
        step: index of the transition in its episode, for the error.

    Raises:
        CreditGymError: the verifier raised, or returned what is no finite number.
    """
    try:
        reading: Any = verifier(before, action, after, reward, info)
    except Exception as error:
        raise CreditGymError(f"The verifier cannot read step {step}: {type(error).__name__}: {error}") from error
    return _NAN if reading is None else read_reward(reading, f"The verifier's reading of step {step}")
