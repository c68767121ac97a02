"""A server listens: uvicorn around an application, until it is told to stop."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from credit_gym.errors import CreditGymError, missing_extra

_SPARE = 64  # connections beside those of sessions: health checks, listings, refusals
_FRAME = 4  # what is this many times too large closes the connection, where less is answered with a sentence
_GRACE = 5  # seconds for what is under way when the server stops
PATIENCE = 10.0
"""Seconds that a connection may take to ask, once or twice: who says nothing shall not keep others out."""


def listen(app: Any, host: str, port: int, *, message_bytes: int, sessions: int, told: Callable[[str], object]) -> None:
    """Serve an ASGI application until Ctrl-C or SIGTERM, which must raise KeyboardInterrupt.

    Args:
        app: the application.
        host: address to listen at.
        port: port; 0 takes a free one.
        message_bytes: of the largest message that it reads.
        sessions: most at a time.
        told: called with the URL when it listens.

    Raises:
        CreditGymError: the address cannot be listened at.
        MissingExtraError: uvicorn is not installed.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "uvicorn", "openenv") from None

    config = uvicorn.Config(
        app,
        http=impatient(),
        log_level="error",
        access_log=False,  # no line of it is worth a token in a query
        ws_max_size=_FRAME * message_bytes,
        ws_max_queue=8,
        limit_concurrency=2 * sessions + _SPARE,
        timeout_graceful_shutdown=_GRACE,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    with _listening(host, port) as door:
        shown = f"[{host}]" if ":" in host else host
        told(f"http://{shown}:{door.getsockname()[1]}")
        with suppress(KeyboardInterrupt):  # uvicorn has stopped by then, and passes the signal on
            uvicorn.Server(config).run(sockets=[door])


def impatient() -> Any:
    """Return the class of uvicorn's HTTP connections, those ended that have no request within :data:`PATIENCE`."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Impatient(AutoHTTPProtocol):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(PATIENCE, self._look_again, None)

        def _look_again(self, before: Any) -> None:
            if self not in self.connections:  # it is closed, or has become a session
                return
            waits = self.cycle is None or self.cycle.response_complete
            if waits and self.cycle is before:
                self.transport.close()
            else:
                self.loop.call_later(PATIENCE, self._look_again, self.cycle)

    return Impatient


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log says more than that somebody was refused: any stranger could fill it with that."""
    return "without completing handshake" not in record.getMessage()


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise CreditGymError(f"Nothing can listen at {host}:{port} ({error}): choose another --port.") from None
