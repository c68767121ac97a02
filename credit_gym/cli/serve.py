"""Serve environments to other people's trainers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import gymnasium as gym
import typer

from credit_gym.cli.app import EnvArgs, Options, app, environment, pairs, scorer_options, typed
from credit_gym.cli.stopping import stoppable
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.wrappers.doors.guard import Guard
    from credit_gym.wrappers.doors.served_session import ServedGame

Hosts = Annotated[str, typer.Option(help="Address to listen at; beyond this machine a token is needed.")]
Token = Annotated[
    str | None,
    typer.Option(envvar="CREDIT_GYM_TOKEN", show_envvar=True, help="What clients must send as a bearer token."),
]


@app.command(epilog="Example: credit-gym serve --env credit/ALFWorld-v0 --split train --split valid_seen --port 8000")
def serve(
    env: Annotated[list[str] | None, typer.Option(help="Gymnasium id; repeatable, each at /NAME.")] = None,
    env_arg: EnvArgs = None,
    split: Annotated[list[str] | None, typer.Option(help="A split that a reset may choose; repeatable.")] = None,
    host: Hosts = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    token: Token = None,
    sessions: Annotated[int, typer.Option(min=1, help="Most of each environment at a time.")] = 64,
    session_timeout: Annotated[float, typer.Option(min=1.0, help="Seconds without a message; then one ends.")] = 1800.0,
    message_bytes: Annotated[int, typer.Option(min=1024, help="Of the largest message.")] = 1 << 20,
    rate: Annotated[float, typer.Option(min=1.0, help="Most messages a second of one session.")] = 5000.0,
    scorer: Annotated[
        str | None, typer.Option(help="Tell the credit of each step at the end of an episode, by this scorer.")
    ] = None,
    option: Options = None,
    group_size: Annotated[int, typer.Option(min=1, help="Last episodes of a task that are compared.")] = 64,
    reveal: Annotated[bool, typer.Option("--reveal", help="Tell players what only the game knows.")] = False,
    package: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Serve nothing: write an OpenEnv package that does.")
    ] = None,
) -> None:
    """Serve environments by OpenEnv's protocol, for its clients: TRL, verifiers, NeMo Gym, SkyRL and others.

    A session is a connection, and has an environment of its own. What only the game knows stays here.
    """
    if not env:
        raise typer.BadParameter("give --env with the id of an environment; `credit-gym envs` lists them.")
    if option and scorer is None:
        raise typer.BadParameter("--option is the scorer's: name one with --scorer.")
    typed(env)
    given: dict[str, Any] = {
        "env_ids": env,
        "arguments": pairs(env_arg),
        "splits": split or [],
        "sessions": sessions,
        "session_timeout": session_timeout,
        "message_bytes": message_bytes,
        "rate": rate,
        "scorer": scorer,
        "options": {} if scorer is None else scorer_options(scorer, option),
        "group_size": group_size,
        "reveal": reveal,
    }
    served = _games(env, given["arguments"], given["splits"], reveal)
    for game in served.values():
        game.made().close()  # what is wrong with it is said now, and not to the first client
    if package is not None:
        from credit_gym.wrappers.doors.openenv_package import write_package

        write_package(package, next(iter(served)), given)
        typer.echo(f"{package}: check it with `openenv validate {package} --level static`.")
        return
    if token is None and not _is_loopback(host):
        raise typer.BadParameter(f"{host} is seen beyond this machine: give --token, or set CREDIT_GYM_TOKEN.")
    from credit_gym.wrappers.doors.listening import listen

    guard = application(token=token, **given)

    def told(url: str) -> None:
        for number, (name, game) in enumerate(served.items()):
            typer.echo(f"{game.env_id}: {url}{f'/{name}' if number else ''}")

    with stoppable():
        listen(guard, host, port, message_bytes=message_bytes, sessions=sessions * len(served), told=told)


def application(
    env_ids: Sequence[str],
    arguments: Mapping[str, Any],
    *,
    splits: Sequence[str] = (),
    sessions: int = 64,
    session_timeout: float = 1800.0,
    message_bytes: int = 1 << 20,
    rate: float = 5000.0,
    scorer: str | None = None,
    options: Mapping[str, Any] | None = None,
    group_size: int = 64,
    reveal: bool = False,
    token: str | None = None,
) -> Guard:
    """Return what the command serves, as an ASGI application; the arguments are its options."""
    from credit_gym.wrappers.doors.credit_rubric import CreditRubric
    from credit_gym.wrappers.doors.finished_episodes import FinishedEpisodes
    from credit_gym.wrappers.doors.guard import Limits
    from credit_gym.wrappers.doors.openenv_server import make_application

    make_rubric = None
    if scorer is not None:
        finished = FinishedEpisodes(group_size)
        make_rubric = partial(CreditRubric, scorer, finished=finished, **(options or {}))
    return make_application(
        _games(env_ids, arguments, splits, reveal),
        sessions=sessions,
        session_timeout=session_timeout,
        token=token,
        limits=Limits(message_bytes, rate, session_timeout),
        make_rubric=make_rubric,
    )


def _games(
    env_ids: Sequence[str], arguments: Mapping[str, Any], splits: Sequence[str], reveal: bool
) -> dict[str, ServedGame]:
    """Name -> game: the name is the id without its namespace and version."""
    from credit_gym.wrappers.doors.served_session import ServedGame

    games: dict[str, ServedGame] = {}
    for env_id in env_ids:
        name = env_id.rpartition("/")[2].rpartition(":")[2].rpartition("-v")[0] or env_id.rpartition("/")[2]
        if name in games:
            raise CreditGymError(f"Two environments would be served as /{name}: serve one of them from another port.")
        games[name] = ServedGame(env_id, partial(_made, env_id, arguments), tuple(splits), reveal=reveal)
    return games


def _made(env_id: str, arguments: Mapping[str, Any], **chosen: str) -> gym.Env[str, str]:
    return environment(env_id, {**arguments, **chosen})


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
