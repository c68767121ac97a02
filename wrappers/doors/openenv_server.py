"""Environments as an OpenEnv server: one environment a session, and the guard around all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from credit_gym.errors import CreditGymError, missing_extra
from credit_gym.wrappers.doors.guard import Application, Guard, Limits, Receive, Scope, Send
from credit_gym.wrappers.doors.served_session import Moment, ServedGame, ServedSession
from credit_gym.wrappers.doors.served_tasks import ServedTasks

try:
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from openenv.core.env_server.http_server import create_fastapi_app
    from openenv.core.env_server.interfaces import Environment
    from openenv.core.env_server.types import ConcurrencyConfig, EnvironmentMetadata
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "openenv", "openenv") from None

from credit_gym.wrappers.doors.credit_rubric import CreditRubric
from credit_gym.wrappers.doors.openenv_models import CreditAction, CreditObservation, CreditState

_OF_TASKS = frozenset(("splits", "tasks", "num_tasks", "task", "task_range"))  # routes that carry the name themselves

_ALONE = "A request has no session in which an episode could go on: reset and step over the WebSocket at /ws."


class CreditEnvironment(Environment):  # type: ignore[misc]
    """An environment as OpenEnv plays it.

    Args:
        game: what is played.
        tasks: what there is to play, shared by the sessions.
        make_rubric: makes the rubric of a session; None for none.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(
        self, game: ServedGame, tasks: ServedTasks, make_rubric: Callable[[], CreditRubric] | None = None
    ) -> None:
        super().__init__(rubric=None if make_rubric is None else make_rubric())
        self._tasks = tasks
        self._session = ServedSession(game, record=make_rubric is not None)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **options: Any) -> CreditObservation:
        """Begin an episode; see :meth:`ServedSession.reset`."""
        moment = self._session.reset({"seed": seed, "episode_id": episode_id, **options})
        self._reset_rubric()
        return _observation(moment)

    def step(self, action: CreditAction, timeout_s: float | None = None, **_: Any) -> CreditObservation:
        """Play an action, or take a snapshot; an environment here is never stopped in the middle of a step."""
        clone = action.metadata.get("clone", False)
        if not isinstance(clone, bool):  # played, it would cost a step that nobody meant
            raise CreditGymError('The "clone" in the metadata of a step is true or false.')
        if clone:
            moment, name = self._session.clone()
            return _observation(moment, {"snapshot": name})
        moment = self._session.step(action.text)
        observation = _observation(moment)
        if self.rubric is not None:
            self._apply_rubric(action, observation)
            if moment.over:
                observation.metadata = self._credited()
        return observation

    @property
    def state(self) -> CreditState:
        """Where the session stands."""
        session = self._session
        over = self.rubric is not None and session.moment is not None and session.moment.over
        return CreditState(
            episode_id=session.episode_id,
            step_count=session.step_count,
            env=session.game.env_id,
            seed=session.seed,
            task=session.task or None,
            credits=self._credited().get("credits") if over else None,
        )

    def close(self) -> None:
        """End the session."""
        self._session.close("The session was idle for too long and has ended: connect again.")

    def get_metadata(self) -> EnvironmentMetadata:
        """Return what the environment is."""
        from credit_gym import __version__

        name = self._session.game.env_id
        return EnvironmentMetadata(
            name=name, description=f"{name} of credit_gym: seeded, forkable text.", version=__version__
        )

    async def list_splits(self) -> list[str]:
        """Return the splits that a reset may choose."""
        return await asyncio.to_thread(self._tasks.splits)

    async def num_tasks(self, split: str) -> int:
        """Return how many tasks a split has."""
        return await asyncio.to_thread(self._tasks.count, split)

    async def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """Return the first tasks of a split."""
        return await asyncio.to_thread(self._tasks.preview, split)

    async def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Return one task."""
        return await asyncio.to_thread(self._tasks.task, split, index)

    async def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Return a slice of the tasks."""
        return await asyncio.to_thread(self._tasks.tasks, split, start, stop)

    def _credited(self) -> dict[str, Any]:
        """The credits of an episode that is over, or why there are none."""
        try:
            return {"credits": self.rubric.compute_step_rewards(), "scorer": self.rubric.scorer}
        except CreditGymError as error:
            return {"credits_error": str(error), "scorer": self.rubric.scorer}


def make_application(
    games: Mapping[str, ServedGame],
    *,
    sessions: int = 64,
    session_timeout: float = 1800.0,
    token: str | None = None,
    limits: Limits | None = None,
    make_rubric: Callable[[], CreditRubric] | None = None,
) -> Guard:
    """Return the ASGI application that serves games.

    Args:
        games: name -> game. Each is at ``/NAME``, and the first at ``/`` too.
        sessions: most of each game at a time.
        session_timeout: seconds without a message after which one that no connection holds is ended; for those that
            one holds, see :class:`Limits`.
        token: what clients must show; see :class:`Guard`.
        limits: what is too much.
        make_rubric: makes the rubric of each session; None for none.
    """
    apps = {name: _game_application(name, game, sessions, session_timeout, make_rubric) for name, game in games.items()}
    first, *others = apps.values()
    for other in others:  # only the application that listens is told when serving begins and ends
        first.router.on_startup.extend(other.router.on_startup)
        first.router.on_shutdown.extend(other.router.on_shutdown)
    if others:
        first.add_api_route("/list_environments", lambda: list(apps))
        first.router.routes.insert(0, first.router.routes.pop())  # before the one that knows its own name only
    return Guard(_by_name(apps, first), token=token, limits=limits)


def _game_application(
    name: str,
    game: ServedGame,
    sessions: int,
    session_timeout: float,
    make_rubric: Callable[[], CreditRubric] | None,
) -> FastAPI:
    app = create_fastapi_app(
        partial(CreditEnvironment, game, ServedTasks(game), make_rubric),
        CreditAction,
        CreditObservation,
        concurrency_config=ConcurrencyConfig(max_concurrent_envs=sessions, session_timeout=session_timeout),
        env_name=name,
        state_cls=CreditState,
        mode="simulation",
    )
    app.add_exception_handler(CreditGymError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def _by_name(apps: Mapping[str, FastAPI], first: FastAPI) -> Application:
    """The application that passes on what comes to ``/NAME`` and, to the first, everything else."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        app = first
        if scope["type"] != "lifespan":
            path = scope["path"]
            name, _, rest = path.removeprefix("/").partition("/")
            if path.startswith("/") and name in apps:
                app = apps[name]
                if rest not in _OF_TASKS:
                    path = f"/{rest}"
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await app(scope, receive, send)

    return serve


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """What our own side refuses; a request has an environment of its own, in which no episode is under way."""
    sentence = _ALONE if request.url.path.endswith("/step") else str(error)
    return JSONResponse({"detail": sentence}, status_code=400)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part)[:80] for part in first["loc"])
    return JSONResponse({"detail": " ".join(f"{where}: {first['msg']}.".split())}, status_code=422)


def _observation(moment: Moment, metadata: dict[str, Any] | None = None) -> CreditObservation:
    observation = CreditObservation(
        **moment.told,
        done=moment.over,
        reward=moment.reward,
        revealed=moment.revealed or None,
        metadata=metadata or {},
    )
    observation._episode = moment.episode
    return observation
