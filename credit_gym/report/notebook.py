"""What a notebook shows of an episode, of credits and of advice: one small table each, without a script.

Texts are cut and escaped, numbers are tinted: blue for credit, vermilion for blame, as in the viewer. However long what
is shown may be, what is written has a bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from credit_gym.credit.advice import Advice
from credit_gym.credit.credited import Credited
from credit_gym.data.episode import Episode
from credit_gym.report.text import for_html, one_line

MOST_ROWS = 50
MOST_SCORERS = 8
LONGEST_TEXT = 120
LONGEST_ADVICE = 400

_RIGHT = "text-align:right"
_CREDIT, _BLAME = "0,114,178", "213,94,0"  # Okabe and Ito's blue and vermilion
_STRONGEST = 0.55  # opacity of the largest credit, text on it stays readable in light and dark

Cell = tuple[str, str]
"""A cell's text and its style."""


def episode_html(episode: Episode) -> str:
    """Return an episode as a table, a row a step, its numbers tinted each by the largest of its column."""
    columns = {"reward": episode.rewards, "verifier": episode.verifier, "advantage": episode.advantages}
    numbers = {name: column for name, column in columns.items() if column is not None}
    shown = range(min(len(episode), MOST_ROWS))
    cells = [_tinted(column[: len(shown)], _largest(column)) for column in numbers.values()]
    rows = (
        [_number(t), _text(episode.observations[t]), _text(episode.actions[t]), *(column[t] for column in cells)]
        for t in shown
    )
    outcome = f"failed: {episode.error}" if episode.error is not None else "solved" if episode.success else "not solved"
    caption = (
        f"{_cut(episode.env_id)}, {_cut(episode.task_id)}: {_cut(episode.goal)} ({_cut(outcome)}, "
        f"return {episode.episode_return:.3g}, {len(episode)} steps)"
    )
    return _table(caption, ("step", "observation", "action", *numbers), rows, left_out=len(episode) - len(shown))


def credits_html(credited: Credited) -> str:
    """Return credits as a table, a row a step, a column a scorer, each tinted by the scorer's largest credit."""
    scorers = list(credited.credits)[:MOST_SCORERS]
    total = sum(map(len, credited.episodes))
    steps = list(islice(((episode, t) for episode in credited.episodes for t in range(len(episode))), MOST_ROWS))
    cells = [_tinted(credited.credits[name][: len(steps)], _largest(credited.credits[name])) for name in scorers]
    rows = (
        [_text(episode.episode_id), _number(t), _text(episode.actions[t]), *(column[place] for column in cells)]
        for place, (episode, t) in enumerate(steps)
    )
    more = f", {len(credited.credits) - len(scorers)} scorers more" if len(credited.credits) > len(scorers) else ""
    caption = f"Credits of {total} steps in {len(credited.episodes)} episodes{more}"
    return _table(caption, ("episode", "step", "action", *scorers), rows, left_out=total - len(steps))


def advice_html(advice: Advice) -> str:
    """Return advice as a table, a row for each thing to know."""
    said = advice.said()
    rows = ([_text(head), _text(text, LONGEST_ADVICE)] for head, text in said[:MOST_ROWS])
    return _table("Advice", (), rows, left_out=len(said) - MOST_ROWS)


def _tinted(values: Sequence[float] | np.ndarray[Any, Any], largest: float) -> list[Cell]:
    return [_tint(float(value), largest) for value in values]


def _tint(value: float, largest: float) -> Cell:
    if not math.isfinite(value):
        return ("–" if math.isnan(value) else f"{value:g}"), _RIGHT
    strength = _STRONGEST * abs(value) / largest if largest > 0.0 else 0.0
    return f"{value:.3g}", f"{_RIGHT};background:rgba({_CREDIT if value > 0.0 else _BLAME},{strength:.2f})"


def _largest(values: Sequence[float] | np.ndarray[Any, Any]) -> float:
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))


def _number(number: int) -> Cell:
    return str(number), _RIGHT


def _text(text: str, longest: int = LONGEST_TEXT) -> Cell:
    return _cut(text, longest), "text-align:left"


def _cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """The beginning of a text on one line; no more of it is read than can be shown."""
    read = text[: 4 * longest]
    line = one_line(read)
    return line if len(line) <= longest and len(text) == len(read) else f"{line[: longest - 1]}…"


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, left_out: int) -> str:
    row = "".join(f'<th scope="col">{for_html(_cut(head))}</th>' for head in heads)
    lines = ("".join(f'<td style="{style}">{for_html(text)}</td>' for text, style in cells) for cells in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    note = f"<tr><td colspan={max(len(heads), 2)}>… {left_out} more</td></tr>" if left_out > 0 else ""
    head = f"<thead><tr>{row}</tr></thead>" if heads else ""
    title = f'<caption style="text-align:left">{for_html(caption)}</caption>'
    return f"<table>{title}{head}<tbody>{body}{note}</tbody></table>"
