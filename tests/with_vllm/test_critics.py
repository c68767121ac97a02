"""A process reward model in vLLM: the same verdicts in this process, behind a server and in transformers."""

from __future__ import annotations

import numpy as np
import pytest
from builders.tiny_critics import BAD, GOOD, one_step

from credit_gym.agents.likelihood.reward_models import parse_reward_model

RUNS = [one_step(action, task) for task in (0, 9) for action in (GOOD, BAD)]


@pytest.fixture(scope="module")
def expected(critic):
    return parse_reward_model(f"think_prm:hf:{critic}").grade(RUNS)


def test_the_critic_tells_good_steps_from_bad_ones(expected):
    assert (np.abs(expected - [1.0, 0.0, 1.0, 0.0]) < 0.05).all()
    assert ((expected > 0.0) & (expected < 1.0)).all()  # probabilities, not words


def test_vllm_in_this_process_gives_the_verdicts_of_transformers(critic, expected):
    assert parse_reward_model(f"think_prm:vllm:{critic}").grade(RUNS) == pytest.approx(expected, abs=1e-4)


def test_a_vllm_server_gives_the_verdicts_of_transformers(critic_server, expected, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    served = parse_reward_model(f"think_prm:openai:tiny@{critic_server}")
    # The server joins the template's last newline with the opening's first one into one token.
    assert served.grade(RUNS) == pytest.approx(expected, abs=5e-3)
