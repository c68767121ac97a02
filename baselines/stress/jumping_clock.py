"""The command line in a process whose clock jumps at every look, back as well: ``jumping_clock SEED ARGUMENTS``."""

from __future__ import annotations

import datetime as calendar
import random
import sys
import time
from typing import Self

_YEAR = 365 * 86_400.0


def jump(seed: int) -> None:
    """Let the time of day be another one at every look, within years of the real one."""
    draw, real = random.Random(seed), time.time

    def jumping() -> float:
        return real() + draw.uniform(-20 * _YEAR, 20 * _YEAR)

    class Jumping(calendar.datetime):
        @classmethod
        def now(cls, tz: calendar.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(jumping(), tz)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    calendar.datetime = Jumping  # type: ignore[misc]


def main() -> None:
    """Run a command so."""
    jump(int(sys.argv.pop(1)))
    from credit_gym.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
