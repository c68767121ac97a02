"""What every command of the project shares: an error is one sentence on standard error and exit code 2."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import gymnasium as gym
import typer

from credit_gym.errors import CreditGymError

_EXPECTED = (CreditGymError, gym.error.Error, OSError, ImportError)


def run(function: Callable[..., None]) -> NoReturn:
    """Run a function as a script, its parameters as options."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(function)
    one_sentence(lambda: app(standalone_mode=False))


def one_sentence(call: Callable[[], Any]) -> NoReturn:
    """Call a command and exit with its code; what went wrong is said in one sentence, without a traceback.

    What the encoding of the output has no character for is a question mark there.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = call()
    except typer.TyperException as error:
        code = _say(error.format_message())
    except _EXPECTED as error:
        code = _say(str(error))
    except typer.Abort:  # the input ended where something was asked
        code = 128 + signal.SIGINT
    sys.exit(code if isinstance(code, int) else 0)


def _say(problem: str) -> int:
    """Print what went wrong, which may quote anything, as one line; return the exit code."""
    from credit_gym.report.text import one_line

    typer.echo(f"Error: {one_line(problem)}", err=True)
    return 2
