"""RecordBelief: say how likely the truth seemed after every turn."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, SupportsFloat, TypeAlias, runtime_checkable

import gymnasium as gym

from credit_gym.data.action_format import LINE, ActionFormat, format_at
from credit_gym.data.columns import COLUMNS
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.readings import read, read_task

_COLUMN = {column.name: column for column in COLUMNS}


class Reading(NamedTuple):
    """What was believed at one moment, nats.

    Attributes:
        log_belief: log-probability of the truth, NaN where it could not be read.
        distractor_log_belief: log of the summed probability of wrong answers, None if there are none.
        anchor_log_belief: log-probability of the truth under a second, slowly following model, None if there is none.
    """

    log_belief: float
    distractor_log_belief: float | None = None
    anchor_log_belief: float | None = None


class Turn(NamedTuple):
    """What passed between an agent and an environment at one point.

    Attributes:
        action: what the agent did, None at reset.
        observation: what it was told.
        goal: its task in words.
        action_format: how the action is written that is due now.
        admissible_actions: what is on offer now, empty where the environment does not list it.
    """

    action: str | None
    observation: str
    goal: str
    action_format: ActionFormat = LINE
    admissible_actions: tuple[str, ...] = ()


Follower: TypeAlias = Callable[[Turn], Reading]
"""Follows one episode, turn by turn."""


class Believer(Protocol):
    """Whose belief is recorded: given an environment that was just reset, it follows that episode."""

    def __call__(self, env: gym.Env[str, str], /) -> Follower:
        """Return what follows the episode that begins."""
        ...


@runtime_checkable
class PostponedBeliever(Protocol):
    """A believer that can read a whole episode at once."""

    def read(self, env: gym.Env[str, str], turns: Sequence[Turn], /) -> Sequence[Reading]:
        """Return the readings of all turns of an episode, whose environment still knows its truth."""
        ...


class RecordBelief(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Records a believer's log-probability of the truth: log b_0 at reset and log b_t after step t, in nats.

    Online it is ``info["log_belief"]`` of every turn, beside ``info["distractor_log_belief"]`` and
    ``info["anchor_log_belief"]`` where the believer reads those. Postponed, nothing is read before the last turn; its
    ``info["beliefs"]`` then has the (T+1,) columns by name. Either way a recorder around it writes the columns of the
    same names; an episode that something outside cuts short has none if they were postponed.

    A believer follows the episode as it is played here; forks made by ``restore_state`` are not followed. Where it
    raises, or returns anything but a :class:`Reading` of log-probabilities, ``reset`` or ``step`` raises: whoever
    records around it keeps the episode up to there, with the reason in its ``error``.

    Args:
        env: the environment.
        believer: :func:`oracle`, :class:`credit_gym.agents.likelihood.believers.ModelBeliever`, or a function of the
            environment that returns a function of each turn. It may be shared by several wrappers.
        postponed: read the whole episode at its end; the believer needs a method ``read``.

    Raises:
        CreditGymError: the believer cannot be postponed.

    Example:
        >>> import gymnasium as gym
        >>> import credit_gym
        >>> from credit_gym.wrappers.record_belief import RecordBelief, oracle
        >>> env = RecordBelief(gym.make("credit/TwentyQuestions-v0"), oracle)
        >>> env.reset(seed=7)[1]["log_belief"] < 0
        True
    """

    def __init__(
        self, env: gym.Env[str, str], believer: Believer | PostponedBeliever, *, postponed: bool = False
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, believer=believer, postponed=postponed, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        if postponed and not isinstance(believer, PostponedBeliever):
            raise CreditGymError("This believer reads turn by turn: leave postponed out, or give it a method read().")
        self.believer: Any = believer
        self.postponed = postponed
        self._follow: Follower | None = None
        self._turns: list[Turn] = []
        self._count = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Reset the environment and read log b_0."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._turns, self._count = [], 0
        self._follow = None if self.postponed else _asked(self.believer, self.env, when="the start")
        self._take(None, observation, info)
        return observation, info

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment and read log b_t; postponed, read them all at the end of the episode."""
        observation, _, terminated, truncated, info = result = self.env.step(action)
        self._take(action, observation, info)
        if self.postponed and (terminated or truncated):
            info["beliefs"] = columns(self._postponed())
        return result

    def _take(self, action: str | None, observation: str, info: dict[str, Any]) -> None:
        goal, offered = str(read_task(info).get("goal", "")), info.get("admissible_actions")
        form = format_at(self.env.unwrapped, info)
        turn = Turn(action, observation, goal, form, tuple(offered) if isinstance(offered, (list, tuple)) else ())
        if self._follow is None:
            self._turns.append(turn)
            return
        when = f"point {self._count}"
        self._count += 1
        reading = _checked(_asked(self._follow, turn, when=when), when)
        info.update((name, value) for name, value in reading._asdict().items() if value is not None)

    def _postponed(self) -> list[Reading]:
        """The readings of all turns."""
        readings = _asked(self.believer.read, self.env, self._turns, when="the episode")
        if not isinstance(readings, Sequence) or len(readings) != len(self._turns):
            raise CreditGymError(f"The believer must return a list of {len(self._turns)} readings, one a turn.")
        return [_checked(reading, f"point {index}") for index, reading in enumerate(readings)]


def oracle(env: gym.Env[str, str], /) -> Follower:
    """Believe what follows from the answers: the environment's own exact posterior.

    Its gains are the information that each answer gave, and sum to ``log b_T - log b_0``.

    Raises:
        CreditGymError: the environment knows no posterior.
    """
    game: Any = env.unwrapped
    if not callable(getattr(game, "log_belief", None)):
        raise CreditGymError(
            f"{type(game).__name__} knows no exact belief: give RecordBelief another believer, such as a ModelBeliever."
        )

    def follow(turn: Turn) -> Reading:
        log_belief = float(game.log_belief())
        wrong = max(-math.expm1(log_belief), sys.float_info.min)  # columns are finite, even in certainty
        return Reading(log_belief, math.log(wrong))

    return follow


def _asked(believer: Callable[..., Any], *arguments: Any, when: str) -> Any:
    try:
        return believer(*arguments)
    except CreditGymError:
        raise
    except Exception as error:
        raise CreditGymError(f"The believer cannot read {when}: {type(error).__name__}: {error}") from error


def _checked(reading: Any, when: str) -> Reading:
    """A reading whose parts are log-probabilities, or NaN where one could not be read."""
    if not isinstance(reading, Reading):
        raise CreditGymError(f"The believer returned {type(reading).__name__} at {when}: it must return a Reading.")
    if reading.log_belief is None:
        raise CreditGymError(f"The believer returned no log_belief at {when}: give NaN where it could not be read.")
    return Reading(
        *(read(_COLUMN[name], value, f"The believer's {name} at {when}") for name, value in reading._asdict().items())
    )


def columns(readings: Sequence[Reading]) -> dict[str, tuple[float, ...]]:
    """Return readings as columns by name; those that were never read are left out."""
    table = {name: tuple(getattr(reading, name) for reading in readings) for name in Reading._fields}
    return {name: column for name, column in table.items() if None not in column}
