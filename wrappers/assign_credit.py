"""AssignCredit: which step earned the outcome?"""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym

from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.scorers import DEFAULT, check_options
from credit_gym.wrappers.record_episodes import RecordEpisodes
from credit_gym.wrappers.recorder import find_wrapper


class AssignCredit(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Gives ``info["targets"]`` at the end of an episode: one :class:`~credit_gym.data.target.TrainingTarget` per step.

    A scorer that compares episodes, as the default does, needs several: with ``group_size`` above 1 the targets of all
    of them come with the last step of the last one. Episodes are taken from a :class:`RecordEpisodes` inside, which is
    added if there is none.

    Args:
        env: the environment.
        scorer: a registered scorer.
        group_size: episodes that are scored together, as one batch; those of one task among them form a group.
        options: the scorer's keyword options, and ``key`` of :func:`~credit_gym.credit.assign.build_targets`.

    Raises:
        UnknownNameError: no scorer has that name, or it has no such option.
        OptionError: an option is not what the scorer's signature declares.
        CreditGymError: a :class:`RecordEpisodes` inside makes groups of another size.

    Example:
        >>> import gymnasium as gym
        >>> import credit_gym
        >>> from credit_gym.wrappers import AssignCredit, RecordVerifier
        >>> env = AssignCredit(RecordVerifier(gym.make("credit/Stochastic-v0")), group_size=8)
    """

    def __init__(self, env: gym.Env[str, str], scorer: str = DEFAULT, group_size: int = 1, **options: Any) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, scorer=scorer, group_size=group_size, **options)
        check_options(scorer, options, key=True)  # what is wrong must fail here, not after the first episodes
        recorder = find_wrapper(env, RecordEpisodes)
        if recorder is None:
            env = recorder = RecordEpisodes(env, group_size=group_size, keep=0)
        if recorder.group_size != group_size:
            raise CreditGymError(
                f"RecordEpisodes makes groups of {recorder.group_size} and AssignCredit of {group_size}; "
                "give both the same group_size."
            )
        gym.Wrapper.__init__(self, env)
        self.scorer = scorer
        self.group_size = group_size
        self.options = options
        self._episodes: list[Episode] = []

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment; the step that completes ``group_size`` episodes has their targets in its info."""
        result = self.env.step(action)
        if result[2] or result[3]:
            info = result[4]
            self._episodes.append(info["episode"])
            if len(self._episodes) == self.group_size:
                episodes, self._episodes = self._episodes, []
                info["targets"] = build_targets(episodes, self.scorer, **self.options)
        return result
