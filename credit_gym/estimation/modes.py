"""The two modes of a scorer whose published code departs from its formula."""

from __future__ import annotations

from typing import Literal, get_args

from credit_gym.errors import unknown

Mode = Literal["default", "upstream"]


def is_upstream(mode: Mode) -> bool:
    """Whether a scorer shall reproduce the published code, quirks included, rather than the corrected form.

    Raises:
        UnknownNameError: ``mode`` is neither "default" nor "upstream".
    """
    if mode not in get_args(Mode):
        raise unknown("mode", mode, get_args(Mode))
    return mode == "upstream"
