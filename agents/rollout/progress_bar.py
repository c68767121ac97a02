"""The progress bar of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from credit_gym.data.episode import Episode


@contextmanager
def episode_progress(
    total: int, *, visible: bool | None = None, console: Console | None = None
) -> Iterator[Callable[[Episode], None]]:
    """Show how a run goes: episodes, success rate, failures, steps and tokens per second, cost, time left.

    Args:
        total: number of episodes to come.
        visible: whether to show it; None shows it only on a terminal.
        console: where; standard error by default.

    Yields:
        A function to call with each episode that ended.
    """
    console = console or Console(stderr=True)
    if not (console.is_terminal if visible is None else visible):
        yield lambda episode: None
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("episodes · {task.fields[outcome]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=total, outcome="")
        tally = _Tally()

        def advance(episode: Episode) -> None:
            tally.add(episode)
            progress.update(bar, advance=1, outcome=tally.line(progress.tasks[bar].elapsed or 0.0))

        yield advance


def token_count(episode: Episode) -> float:
    """Return how many tokens the prompts and the answers of an episode had, 0 where nobody counted them."""
    return episode.usage.get("prompt_tokens", 0.0) + episode.usage.get("completion_tokens", 0.0)


class _Tally:
    """Counts of a run so far; an episode that failed to complete is neither a success nor a failure of the agent."""

    def __init__(self) -> None:
        self.completed = self.solved = self.errors = self.steps = 0
        self.tokens = self.dollars = 0.0

    def add(self, episode: Episode) -> None:
        self.completed += episode.error is None
        self.errors += episode.error is not None
        self.solved += episode.success
        self.steps += len(episode)
        self.tokens += token_count(episode)
        self.dollars += episode.usage.get("dollars", 0.0)

    def line(self, seconds: float) -> str:
        parts = [f"success {self.solved / self.completed:.0%}"] if self.completed else []
        parts += [f"[red]{self.errors} failed[/red]"] if self.errors else []
        parts += [f"{self.steps / seconds:,.0f} steps/s"] if seconds > 0.0 else []
        parts += [f"{self.tokens / seconds:,.0f} tokens/s"] if self.tokens and seconds > 0.0 else []
        parts += [f"${self.dollars:,.2f}"] if self.dollars else []
        return " · ".join(parts)
