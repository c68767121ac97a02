"""The viewer from a store that may still grow: a server on the loopback interface that reads and never writes.

Whoever knows the token in the address may look; the address of no other host reaches it, whatever name a page elsewhere
resolves to this machine. What it shows is made anew when the store has more episodes, the more seldom the longer that
takes.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from credit_gym.errors import CreditGymError
from credit_gym.report.viewer.comparisons import comparison, count_comparisons
from credit_gym.report.viewer.leaves import KINDS, TokenTexts, count_leaves, leaf
from credit_gym.report.viewer.overview import overview
from credit_gym.report.viewer.page_shell import policy, served_page
from credit_gym.report.viewer.shown_run import ShownRun

_REST = 5.0  # times as long as making the overview took, it is not made again
_LEAF = re.compile(r"leaves/(\w{1,16})/(\d{1,9})\.json")


class _Seen(NamedTuple):
    """What is shown, and the overview of it as it is sent."""

    version: int
    runs: Sequence[ShownRun]
    overview: bytes


class LiveRuns:
    """Runs as they are now.

    Args:
        count: returns a number that changes when there are more episodes.
        read: returns the runs.
        token_texts: the texts of tokens; where there is none their numbers are shown.
    """

    def __init__(
        self, count: Callable[[], int], read: Callable[[], Sequence[ShownRun]], token_texts: TokenTexts | None = None
    ) -> None:
        self._count, self._read, self._token_texts = count, read, token_texts
        self._lock = threading.Lock()
        self._rest_until = 0.0
        self._seen = self._look()

    def now(self) -> _Seen:
        """Return what there is, made anew where there is more."""
        with self._lock:
            if time.monotonic() >= self._rest_until and self._count() != self._seen.version:
                self._seen = self._look()
            return self._seen

    def answer(self, path: str) -> bytes | None:
        """Return what lies at a path below the page; None where nothing does."""
        seen = self.now() if path in ("state.json", "overview.json") else self._seen
        if path == "state.json":
            return _json({"version": seen.version})
        if path == "overview.json":
            return seen.overview
        found = _LEAF.fullmatch(path)
        if found and found[1] in KINDS and int(found[2]) < count_leaves(seen.runs):
            return _json(leaf(seen.runs, found[1], int(found[2]), token_texts=self._token_texts))
        if found and found[1] == "compare" and int(found[2]) < count_comparisons(seen.runs):
            return _json(comparison(seen.runs, int(found[2])))
        return None

    def _look(self) -> _Seen:
        began = time.monotonic()
        version, runs = self._count(), self._read()
        seen = _Seen(version, runs, _json({**overview(runs), "version": version}))
        self._rest_until = time.monotonic() + _REST * (time.monotonic() - began)
        return seen


def live_server(title: str, runs: LiveRuns, *, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Return a server on the loopback interface, and the address of its page.

    Args:
        title: the page's title.
        runs: what it shows.
        port: 0 takes a free one.

    Raises:
        CreditGymError: the port is taken.
    """
    token = secrets.token_urlsafe(16)
    page = served_page(title).encode()

    class Answers(BaseHTTPRequestHandler):
        """Answers GET and nothing else."""

        protocol_version = "HTTP/1.1"
        timeout = 60
        wbufsize = -1  # an answer is one packet: the body of two would wait for the head to be acknowledged
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            host = self.headers.get("Host", "").rpartition(":")[0]
            given, _, rest = path.removeprefix("/").partition("/")
            if host not in ("127.0.0.1", "localhost") or not secrets.compare_digest(given.encode(), token.encode()):
                self._send(HTTPStatus.FORBIDDEN, b"The address lacks the token.", "text/plain")
            elif rest == "":
                self._send(HTTPStatus.OK, page, "text/html; charset=utf-8")
            else:
                self._send_data(rest)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the token would be in it."""

        def _send_data(self, path: str) -> None:
            try:
                found = runs.answer(path)
            except CreditGymError as error:
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain; charset=utf-8")
                return
            if found is None:
                self._send(HTTPStatus.NOT_FOUND, b"There is nothing here.", "text/plain")
            else:
                self._send(HTTPStatus.OK, found, "application/json")

        def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                "Content-Security-Policy": f"{policy(served=True)}; frame-ancestors 'none'",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cache-Control": "no-store",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    try:
        server = _Server(("127.0.0.1", port), Answers)
    except OSError as error:
        raise CreditGymError(f"Port {port} cannot be listened on ({error.strerror}): choose another --port.") from error
    server.daemon_threads = True
    return server, f"http://127.0.0.1:{server.server_address[1]}/{token}/"


class _Server(ThreadingHTTPServer):
    """Waits for many at once, and says nothing of those that hang up."""

    request_queue_size = 128  # with 5 most of a crowd would have to ask again after a second

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _json(data: Any) -> bytes:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
