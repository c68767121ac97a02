"""One self-contained HTML file where a person reads episodes, each step tinted by its credit, scorers side by side.

What a model wrote is hostile. It reaches the page only as JSON inside a data block, with every character that could
end the block or begin markup escaped, and the page's script puts it into the document as text, never as HTML. The
content security policy names the hashes of the one script and the one style sheet and allows nothing else: no other
script, no event-handler attribute, no link that runs code, no request to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BatchError, StoreError
from credit_gym.report.table import Table, to_html
from credit_gym.report.text import for_html, printable

Credit = FloatArray | Sequence[Sequence[float] | None]
"""Credits of one scorer: flat, (S,) in the order of the episodes, or a row per episode (None: not scored)."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_SIGNIFICANT_DIGITS = 6
_ENDED_ITSELF = ("", "stop", "tool_calls")
_LABELLED = tuple(column for column in COLUMNS if column.shown)


def write_report(
    path: str | Path,
    *,
    title: str,
    episodes: Sequence[Episode],
    credits: Mapping[str, Credit],
    tables: Sequence[Table] = (),
    picture: bytes = b"",
) -> None:
    """Write the report of some episodes; equal arguments give equal bytes.

    Args:
        path: the HTML file.
        title: its title.
        episodes: E episodes with S steps together.
        credits: scorer -> its credits; the scorers are shown in this order.
        tables: tables to show before the episodes.
        picture: a PNG to show before the tables.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    path = Path(path)
    rows = {scorer: _per_episode(scorer, credit, episodes) for scorer, credit in credits.items()}
    data = {
        "scorers": [printable(scorer) for scorer in rows],
        "episodes": [_episode(episode, [row[e] for row in rows.values()]) for e, episode in enumerate(episodes)],
    }
    style, script = _asset("page.css"), _asset("page.js")
    values = {
        "title": for_html(title),
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"{'img-src data:; ' if picture else ''}base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "tables": "\n".join([*_images(picture), *map(to_html, tables)]),
        "data": _data_block(data),
    }
    # one pass over the template: what is filled in is never itself looked at for placeholders
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], _asset("page.html"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): choose another path.") from error


def _images(picture: bytes) -> list[str]:
    return [f'<img alt="" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'] if picture else []


def _per_episode(scorer: str, credit: Credit, episodes: Sequence[Episode]) -> Sequence[Sequence[float] | None]:
    """Return the credits of a scorer as one row per episode."""
    lengths = [len(episode) for episode in episodes]
    if isinstance(credit, np.ndarray):
        if credit.shape != (sum(lengths),):
            raise BatchError(f"The credits of {scorer!r} have shape {credit.shape}; there are {sum(lengths)} steps.")
        return [part.tolist() for part in np.split(credit, np.cumsum(lengths)[:-1])] if lengths else []
    if len(credit) != len(lengths) or any(
        row is not None and len(row) != n for row, n in zip(credit, lengths, strict=True)
    ):
        raise BatchError(f"The credits of {scorer!r} must be one row per episode and one number per step.")
    return credit


def _episode(episode: Episode, credits: Sequence[Sequence[float] | None]) -> dict[str, Any]:
    return {
        "id": printable(episode.episode_id),
        "environment": printable(episode.env_id),
        "task": printable(episode.task_id),
        "group": printable(episode.group_id),
        "agent": printable(episode.agent_id),
        "goal": printable(episode.goal),
        "success": bool(episode.success),
        "truncated": bool(episode.truncated),
        "error": None if episode.error is None else printable(episode.error),
        "return": _number(episode.episode_return),
        "steps": [_step(episode, t) for t in range(len(episode))],
        "final": printable(episode.observations[-1]),
        "credits": [None if row is None else [_number(value) for value in row] for row in credits],
    }


def _step(episode: Episode, t: int) -> dict[str, Any]:
    """Return what is shown of a step; whatever was not recorded is left out."""
    shown: dict[str, Any] = {
        "observation": printable(episode.observations[t]),
        "action": printable(episode.actions[t]),
        "reward": _number(episode.rewards[t]),
    }
    if episode.verifier is not None:
        shown["verifier"] = _number(episode.verifier[t])
    if episode.advantages is not None:
        shown["advantage"] = _number(episode.advantages[t])
    if episode.log_belief is not None:
        shown["belief"] = _number(math.exp(min(episode.log_belief[t + 1], 0.0)))
    if episode.roles is not None:
        shown["role"] = printable(episode.roles[t])
    if episode.invalid is not None and episode.invalid[t]:
        shown["invalid"] = True
    if episode.admissible_actions is not None:
        shown["admissible"] = [printable(action) for action in episode.admissible_actions[t]]
    if episode.thoughts is not None and episode.thoughts[t]:
        shown["thought"] = printable(episode.thoughts[t])
    if episode.replies is not None and episode.replies[t] not in ("", episode.actions[t]):
        shown["reply"] = printable(episode.replies[t])
    if episode.finish_reasons is not None and episode.finish_reasons[t] not in _ENDED_ITSELF:
        shown["finish"] = printable(episode.finish_reasons[t])
    if episode.tool_calls is not None and episode.tool_calls[t]:
        shown["calls"] = [_call(call) for call in episode.tool_calls[t]]
    more = [[column.shown, printable(str(value))] for column, value in _labelled(episode, t)]
    if more:
        shown["more"] = more
    if episode.expert_actions is not None:
        shown["expert"] = [printable(action) for action in episode.expert_actions[t]]
    return shown


def _call(call: Mapping[str, Any]) -> str:
    arguments = json.dumps(call.get("arguments", {}), ensure_ascii=False, sort_keys=True, default=str)
    return printable(f"{call.get('name', '')}({arguments})")


def _labelled(episode: Episode, t: int) -> Iterator[tuple[Column, Any]]:
    """The columns that have no place of their own on the page, where they say something of a step."""
    for column in _LABELLED:
        row = getattr(episode, column.name)
        if row is not None and row[t] != column.missing and row[t] == row[t]:  # neither a gap nor NaN
            yield column, f"{row[t]:.4g}" if column.type == "number" else row[t]


def _number(value: float) -> float | None:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None


def _data_block(data: Any) -> str:
    r"""Return JSON that is safe inside a script element: ASCII, and no ``<``, ``>`` or ``&``."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda match: _ESCAPES[match[0]], text)


def _asset(name: str) -> str:
    return (resources.files("credit_gym.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
