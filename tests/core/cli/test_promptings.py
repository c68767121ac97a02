"""The promptings can be listed and shown, and what is shown can be given back."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.commands import call, good

from credit_gym.agents.llm.prompting import PROMPTINGS, load_prompting


def test_all_are_listed(folder: Path) -> None:
    out = good("promptings")
    assert all(name in out for name in PROMPTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMPTINGS)
def test_what_is_shown_is_a_file_that_says_the_same(folder: Path, name: str) -> None:
    Path("copy.yaml").write_text(good("promptings", name))
    assert load_prompting("copy.yaml") == PROMPTINGS[name]
    assert good("promptings", "copy.yaml") == good("promptings", name)


def test_the_chat_that_opens_an_episode_is_shown(folder: Path) -> None:
    out = good("promptings", "--env", "credit/WebShop-v0")
    assert "search[red running shoes]" in out
    assert out.rstrip().endswith("[SEP] Search")


def test_a_wrong_name_is_answered_with_the_nearest(folder: Path) -> None:
    assert "did you mean react?" in call("promptings", "rect").stderr
