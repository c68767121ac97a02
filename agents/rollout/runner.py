"""Play many episodes: concurrently, continuously, and the same ones whatever the number of workers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Any, TypeAlias, TypeVar

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.core import Agent, AsyncAgent, Context
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.rollout.progress_bar import episode_progress
from credit_gym.agents.rollout.turns import Turns, episode_turns, go_on
from credit_gym.data.episode import Episode
from credit_gym.errors import BudgetError, CreditGymError
from credit_gym.wrappers.record_episodes import Sink

T = TypeVar("T")
MakeEnv = Callable[[], gym.Env[str, str]]
Player: TypeAlias = Agent | AsyncAgent
P = TypeVar("P", Agent, AsyncAgent, Player)
_Results: TypeAlias = Generator[tuple[int, Episode], None, None]


def run_episodes(
    make_env: MakeEnv,
    agent: Player,
    *,
    episodes: int,
    seed: int,
    group_size: int = 1,
    workers: int = 1,
    sink: Sink | None = None,
    progress: bool | None = None,
    resume_done: Collection[str] = frozenset(),
    blocking: bool | None = None,
) -> list[Episode]:
    """Play episodes and return their records.

    Episode i has the seed ``rng.derive(seed, i)`` and the id ``"{seed}-{i}"``. Episodes ``k * group_size`` to
    ``(k + 1) * group_size - 1`` form group k: they play one task, each with its own random stream. Where the
    environment has a ``num_tasks``, group k plays task ``k % num_tasks``; elsewhere the episode's seed fixes the task,
    which only groups of one allow. An agent sees nothing but contexts, so the records do not depend on ``workers``.

    An ordinary agent is called on ``workers`` threads. An :class:`~credit_gym.agents.core.AsyncAgent` is awaited by
    ``workers`` tasks of one event loop, hundreds if need be; the loop has a thread of its own, so this function may be
    called inside another loop. The agent stays open: whoever made it closes it.

    An episode during which the environment or the agent raises is data too: its record holds the steps so far and
    the error, its environment is replaced, and the run goes on. After a :class:`~credit_gym.errors.BudgetError` no
    episode is begun any more; those in play go on until they end or meet the cap themselves (:func:`stop_reason`).
    Interrupting the run leaves every episode that the sink has seen.

    Args:
        make_env: builds one environment; called once per worker, and again after a failure.
        agent: who plays; an ordinary one must be thread-safe if there are several workers (see
            :class:`credit_gym.agents.rollout.batching.Batched`).
        episodes: number of episodes of the whole run.
        seed: fixes every episode.
        group_size: episodes per task.
        workers: episodes in play at the same time.
        sink: called with each episode as it ends, always from the calling thread.
        progress: whether to show a progress bar; None shows it only on a terminal.
        resume_done: ids of episodes that an earlier run completed; they are not played again.
        blocking: whether ``reset`` and ``step`` wait for something (a process, a server, a judge). Beside an async
            agent such an environment gets a thread of its own, in which it is made, stepped and closed; others are
            stepped on the event loop. None asks the environment, which says so by an attribute ``blocking``.

    Returns:
        The episodes played now, in the order of their numbers; fewer than were asked for if the budget ran out.

    Raises:
        CreditGymError: ``group_size`` is above 1 and the environment has no ``num_tasks``, or a count is too small.
    """
    wanted = missing_numbers(episodes, seed, group_size, workers, resume_done)
    with closing(Run(make_env, agent, seed=seed, group_size=group_size, blocking=blocking)) as run:
        return collect(run.results(wanted, workers), len(wanted), sink, progress)


def missing_numbers(episodes: int, seed: int, group_size: int, workers: int, done: Collection[str]) -> list[int]:
    """Return the numbers of the episodes of a run that are still to be played.

    Raises:
        CreditGymError: a count is too small.
    """
    if episodes < 0 or group_size < 1 or workers < 1:
        raise CreditGymError("episodes must be at least 0, group_size and workers at least 1.")
    return [number for number in range(episodes) if episode_id(seed, number) not in done]


def collect(results: _Results, total: int, sink: Sink | None, progress: bool | None) -> list[Episode]:
    """Hand episodes on as they end, and return them in the order of their numbers."""
    played: dict[int, Episode] = {}
    with episode_progress(total, visible=progress) as advance, closing(results):
        for number, episode in results:
            if sink is not None:
                sink(episode)
            played[number] = episode
            advance(episode)
    return [played[number] for number in sorted(played)]


def episode_id(seed: int, number: int) -> str:
    """Return the id of an episode of a run, the same in every resumption."""
    return f"{seed}-{number}"


@contextmanager
def open_agent(agent: P) -> Iterator[P]:
    """Give out an agent and close it afterwards; not to be used inside an event loop."""
    try:
        yield agent
    finally:
        if isinstance(agent, AsyncAgent):
            asyncio.run(agent.close())


def usual_workers(agent: Player) -> int:
    """Return how many episodes to play at the same time where nobody said."""
    if isinstance(agent, AsyncAgent):
        return 64
    return 32 if isinstance(agent, Batched) else 1


def stop_reason(episodes: Iterable[Episode]) -> str | None:
    """Return the sentence of the first cap on cost or tokens that ended an episode, None if none did."""
    cap = f"{BudgetError.__name__}: "
    errors = (episode.error for episode in episodes if episode.error is not None)
    return next((error.removeprefix(cap) for error in errors if error.startswith(cap)), None)


def play_episode(
    env: gym.Env[str, str],
    agent: Agent,
    *,
    seed: int,
    episode_id: str,
    group_id: str,
    options: dict[str, Any] | None = None,
) -> Episode:
    """Play one episode from its reset; an exception ends it and is recorded in its ``error``.

    Args:
        env: the environment.
        agent: who plays.
        seed: seed of the reset and of the agent's draws.
        episode_id: id of the record.
        group_id: group of the record.
        options: options of the reset.
    """
    turns = episode_turns(
        env, agent_id=agent.name, seed=seed, episode_id=episode_id, group_id=group_id, options=options
    )
    return _drive(turns, agent)


class Run:
    """What the episodes of one run share: its numbers, its agent, and the environments that are idle.

    Args:
        make_env: see :func:`run_episodes`, like the other arguments.
        agent: who plays.
        seed: fixes every episode.
        group_size: episodes per task.
        blocking: whether the environment waits for something.

    Raises:
        CreditGymError: a group cannot be given one task.
    """

    def __init__(
        self, make_env: MakeEnv, agent: Player, *, seed: int, group_size: int = 1, blocking: bool | None = None
    ) -> None:
        self._make_env = make_env
        self._agent = agent
        self._seed = seed
        self._group_size = group_size
        self._waiting: deque[int] = deque()
        self._stopped, self._interrupted = Event(), Event()
        self._cancel: Callable[[], object] = lambda: None
        first = make_env()  # one that cannot be built must end the run, not fail every episode
        self._idle = deque([first])
        self._num_tasks = first.get_wrapper_attr("num_tasks") if first.has_wrapper_attr("num_tasks") else None
        self._blocking = bool(getattr(first.unwrapped, "blocking", False)) if blocking is None else blocking
        if self._num_tasks is None and group_size > 1:
            self.close()
            raise CreditGymError(
                "The environment has no num_tasks, so a group cannot be given one task; use group_size=1."
            )

    def results(self, wanted: Sequence[int], workers: int) -> _Results:
        """Play episodes and yield them with their numbers as they end; may be called again when it is exhausted."""
        self._interrupted.clear()
        self._waiting.extend(wanted)
        workers = min(workers, len(wanted))
        if isinstance(self._agent, AsyncAgent):
            return self._concurrently([lambda put: asyncio.run(self._serve_async(workers, put))][:workers])
        return self._concurrently([self._serve] * workers) if workers > 1 else self._one_by_one()

    def close(self) -> None:
        """Close the environments."""
        while self._idle:
            self._idle.pop().close()

    def _one_by_one(self) -> _Results:
        for number in iter(self._next, None):
            yield number, self._play(number)

    def _concurrently(self, jobs: Sequence[Callable[[Callable[[Any], None]], None]]) -> _Results:
        """Run each job in a thread and yield what it puts; what ends a job early is raised here."""
        if not jobs:
            return
        done: SimpleQueue[tuple[int, Episode] | Future[None]] = SimpleQueue()
        with ThreadPoolExecutor(len(jobs)) as pool:
            try:
                running = {pool.submit(job, done.put) for job in jobs}
                for future in running:
                    future.add_done_callback(done.put)
                while running:
                    item = done.get()
                    if isinstance(item, Future):
                        running.remove(item)
                        item.result()
                    else:
                        yield item
            except KeyboardInterrupt:  # what had ended by then is kept
                while not done.empty():
                    item = done.get()
                    if not isinstance(item, Future):
                        yield item
                raise
            finally:
                self._interrupted.set()
                self._cancel()

    def _serve(self, put: Callable[[tuple[int, Episode]], None]) -> None:
        for number in iter(self._next, None):
            put((number, self._play(number)))

    async def _serve_async(self, workers: int, put: Callable[[tuple[int, Episode]], None]) -> None:
        loop, everything = asyncio.get_running_loop(), asyncio.current_task()
        assert everything is not None

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to cancel
                loop.call_soon_threadsafe(everything.cancel)

        self._cancel = cancel
        if self._blocking:
            self.close()  # the first environment was made in another thread than the one that would step it
        await asyncio.gather(*(self._seat(put) for _ in range(workers)))

    async def _seat(self, put: Callable[[tuple[int, Episode]], None]) -> None:
        """Play one episode after another in an environment of its own."""
        agent, env = self._agent, None
        assert isinstance(agent, AsyncAgent)
        with ThreadPoolExecutor(1) as thread:  # it starts when it is first needed
            try:
                for number in iter(self._next, None):
                    if env is None:
                        env = await self._call(thread, self._take)
                    turns = self._turns(env, number)
                    moment = await self._call(thread, go_on, turns, None)
                    while isinstance(moment, Context):
                        moment = await self._call(thread, go_on, turns, await _awaited(agent, moment))
                    put((number, self._checked(moment)))
                    if moment.error is not None:
                        await self._call(thread, _discard, env)
                        env = None
            finally:
                if env is not None:
                    await self._call(thread, env.close if self._blocking else partial(self._idle.append, env))

    async def _call(self, thread: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        if not self._blocking:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(thread, function, *arguments)

    def _next(self) -> int | None:
        """The number of the next episode to begin, None if there is none: all are begun, or the run is stopped."""
        with suppress(IndexError):  # a test before the pop would race with the other workers
            return None if self._stopped.is_set() or self._interrupted.is_set() else self._waiting.popleft()
        return None

    def _take(self) -> gym.Env[str, str]:
        with suppress(IndexError):
            return self._idle.pop()
        return self._make_env()

    def _turns(self, env: gym.Env[str, str], number: int) -> Turns:
        group = number // self._group_size
        return episode_turns(
            env,
            agent_id=self._agent.name,
            seed=rng.derive(self._seed, number),
            episode_id=episode_id(self._seed, number),
            group_id=f"{self._seed}-g{group}",
            options=None if self._num_tasks is None else {"task": group % self._num_tasks},
        )

    def _play(self, number: int) -> Episode:
        env = self._take()
        assert isinstance(self._agent, Agent)
        episode = _drive(self._turns(env, number), self._agent, self._interrupted)
        if episode.error is None:
            self._idle.append(env)
        else:
            _discard(env)
        return self._checked(episode)

    def _checked(self, episode: Episode) -> Episode:
        if stop_reason([episode]) is not None:
            self._stopped.set()
        return episode


def _drive(turns: Turns, agent: Agent, interrupted: Event | None = None) -> Episode:
    moment = go_on(turns, None)
    while isinstance(moment, Context):
        if interrupted is not None and interrupted.is_set():
            moment = go_on(turns, CreditGymError("The run was interrupted."))
        else:
            moment = go_on(turns, _called(agent, moment))
    return moment


def _called(agent: Agent, context: Context) -> str | Exception:
    try:
        (action,) = agent.act([context])
    except Exception as error:  # noqa: BLE001 - it ends its episode and is recorded there
        return error
    return action


async def _awaited(agent: AsyncAgent, context: Context) -> str | Exception:
    try:
        return await agent.act_async(context)
    except Exception as error:  # noqa: BLE001 - it ends its episode and is recorded there
        return error


def _discard(env: gym.Env[str, str]) -> None:
    with suppress(Exception):  # it is broken already, and its error is recorded
        env.close()
