from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from builders.episodes import HOSTILE, episodes, walk
from hypothesis import given
from hypothesis import strategies as st

import credit_gym as cg
from credit_gym.credit.advice import Caution
from credit_gym.credit.credited import Credited
from credit_gym.data.episode import Episode
from credit_gym.report.notebook import MOST_ROWS, MOST_SCORERS

TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
NAMES = {"style", "scope", "colspan"}
MOST_CHARACTERS = 500_000


class Shown(HTMLParser):
    """What a notebook makes of it: elements with their attributes, and the rows of texts."""

    def __init__(self, shown: Any) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.styles: list[list[str]] = []
        text = shown._repr_html_()
        assert text == shown._repr_html_()
        assert len(text) < MOST_CHARACTERS
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("tr", "caption"):
            self.rows.append([])
            self.styles.append([])
        if tag in ("td", "th", "caption"):
            self.rows[-1].append("")
            self.styles[-1].append(dict(attrs).get("style") or "")

    def handle_data(self, data: str) -> None:
        self.rows[-1][-1] += data

    def safe(self) -> bool:
        names = {name for _, attributes in self.elements for name in attributes}
        return {tag for tag, _ in self.elements} <= TAGS and names <= NAMES


def hostile(text: str, steps: int = 3) -> Episode:
    each = (text,) * steps
    told = dict.fromkeys(("env_id", "task_id", "group_id", "episode_id", "agent_id", "goal"), text)
    return walk(steps=steps, **{**told, "observations": (*each, text), "state_keys": (*each, text), "actions": each})


@given(episodes())
def test_any_episode_is_shown_as_a_table_and_nothing_else(episode: Episode) -> None:
    shown = Shown(episode)
    assert shown.safe()
    assert len(shown.rows) == 2 + len(episode)


@pytest.mark.parametrize("text", [*HOSTILE, "\x00" * 10**6, "\U000e0001<&'\"" * 10**5])
def test_hostile_text_in_every_field_stays_short_text(text: str) -> None:
    played = hostile(text, steps=MOST_ROWS + 10)
    advice = cg.advise([walk("0"), walk("1", success=False)])
    told = replace(
        advice, scorer=text, options={text: text}, reasons=(text,) * 200, cautions=(Caution("one group", text),) * 200
    )
    scores = Credited((played,), {f"{i}{text}": np.full(len(played), np.nan) for i in range(40)})
    for shown in map(Shown, (replace(played, error=text), played, scores, told)):
        assert shown.safe()
        assert len(shown.rows) <= MOST_ROWS + 3
        assert max(len(row) for row in shown.rows) <= MOST_SCORERS + 3
        assert all(text.isprintable() for row in shown.rows for text in row)


def test_steps_are_tinted_by_sign_and_by_their_share_of_the_largest() -> None:
    episode = walk(rewards=(1.0, -0.5, 0.0), verifier=(0.0, float("nan"), 2.0))
    shown = Shown(episode)
    assert shown.rows[2:] == [
        ["0", "You are in room 0.", "go 0", "1", "0"],
        ["1", "You are in room 1.", "go 1", "-0.5", "–"],
        ["2", "You are in room 2.", "go 2", "0", "2"],
    ]
    rewards = [styles[3].rpartition("background:")[2] for styles in shown.styles[2:]]
    assert rewards == ["rgba(0,114,178,0.55)", "rgba(213,94,0,0.28)", "rgba(213,94,0,0.00)"]


def test_credits_are_the_scorers_and_each_is_tinted_by_its_own_largest() -> None:
    played = [walk("0"), walk("1", rewards=(0.0,) * 3, success=False), walk("2", error="lost")]
    credited = cg.credited(played, "grpo", "mc")
    assert [episode.episode_id for episode in credited.episodes] == ["0", "1"]
    for scorer, credits in credited.credits.items():
        assert credits.tolist() == [target.credit for target in cg.build_targets(played, scorer)]
    shown = Shown(credited)
    assert shown.rows[1] == ["episode", "step", "action", "grpo", "mc"]
    assert [row[:3] for row in shown.rows[2:]] == [[e, str(t), f"go {t}"] for e in "01" for t in range(3)]
    assert [row[3] for row in shown.rows[2:]] == [f"{credit:.3g}" for credit in credited.credits["grpo"]]
    assert "0.55" in shown.styles[2][3]


def test_the_default_scorer_is_asked_where_none_is_named() -> None:
    played = [walk("0"), walk("1", rewards=(0.0,) * 3, success=False)]
    assert list(cg.credited(played).credits) == [cg.scorers.DEFAULT]


def test_advice_is_shown_line_by_line_as_it_is_printed() -> None:
    advice = cg.advise([walk("0"), walk("1", rewards=(0.0,) * 3, success=False)])
    shown = Shown(advice)
    assert [f"{head:<11} {text}" for head, text in shown.rows[1:]] == str(advice).splitlines()


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_shown(one: float, other: float) -> None:
    played = walk(steps=2)
    assert Shown(Credited((played,), {"mc": np.array([one, other])})).safe()
