"""Keys in logs do not get into what is kept, and nothing else is changed."""

from __future__ import annotations

import json
import re
import time

import pytest
from builders.episodes import episodes, walk
from hypothesis import given, settings

from credit_gym.data.episode import Episode
from credit_gym.formats.api_keys import FORMS, MARK, without_keys

KEYS = {
    "OpenAI": "sk-proj-abcDEF0123456789_abcDEF-0123456789",
    "Anthropic": "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
    "Stripe": "sk_live_abcdefghij0123456789",
    "GitHub": "ghp_" + "a1" * 18,
    "GitHub, fine": "github_pat_" + "a1" * 20,
    "GitLab": "glpat-abcdefghij0123456789",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "Google": "AIza" + "Sy3" * 11 + "ab",
    "Slack": "xoxb-1234567890-abcdef",
    "Hugging Face": "hf_" + "aB3" * 11,
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" * 4,
    "npm": "npm_" + "aB3" * 12,
    "private": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("whose", KEYS)
def test_a_key_is_taken_out_wherever_it_stands(whose: str) -> None:
    key = KEYS[whose]
    said = f"export TOKEN={key}\nand {json.dumps(f'x{chr(10)}{key}')}"
    call = {"id": "1", "name": "bash", "arguments": {"env": [key], key: 1}}
    chats = tuple(({"role": "user", "content": said},) * (step + 1) for step in range(3))
    leaky = walk("7-0", observations=(said, "", key, said), messages=chats, tool_calls=((call,), (), ()), extras=said)
    cleaned = without_keys(leaky)
    assert key.splitlines()[-1] not in repr(cleaned)
    assert cleaned.observations[2] == MARK
    assert cleaned.observations[0].startswith(f"export TOKEN={MARK}")
    assert (cleaned.messages or ())[2][1]["content"] == cleaned.observations[0]
    assert (cleaned.tool_calls or ())[0][0]["arguments"] == {"env": [MARK], MARK: 1}


def test_ids_with_keys_lose_them_and_stay_two() -> None:
    ids = [without_keys(walk(f"7-{key}")).episode_id for key in (KEYS["AWS"], KEYS["GitHub"])]
    assert ids[0] != ids[1]
    assert all(each.startswith(f"7-{MARK}-") for each in ids)


@pytest.mark.parametrize(
    "text", ["disk-partition-resizing-0123456789abc", "sk-short1", "ask-0123456789012345678901234", "sk-" + "learn" * 9]
)
def test_what_only_looks_a_little_like_a_key_stays(text: str) -> None:
    episode = walk("7-0", observations=(text,) * 4)
    assert without_keys(episode) is episode


@given(episodes())
@settings(max_examples=60, deadline=None)
def test_an_episode_without_a_key_is_itself(episode: Episode) -> None:
    assert without_keys(episode) is episode


def test_a_long_chat_costs_time_in_proportion_to_its_messages() -> None:
    messages = tuple({"role": "user", "content": f"{n}"} for n in range(4000))
    steps = len(messages)
    episode = Episode.from_steps(
        [("", "a", 0.0)] * steps, messages=tuple(messages[:step] for step in range(steps)), episode_id="e"
    )
    began = time.process_time()
    assert without_keys(episode) is episode
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("whose", FORMS)
def test_every_form_is_that_of_a_key_here(whose: str) -> None:
    assert any(re.fullmatch(FORMS[whose].pattern, key) for key in KEYS.values())
