"""Where a model is served, as specs write it: ``MODEL``, or ``MODEL@URL`` for a server of one's own."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from credit_gym.errors import CreditGymError

_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,63}):/")
_HOST = re.compile(r"(\[[^\]]*\]|[\w.-]+):\d{1,5}(/|$)")
_EXAMPLE = "it looks like http://127.0.0.1:8000/v1"


class Address(NamedTuple):
    """A model on a server.

    Attributes:
        model: its name there, which may hold slashes, colons and at signs.
        url: the base URL without a slash at its end, None for the provider's own.
    """

    model: str
    url: str | None


def read_address(protocol: str, argument: str) -> Address:
    """Return where a model is served.

    A URL has a scheme, ``http`` or ``https`` in any case. Without one nothing is guessed: an at sign, or what looks
    like a host with its port, is refused, so that what was meant for another server never goes to the provider.

    Raises:
        CreditGymError: the model is missing, or the URL cannot be one; the sentence repeats nothing of the URL.
    """
    form = f"{protocol}:MODEL or {protocol}:MODEL@URL with the model's name on the server"
    found = _SCHEME.search(argument)
    if found is None:
        model, at, url = argument, "", ""
    else:
        model, at, url = argument[: found.start()][:-1], argument[: found.start()][-1:], argument[found.start() :]
    if not model or (found is not None and at != "@") or not _is_printable(argument):
        raise CreditGymError(f"Write {form}.")
    if found is None and ("@" in model or _HOST.match(model)):
        raise CreditGymError(f"Write {form}, the URL with its scheme: {_EXAMPLE}.")
    return Address(model, None if found is None else _checked(protocol, found[1], url))


def _checked(protocol: str, scheme: str, url: str) -> str:
    if scheme.lower() not in ("http", "https"):
        raise CreditGymError(f"The URL of the {protocol} server begins with http or https: {_EXAMPLE}.")
    parts = _split(url)
    if parts is None:
        raise CreditGymError(f"The URL of the {protocol} server has no host that can be reached: {_EXAMPLE}.")
    if "@" in parts.netloc or parts.query or parts.fragment or url.endswith(("?", "#")):
        raise CreditGymError(
            f"Leave names, keys and queries out of the URL of a {protocol} server: specs are written down; keys belong "
            f"in the environment."
        )
    return (scheme.lower() + url[len(scheme) :]).rstrip("/")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that has a host and a possible port."""
    try:
        parts = urlsplit(url)
        legal = "\\" not in url and "://" not in parts.path
        return parts if parts.hostname and parts.port != 0 and legal else None
    except ValueError:
        return None


def _is_printable(text: str) -> bool:
    return text.isprintable() and not any(map(str.isspace, text))
