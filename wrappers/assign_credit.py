"""AssignCredit: which step earned the outcome?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, SupportsFloat, TypeAlias

import gymnasium as gym

from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.scorers import DEFAULT, check_options
from credit_gym.wrappers.record_episodes import RecordEpisodes
from credit_gym.wrappers.recorder import find_wrapper

Scorers: TypeAlias = str | Sequence[str] | Mapping[str, Mapping[str, Any]]
"""A registered scorer, several, or several with the options of each."""


class AssignCredit(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Gives ``info["targets"]`` at the end of an episode: one :class:`~credit_gym.data.target.TrainingTarget` per step.

    With several scorers the targets are those of the first; ``info["credits"]`` has the numbers of all by name, one for
    each target.

    A scorer that compares episodes, as the default does, needs several: with ``group_size`` above 1 the targets of all
    of them come with the last step of the last one. Episodes are taken from a :class:`RecordEpisodes` inside, which is
    added if there is none.

    Args:
        env: the environment.
        scorer: a registered scorer, a list of several, or a mapping of several to the options of each.
        group_size: episodes that are scored together, as one batch; those of one task among them form a group.
        options: keyword options of every scorer, and ``key`` of :func:`~credit_gym.credit.assign.build_targets`.

    Raises:
        UnknownNameError: no scorer has that name, or it has no such option.
        OptionError: an option is not what the scorer's signature declares.
        CreditGymError: there is no scorer, or one twice; there is another AssignCredit inside, or a
            :class:`RecordEpisodes` that makes groups of another size.

    Example:
        >>> import gymnasium as gym
        >>> import credit_gym
        >>> from credit_gym.wrappers import AssignCredit, RecordVerifier
        >>> env = RecordVerifier(gym.make("credit/Stochastic-v0"))
        >>> env = AssignCredit(env, ["evidence_lambda", "grpo"], group_size=8)
    """

    def __init__(self, env: gym.Env[str, str], scorer: Scorers = DEFAULT, group_size: int = 1, **options: Any) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, scorer=scorer, group_size=group_size, **options)
        self._crediting = Crediting(scorer, group_size, options)
        recorder = find_wrapper(env, RecordEpisodes)
        self._crediting.refuse(
            inside=find_wrapper(env, AssignCredit), recorded=None if recorder is None else recorder.group_size
        )
        gym.Wrapper.__init__(self, env if recorder is not None else RecordEpisodes(env, group_size=group_size, keep=0))
        self.scorer = scorer
        self.group_size = group_size
        self.options = options

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment; the step that completes ``group_size`` episodes has their targets in its info."""
        result = self.env.step(action)
        if result[2] or result[3]:
            info = result[4]
            info.update(self._crediting.add(info["episode"]))
        return result


class Crediting:
    """Episodes on their way to their credits: what the single and the vector wrapper share.

    Args:
        scorer: see :class:`AssignCredit`, like the other arguments.
        group_size: episodes that are scored together.
        options: of every scorer.
    """

    def __init__(self, scorer: Scorers, group_size: int, options: Mapping[str, Any]) -> None:
        self._wanted = _checked(scorer, options)  # what is wrong must fail here, not after the first episodes
        self._group_size = group_size
        self._episodes: list[Episode] = []

    def refuse(self, *, inside: object, recorded: int | None) -> None:
        """Refuse a stack that cannot be credited.

        Args:
            inside: another AssignCredit in the stack, None if there is none.
            recorded: the group size of the RecordEpisodes inside, None if there is none.
        """
        if inside is not None:
            raise CreditGymError(
                'There is an AssignCredit inside already: give one of them all scorers, as in ["grpo", "gae"].'
            )
        if recorded not in (None, self._group_size):
            raise CreditGymError(
                f"RecordEpisodes makes groups of {recorded} and AssignCredit of {self._group_size}; "
                "give both the same group_size."
            )

    def add(self, episode: Episode) -> dict[str, Any]:
        """Take an episode that ended; return ``targets`` and ``credits`` if it completed a batch, else nothing."""
        self._episodes.append(episode)
        if len(self._episodes) < self._group_size:
            return {}
        episodes, self._episodes = self._episodes, []
        targets = {name: build_targets(episodes, name, **options) for name, options in self._wanted.items()}
        credits = {name: tuple(map(attrgetter("credit"), each)) for name, each in targets.items()}
        return {"targets": next(iter(targets.values())), "credits": credits}


def _checked(scorer: Scorers, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of each scorer by name, all of which are known to fit."""
    names = [scorer] if isinstance(scorer, str) else list(scorer)
    if not names or len(set(names)) < len(names):
        raise CreditGymError("AssignCredit needs a scorer, or several that are each named once.")
    own = scorer if isinstance(scorer, Mapping) else {}
    wanted = {name: {**options, **own.get(name, {})} for name in names}
    for name, given in wanted.items():
        check_options(name, given, key=True)
    return wanted
