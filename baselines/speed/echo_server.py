"""An OpenEnv server that plays nothing: what a step over the wire costs before an environment does anything.

    python -m credit_gym.baselines.speed.echo_server

It prints its URL and serves until it is ended.
"""

from __future__ import annotations

from typing import Any

from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State

from credit_gym.wrappers.doors.listening import listen


class Said(Action):  # type: ignore[misc]
    """A text."""

    text: str


class Heard(Observation):  # type: ignore[misc]
    """The same text."""

    text: str = ""


class Echo(Environment):  # type: ignore[misc]
    """Answers every text with itself."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Heard:
        """Say nothing."""
        return Heard()

    def step(self, action: Said, timeout_s: float | None = None, **_: Any) -> Heard:
        """Repeat a text."""
        return Heard(text=action.text, reward=0.0)

    @property
    def state(self) -> State:
        """Nothing is kept."""
        return State()


def main() -> None:
    """Serve at a free port."""
    app = create_fastapi_app(Echo, Said, Heard, max_concurrent_envs=4, mode="simulation")
    listen(app, "127.0.0.1", 0, message_bytes=1 << 20, sessions=4, told=lambda url: print(f"echo: {url}", flush=True))


if __name__ == "__main__":
    main()
