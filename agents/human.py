"""A person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from credit_gym.agents.core import Context
from credit_gym.report import printable


class HumanAgent:
    """Shows each context on a terminal and reads the action: its number in the list, or any text.

    What the environment says is shown as plain text: markup is not interpreted and control characters are spelled out,
    so that it cannot drive the terminal.

    Args:
        console: where to show and read; the terminal by default.
    """

    name = "human"

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context.

        Raises:
            KeyboardInterrupt: the person left (end of input).
        """
        return [self._ask(context) for context in contexts]

    def _ask(self, context: Context) -> str:
        show = self._console.print
        if context.step == 0:
            show(Text(printable(context.goal), style="bold"))
        show(Text(f"\n{printable(context.observation)}\n"))
        for number, action in enumerate(context.admissible_actions, 1):
            show(Text.assemble((f"{number:>3}  ", "dim"), printable(action)))
        try:
            answer = self._console.input(Text("> ", style="bold cyan")).strip()
        except EOFError:
            raise KeyboardInterrupt from None
        if answer.isdecimal() and 1 <= int(answer) <= len(context.admissible_actions):
            return context.admissible_actions[int(answer) - 1]
        return answer
