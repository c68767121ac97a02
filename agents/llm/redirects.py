"""Redirects of a model's server: followed on the server itself, refused to any other.

HTTP clients drop the ``Authorization`` of a request that is sent on to another host, and nothing else: Anthropic's
``x-api-key`` and the chat itself would go wherever an answer says.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from credit_gym.agents.llm.server import Server, ServerError


def faithful_client(server: Server, sdk: ModuleType) -> Any:
    """Return an HTTP client for an SDK's own, that follows no redirect away from the server.

    Args:
        server: whom it may talk to.
        sdk: the module ``openai`` or ``anthropic``.
    """

    async def stay(response: Any) -> None:
        if response.has_redirect_location:
            target = response.url.join(response.headers["location"])
            if _origin(target) != _origin(response.url):
                raise ServerError.of(
                    f"{server.name} redirects to {server.clean(target.host)!r:.99}, which gets neither the key nor "
                    f"the chat: if that server is meant, name its URL in the spec.",
                    status=response.status_code,
                )

    return sdk.DefaultAsyncHttpxClient(timeout=server.timeout, event_hooks={"response": [stay]})


def _origin(url: Any) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
