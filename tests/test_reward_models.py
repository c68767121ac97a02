"""Reward models: parsing on hand-made tokens, cutting, and real loading of tiny random models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from credit_gym.agents.engine.transcripts import Call, Transcript, Turn
from credit_gym.agents.reward_models import (
    RUN_CAP,
    STEPS_CAP,
    Position,
    Steps,
    ThinkPRM,
    WildReward,
    action_text,
    coral,
    flat_text,
    numbered_steps,
    step_rewards,
    text_verdicts,
    token_verdicts,
)
from credit_gym.errors import BackendError
from tests.tiny_models import tiny_config, tiny_model, tiny_tokenizer

torch.set_num_threads(1)


def tokens(*pieces: str | tuple[str, float, float]) -> list[Position]:
    """Texts, and verdicts as (text, log p(correct), log p(incorrect))."""
    return [
        Position(p, ((p, -0.1),)) if isinstance(p, str) else Position(p[0], (("correct", p[1]), (" Incorrect", p[2])))
        for p in pieces
    ]


def test_verdicts_are_two_way_softmaxes_in_order_of_appearance() -> None:
    found = token_verdicts(
        tokens("Step 2 is \\", "boxed", "{", ("correct", -1.0, -1.0), "}", " \\boxed{ ", ("incorrect", -3.0, -1.0))
    )
    np.testing.assert_allclose(found, [0.5, 1 / (1 + np.exp(2.0))])


def test_a_verdict_in_text_braces_is_read_too() -> None:
    assert token_verdicts(tokens("\\boxed{\\", "text{", ("correct", 0.0, 0.0))) == [0.5]
    assert text_verdicts(r"Step 2: bad, \boxed{\text{incorrect}} and Step 1 \boxed{correct}", 2) == [1.0, 0.0]


def test_a_missing_verdict_is_twenty_nats_below_and_none_is_skipped() -> None:
    one = [*tokens("boxed{"), Position("incorrect", (("incorrect", -0.5), ("so", -2.0)))]
    np.testing.assert_allclose(token_verdicts(one), [1 / (1 + np.exp(20.0))])
    assert token_verdicts(tokens("boxed{", "maybe", "}")) == []


def test_unnumbered_verdicts_count_in_order() -> None:
    assert text_verdicts("boxed{correct} boxed{incorrect}", 3) == [1.0, 0.0]
    assert text_verdicts("no verdict", 3) == []


def long_run() -> Transcript:
    turns = [Turn("assistant" if i % 2 == 0 else "tool", f"{i:03d} " + "x" * 996) for i in range(60)]
    return Transcript("l", "l", tuple(turns), question="q")


def test_cut_steps_keep_their_verdicts_apart() -> None:
    run = long_run()
    steps = numbered_steps(run)
    assert len(steps.text) <= STEPS_CAP
    assert steps.text.startswith(f"Step {steps.shown[0] + 1}:")
    assert steps.shown[-1] == 29
    rewards = step_rewards([0.25] * len(steps.shown), steps)
    assert np.isnan(rewards[: steps.shown[0]]).all()
    assert (rewards[steps.shown[0] :] == 0.25).all()


def test_upstream_counts_verdicts_from_step_one_whatever_was_cut() -> None:
    steps = numbered_steps(long_run(), mode="upstream")
    assert len(steps.text) == STEPS_CAP
    rewards = step_rewards([0.25], steps, mode="upstream")
    assert rewards.tolist() == [0.25, *[1.0] * 29]
    assert step_rewards([], steps, mode="upstream").tolist() == [0.5] * 30


def test_short_runs_are_equal_in_both_modes() -> None:
    run = Transcript("s", "s", (Turn("user", "go"), Turn("assistant", "a"), Turn("tool", "b"), Turn("assistant", "c")))
    expected = Steps("Step 1:\na\nObservation:\nb\n\nStep 2:\nc", (0, 1), (1, 3))
    assert numbered_steps(run) == numbered_steps(run, mode="upstream") == expected


def test_texts_show_calls_and_mark_what_is_empty() -> None:
    assert action_text(Turn("assistant", " hi ", calls=(Call("f", {"x": 1}),))) == "hi\ntool_call: f({'x': 1})"
    assert action_text(Turn("assistant", " ")) == "[empty]"
    assert (
        flat_text(Transcript("a", "a", (Turn("tool", ""), Turn("assistant", ""))))
        == "[tool]: (empty)\n[assistant]: [empty]"
    )
    assert len(flat_text(long_run())) == RUN_CAP


def test_ordinal_heads_are_read_by_their_width() -> None:
    assert coral([0.0, 0.0, 0.0, 0.0]) == 3.0
    np.testing.assert_allclose(coral([50.0, 50.0, -50.0]), 3.0)
    assert coral([0.3]) == 0.3
    assert coral([0.0, 0.0, 1.0, 0.0, 0.0]) == 3.0


def test_a_tiny_classifier_grades_runs_and_reads_the_end_of_long_ones(tmp_path: Path) -> None:
    config = tiny_config(max_position_embeddings=5000)
    config.num_labels = 4
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model = WildReward(str(tmp_path))
    run = long_run()
    other = Transcript("o", "o", (*run.turns[:-1], Turn("tool", "open the door")), question="q")
    assert 1.0 <= model.score(run) <= 5.0
    assert model.score(run) != model.score(other)
    assert model.score(run, mode="upstream") == model.score(run, mode="upstream")


def test_a_tiny_critic_gives_one_value_a_message(tmp_path: Path) -> None:
    model = ThinkPRM(str(tiny_model(tmp_path)), max_new_tokens=4)
    run = Transcript("s", "s", (Turn("user", "go"), Turn("assistant", "a"), Turn("assistant", "c")))
    assert np.isnan(model.score(run)).all()  # random words hold no verdict
    np.testing.assert_array_equal(model.score(run, mode="upstream"), [np.nan, 0.5, 0.5])


def test_a_missing_reward_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be loaded"):
        WildReward(str(tmp_path))
