"""Credit as an OpenEnv rubric: per-step rewards from any registered scorer.

A group is the episodes of one task that this server saw end, the last ``group_size`` of them, whichever session played
them. A scorer that compares episodes says little of the first one of a task and more of it when others have ended, so
:meth:`CreditRubric.compute_step_rewards` answers with the group as it is when it is asked.
"""

from __future__ import annotations

from typing import Any

from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, missing_extra
from credit_gym.scorers import DEFAULT, check_options
from credit_gym.wrappers.doors.finished_episodes import FinishedEpisodes

try:
    from openenv.core.rubrics.trajectory import TrajectoryRubric
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "openenv", "openenv") from None


class CreditRubric(TrajectoryRubric):  # type: ignore[misc]
    """Scores an episode by its return, and each of its steps by a scorer.

    It reads the record that :class:`~credit_gym.wrappers.doors.openenv_server.CreditEnvironment` hands on with the
    last observation of an episode.

    Args:
        scorer: a registered scorer.
        group_size: episodes of a task that are compared with each other, the last that ended.
        finished: where they are kept: one for all sessions of a server; None keeps this session's own.
        options: the scorer's, and ``key``.

    Raises:
        UnknownNameError: there is no such scorer, or it has no such option.
        OptionError: an option is not what the scorer's signature declares.
    """

    def __init__(
        self,
        scorer: str = DEFAULT,
        *,
        group_size: int = 64,
        finished: FinishedEpisodes | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        check_options(scorer, options, key=True)
        self.scorer, self.options = scorer, options
        self._finished = finished or FinishedEpisodes(group_size)

    def forward(self, action: Any, observation: Any) -> float:
        """Return 0 until the episode is over, then its return."""
        score: float = super().forward(action, observation)
        if observation.done:
            self._finished.add(_recorded(self._trajectory))
        return score

    def score_trajectory(self, trajectory: list[tuple[Any, Any]]) -> float:
        """Return the sum of an episode's rewards."""
        return sum(_recorded(trajectory).rewards)

    def compute_step_rewards(self) -> list[float]:
        """Return the credit of each step, (T,), among the episodes of the task that have ended by now.

        Raises:
            CreditGymError: the episode is not over, or lacks what the scorer reads.
        """
        episode = _recorded(self._trajectory)
        targets = build_targets(self._finished.beside(episode), self.scorer, **self.options)
        return [target.credit for target in targets if target.episode_id == episode.episode_id]

    def state_dict(self) -> dict[str, Any]:
        """Return what the rubric was made with."""
        return {**super().state_dict(), "scorer": self.scorer, "options": self.options}


def _recorded(trajectory: list[tuple[Any, Any]]) -> Episode:
    """The record that came with the end of an episode."""
    episode = getattr(trajectory[-1][1], "_episode", None) if trajectory else None
    if not isinstance(episode, Episode):
        raise CreditGymError("Steps are credited when their episode is over, and recorded by a CreditEnvironment.")
    return episode
