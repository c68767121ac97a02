"""A server of environments in this process, and its client as a Gymnasium environment."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import gymnasium as gym

import credit_gym  # noqa: F401 (registers the ids)
from credit_gym.data.episode import Episode

TOLD = ("admissible_actions", "steps_left", "invalid", "role", "tools", "step_limit", "success")
"""What of an info reaches a client, beside the task."""


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI application on a thread; yield its URL."""
    import uvicorn

    config = uvicorn.Config(
        app,
        port=0,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=2,
        **{"ws_max_size": 1 << 22, **options},
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def until(holds: Any, seconds: float = 30.0) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it never held"
        time.sleep(0.01)


class RemoteEnv(gym.Env[str, str]):
    """A served environment, played through OpenEnv's own client of dictionaries.

    Args:
        url: where it is served.
        env_id: what it is, for the records.
    """

    def __init__(self, url: str, env_id: str) -> None:
        from openenv import GenericEnvClient

        self.client = GenericEnvClient(base_url=url).sync()
        self.client.connect()
        self.spec = gym.spec(env_id)
        self.action_format = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin an episode there."""
        result = self.client.reset(seed=seed, **(options or {}))
        seen = result.observation
        task = {"id": seen["task"], "split": seen["split"], "goal": seen["goal"]}
        return seen["text"], {"task": task, **_info(seen)}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play an action there."""
        result = self.client.step({"text": str(action)})
        seen = result.observation
        assert result.done == (seen["terminated"] or seen["truncated"])
        return seen["text"], result.reward, seen["terminated"], seen["truncated"], _info(seen)

    def close(self) -> None:
        """End the session."""
        self.client.close()


class OnlyTold(gym.Wrapper[str, str, str, str]):
    """An environment whose infos say what a client is told, and no more."""

    def reset(self, **options: Any) -> tuple[str, dict[str, Any]]:
        """Begin an episode."""
        text, info = self.env.reset(**options)
        task = info["task"]
        return text, {"task": {name: task[name] for name in ("id", "split", "goal")}, **_info(info)}

    def step(self, action: str) -> Any:
        """Play an action."""
        text, reward, terminated, truncated, info = self.env.step(action)
        later = {name: value for name, value in _info(info).items() if name not in ("tools", "step_limit")}
        return text, reward, terminated, truncated, later


def written(episode: Episode) -> str:
    """An episode as text, to the byte."""
    return json.dumps(asdict(episode), sort_keys=True, default=repr)


def _info(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in TOLD if said.get(name) is not None}
