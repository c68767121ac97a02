"""Reward models: parsing on hand-made tokens, cutting, and real loading of tiny random models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.model_servers import Reply, Seen, chat_completion, error_body, serving
from builders.tiny_critics import wild_reward
from builders.tiny_models import tiny_model

from credit_gym.agents.likelihood.critic_text import action_text
from credit_gym.agents.likelihood.reward_models import parse_reward_model
from credit_gym.agents.likelihood.think_prm import (
    STEPS_CAP,
    Steps,
    ThinkPRM,
    numbered_steps,
    step_rewards,
    text_verdicts,
    token_verdicts,
)
from credit_gym.agents.likelihood.transcripts import Call, Transcript, Turn
from credit_gym.agents.likelihood.wild_reward import RUN_CAP, WildReward, coral, flat_text
from credit_gym.agents.llm.completion import BatchBackend, Completion, Position, Request
from credit_gym.errors import BackendError, CreditGymError, UnknownNameError

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


@pytest.mark.parametrize("text", ["Step " + "1" * 200_000, "Step 1 \\boxed{" + " " * 200_000, "Step 1 " * 50_000])
def test_a_hostile_critique_takes_no_longer_than_its_length(text: str) -> None:
    assert text_verdicts(text, 3) == []  # within the square of its length this would not end today


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


@pytest.mark.slow
def test_a_tiny_classifier_grades_runs_and_reads_the_end_of_long_ones(tmp_path: Path) -> None:
    model = WildReward(wild_reward(tmp_path))
    run = long_run()
    other = Transcript("o", "o", (*run.turns[:-1], Turn("tool", "y" * 1000)), question="q")
    grades = model.grade([run, other])
    assert ((grades >= 1.0) & (grades <= 5.0)).all()
    assert grades[0] != grades[1]
    cut = model.grade([run, other], mode="upstream")
    assert cut[0] == cut[1]  # which reads the beginning only


def test_a_language_model_is_not_taken_for_a_reward_model(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no trained head"):
        WildReward(str(tiny_model(tmp_path)))


def test_a_missing_reward_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be loaded"):
        WildReward(str(tmp_path))
    with pytest.raises(UnknownNameError, match="wild_reward"):
        parse_reward_model("wild_rewards:x")
    with pytest.raises(CreditGymError, match="think_prm:hf:FOLDER"):
        parse_reward_model("think_prm")


# ThinkPRM over any language model

TWO_STEPS = Transcript(
    "s", "s", (Turn("user", "go"), Turn("assistant", "a"), Turn("tool", "b"), Turn("assistant", "c"))
)
CRITIQUE = ("Step 1 is \\", "boxed{", "correct", "}. ", "Step 2 is \\", "boxed{", "incorrect", "}.")
AT_VERDICTS = {2: {"correct": -0.1, "incorrect": -2.1}, 6: {"incorrect": -0.5, "correct": -1.5, "so": -9.0}}
EXPECTED = [np.nan, 1 / (1 + np.exp(-2.0)), np.nan, 1 / (1 + np.exp(1.0))]


class Critic:
    """A model in this process that says the same of everything."""

    name = "hf:critic"

    def __init__(self, *, alternatives: bool = True) -> None:
        self.asked: list[Request] = []
        self.alternatives = alternatives

    def complete(self, requests: Sequence[Request], /) -> list[Completion]:
        self.asked += requests
        places = tuple(
            Position(text, tuple(AT_VERDICTS.get(i, {text: -0.1}).items())) for i, text in enumerate(CRITIQUE)
        )
        return [Completion(text="".join(CRITIQUE), positions=places if self.alternatives else ()) for _ in requests]


def test_one_call_asks_for_all_runs_greedily_with_alternatives() -> None:
    critic = Critic()
    found = ThinkPRM(critic).score([TWO_STEPS, TWO_STEPS])
    assert isinstance(critic, BatchBackend)
    np.testing.assert_allclose(found, [EXPECTED, EXPECTED])
    assert [(r.temperature, r.top_logprobs, r.opening) for r in critic.asked] == [
        (0.0, 20, "\nLet's verify step by step:")
    ] * 2
    assert "Step 2:\nc" in critic.asked[0].messages[0]["content"]


def test_a_run_that_cannot_be_judged_costs_no_other_its_verdicts() -> None:
    class ShortSighted(Critic):
        def complete(self, requests: Sequence[Request], /) -> list[Completion]:
            if any("too long" in str(request.messages[0]["content"]) for request in requests):
                raise BackendError("The chat is longer than the model.")
            return super().complete(requests)

    long = Transcript("l", "l", (Turn("user", "go"), Turn("assistant", "too long")))
    grades = ThinkPRM(ShortSighted()).grade([TWO_STEPS, long, TWO_STEPS])
    np.testing.assert_allclose(grades, [np.nanmean(EXPECTED), np.nan, np.nanmean(EXPECTED)])
    with pytest.raises(BackendError, match="longer than the model"):
        ThinkPRM(ShortSighted()).grade([long])


def test_a_grade_is_the_mean_over_the_steps_with_a_verdict() -> None:
    three = Transcript("t", "t", (*TWO_STEPS.turns, Turn("assistant", "d")))
    for mode in ("default", "upstream"):
        grades = ThinkPRM(Critic()).grade([TWO_STEPS, three], mode=mode)
        np.testing.assert_allclose(grades, [np.nanmean(EXPECTED)] * 2)
    assert ThinkPRM(Critic()).grade([]).size == 0


def test_without_alternatives_a_verdict_is_what_the_text_says() -> None:
    np.testing.assert_array_equal(ThinkPRM(Critic(alternatives=False)).score([TWO_STEPS]), [[np.nan, 1.0, np.nan, 0.0]])


def critic_server(*, vllm: bool = False, refuses: str = "", delay: float = 0.0) -> Callable[[Seen], Reply]:
    """A server whose model gives the critique, alternatives in no order, as its protocol wants them."""

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return Reply({"object": "list", "data": [{"id": "m", "owned_by": "vllm" if vllm else "somebody"}]})
        if refuses and refuses in seen.body:
            return Reply(error_body(f"This model does not support {refuses}."), 400)
        body = chat_completion("".join(CRITIQUE))
        content = []
        for index, text in enumerate(CRITIQUE):
            places = AT_VERDICTS.get(index, {text: -0.1}) if "top_logprobs" in seen.body else {}
            ranked = sorted(places.items(), key=lambda each: each[1])
            top = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in ranked]
            content.append({"token": text, "logprob": -0.1, "bytes": None, "top_logprobs": top})
        body["choices"][0]["logprobs"] = {"content": content} if seen.body.get("logprobs") else None
        return Reply(body, delay=delay)

    return answer


def test_a_critic_behind_an_openai_server_gives_the_same_probabilities() -> None:
    with serving(critic_server(delay=0.05)) as server:
        found = ThinkPRM(f"openai:m@{server.root}/v1").score([TWO_STEPS] * 3)
    np.testing.assert_allclose(found, [EXPECTED] * 3)
    assert server.most_in_flight > 1
    body = server.posts()[0].body
    assert (body["logprobs"], body["top_logprobs"], body["temperature"]) == (True, 20, 0.0)
    assert [message["role"] for message in body["messages"]] == ["user"]  # nobody but vLLM continues an answer


def test_a_vllm_server_is_told_how_the_critique_begins() -> None:
    with serving(critic_server(vllm=True)) as server:
        (found,) = ThinkPRM(f"openai:m@{server.root}/v1").score([TWO_STEPS])
    np.testing.assert_allclose(found, EXPECTED)
    body = server.posts()[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "\nLet's verify step by step:"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


@pytest.mark.parametrize("refuses", ["top_logprobs", "logprobs"])
def test_a_server_that_refuses_alternatives_is_read_by_its_words(refuses: str) -> None:
    with serving(critic_server(refuses=refuses)) as server:
        (found,) = ThinkPRM(f"openai:m@{server.root}/v1").score([TWO_STEPS])
    asked = [{"logprobs", "top_logprobs"} & set(post.body) for post in server.posts()]
    assert asked == [{"logprobs", "top_logprobs"}, {"logprobs"} if refuses == "top_logprobs" else set()]
    np.testing.assert_array_equal(found, [np.nan, 1.0, np.nan, 0.0])


def test_a_tiny_critic_gives_one_value_a_message(tmp_path: Path) -> None:
    model = ThinkPRM(f"hf:{tiny_model(tmp_path)}", max_new_tokens=4)
    run = Transcript("s", "s", (Turn("user", "go"), Turn("assistant", "a"), Turn("assistant", "c")))
    assert np.isnan(model.score([run])).all()  # random words hold no verdict
    np.testing.assert_array_equal(model.score([run], mode="upstream"), [[np.nan, 0.5, 0.5]])
    assert np.isnan(model.grade([run])).all()
