"""What the workers of a run share: the numbers still to be played, the idle environments, and when to stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Event

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.core import Player
from credit_gym.agents.rollout.turns import MakeEnv, Turns, episode_turns
from credit_gym.data.episode import Episode
from credit_gym.errors import BudgetError, CreditGymError


class Run:
    """What the episodes of one run share.

    Args:
        make_env: see :func:`credit_gym.agents.rollout.runner.run_episodes`, like the other arguments.
        agent: who plays.
        seed: fixes every episode.
        group_size: episodes per task.
        blocking: whether the environment waits for something.

    Attributes:
        agent: who plays.
        blocking: whether the environment waits for something.
        interrupted: set when the episodes in play are to end.
        cancel: ends what an event loop plays; replaced by whoever runs one.

    Raises:
        CreditGymError: a group cannot be given one task.
    """

    def __init__(
        self, make_env: MakeEnv, agent: Player, *, seed: int, group_size: int = 1, blocking: bool | None = None
    ) -> None:
        self.agent = agent
        self.interrupted = Event()
        self.cancel: Callable[[], object] = lambda: None
        self._make_env = make_env
        self._seed = seed
        self._group_size = group_size
        self._waiting: deque[int] = deque()
        self._stopped = Event()
        first = make_env()  # one that cannot be built must end the run, not fail every episode
        self._idle = deque([first])
        self._num_tasks = first.get_wrapper_attr("num_tasks") if first.has_wrapper_attr("num_tasks") else None
        self.blocking = bool(getattr(first.unwrapped, "blocking", False)) if blocking is None else blocking
        if self._num_tasks is None and group_size > 1:
            self.close()
            raise CreditGymError(
                "The environment has no num_tasks, so a group cannot be given one task; use group_size=1."
            )

    def begin(self, wanted: Sequence[int]) -> None:
        """Let episodes be played, the first ones or further ones."""
        self.interrupted.clear()
        self._waiting.extend(wanted)

    def interrupt(self) -> None:
        """End the episodes in play, and begin no other."""
        self.interrupted.set()
        self.cancel()

    def close(self) -> None:
        """Close the environments."""
        while self._idle:
            self._idle.pop().close()

    def next(self) -> int | None:
        """Return the number of the next episode to begin, None if all are begun or the run is stopped."""
        with suppress(IndexError):  # a test before the pop would race with the other workers
            return None if self._stopped.is_set() or self.interrupted.is_set() else self._waiting.popleft()
        return None

    def take(self) -> gym.Env[str, str]:
        """Return an environment that is idle, or a new one."""
        with suppress(IndexError):
            return self._idle.pop()
        return self._make_env()

    def give_back(self, env: gym.Env[str, str]) -> None:
        """Keep an environment for another episode."""
        self._idle.append(env)

    def turns(self, env: gym.Env[str, str], number: int) -> Turns:
        """Return an episode of the run, not begun yet."""
        group = number // self._group_size
        return episode_turns(
            env,
            agent_id=self.agent.name,
            seed=rng.derive(self._seed, number),
            episode_id=episode_id(self._seed, number),
            group_id=f"{self._seed}-g{group}",
            options=None if self._num_tasks is None else {"task": group % self._num_tasks},
        )

    def checked(self, episode: Episode) -> Episode:
        """Return an episode that has ended; if a cap ended it, no other is begun."""
        if stop_reason([episode]) is not None:
            self._stopped.set()
        return episode


def episode_id(seed: int, number: int) -> str:
    """Return the id of an episode of a run, the same in every resumption."""
    return f"{seed}-{number}"


def stop_reason(episodes: Iterable[Episode]) -> str | None:
    """Return the sentence of the first cap on cost or tokens that ended an episode, None if none did."""
    cap = f"{BudgetError.__name__}: "
    errors = (episode.error for episode in episodes if episode.error is not None)
    return next((error.removeprefix(cap) for error in errors if error.startswith(cap)), None)


def discard(env: gym.Env[str, str]) -> None:
    """Close an environment in which something went wrong."""
    with suppress(Exception):  # it is broken already, and its error is recorded
        env.close()
