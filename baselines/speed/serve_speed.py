"""Speed-table lines of a served environment: steps over the wire, beside an echo server of the same package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from credit_gym.baselines.speed.measurement import Measurement

_STEPS = 1000
_SERVE = ("credit_gym.cli", "serve", "--port", "0", "--env")


def served() -> Iterator[Measurement]:
    """One session of OpenEnv's own client on this machine, the server in a process of its own; nothing without it."""
    if find_spec("openenv") is None:
        return
    for name, module, choose in _SERVERS:
        with _client(module) as (client, process):
            yield Measurement(f"{name}, one session over the wire", "steps/s", None, partial(_steps, client, choose))
            cost = partial(_cost, process, partial(_steps, client, choose))
            yield Measurement(f"{name}, server's CPU time a step", "µs", None, cost, "value", lower_is_better=True)


def _cost(process: int, play: Callable[[], float]) -> float:
    """Processor time of a process while it is played with, microseconds a step."""
    began = _spent(process)
    steps = play()
    return 1e6 * (_spent(process) - began) / steps


def _spent(process: int) -> float:
    """Processor time of a process so far, seconds."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _steps(client: Any, choose: Callable[[Any, int], str]) -> float:
    """Play, an episode after another; return the number of steps."""
    result = client.reset(seed=0)
    for step in range(_STEPS):
        result = client.step({"text": choose(result.observation, step)})
        if result.done:
            result = client.reset(seed=step)
    return _STEPS


def _offered(observation: Any, step: int) -> str:
    actions = observation["admissible_actions"]
    return str(actions[step % len(actions)])


def _any(_: Any, step: int) -> str:
    return f"open door {step}"


_SERVERS: tuple[tuple[str, tuple[str, ...], Callable[[Any, int], str]], ...] = (
    ("text environment, served", (*_SERVE, "credit/Stochastic-v0"), _offered),
    ("ALFWorld, served", (*_SERVE, "credit/ALFWorld-v0"), _offered),
    ("echo server of the same package", ("credit_gym.baselines.speed.echo_server",), _any),
)


@contextmanager
def _client(module: tuple[str, ...]) -> Iterator[tuple[Any, int]]:
    """A client of a server that runs meanwhile, and the server's process id."""
    from openenv import GenericEnvClient

    server = subprocess.Popen([sys.executable, "-m", *module], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        with GenericEnvClient(base_url=server.stdout.readline().split(": ")[1].strip()).sync() as client:
            yield client, server.pid
    finally:
        server.terminate()
        server.wait(30)
