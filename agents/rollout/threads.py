"""An ordinary agent is called: in the calling thread, or on several threads at the same time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TypeAlias, cast

from credit_gym.agents.core import Agent, Context
from credit_gym.agents.rollout.run_state import Run, discard
from credit_gym.agents.rollout.turns import Turns, go_on
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError

Played: TypeAlias = tuple[int, Episode]
Results: TypeAlias = Generator[Played, None, None]
Put: TypeAlias = Callable[[Played], None]


def one_by_one(run: Run) -> Results:
    """Play the episodes of a run in the calling thread."""
    for number in iter(run.next, None):
        yield number, _play(run, number)


def serve(run: Run, put: Put) -> None:
    """Play one episode of a run after another, and put each where the caller finds it."""
    for number in iter(run.next, None):
        put((number, _play(run, number)))


def concurrently(run: Run, jobs: Sequence[Callable[[Put], None]]) -> Results:
    """Run each job in a thread and yield what it puts; what ends a job early is raised here."""
    if not jobs:
        return
    done: SimpleQueue[Played | Future[None]] = SimpleQueue()
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
            run.interrupt()


def drive(turns: Turns, agent: Agent, interrupted: Event | None = None) -> Episode:
    """Play one episode to its end, or until the run is interrupted."""
    moment = go_on(turns, None)
    while isinstance(moment, Context):
        if interrupted is not None and interrupted.is_set():
            moment = go_on(turns, CreditGymError("The run was interrupted."))
        else:
            moment = go_on(turns, _called(agent, moment))
    return moment


def _play(run: Run, number: int) -> Episode:
    env = run.take()
    agent = cast("Agent", run.agent)  # to ask a protocol costs more than some episodes
    episode = drive(run.turns(env, number), agent, run.interrupted)
    if episode.error is None:
        run.give_back(env)
    else:
        discard(env)
    return run.checked(episode)


def _called(agent: Agent, context: Context) -> str | Exception:
    try:
        (action,) = agent.act([context])
    except Exception as error:  # noqa: BLE001 - it ends its episode and is recorded there
        return error
    return action
