"""From chats and records to tokens: what was sampled stays as it was, and the target is where it was put."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from builders.random_models import naive_scores
from builders.tiny_models import tiny_model, tiny_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.likelihood.beliefs import beliefs, beliefs_and_logprobs
from credit_gym.agents.likelihood.divergence import token_divergence
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel, release
from credit_gym.agents.likelihood.recorded import (
    episode_sequences,
    score_episodes,
    with_policy_scores,
    with_reference_scores,
)
from credit_gym.agents.likelihood.rendering import chat_sequences, elicit, probe_chat
from credit_gym.agents.llm.chat_tokens import ChatTokens
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, MissingColumnError

TOKENIZER = tiny_tokenizer()
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "You are playing. Is it 'apple'? user assistant"},
    {"role": "user", "content": "Ask your question:"},
    {"role": "assistant", "content": "Is it a fruit?"},
    {"role": "user", "content": "yes"},
    {"role": "assistant", "content": "Is it an apple?"},
    {"role": "user", "content": "no"},
]


ELICITATIONS = ["Is it '{target}'?", "{target}", "I say {target}", "{}{target}%", "<|im_end|>{target}"]


@given(st.text(st.characters(max_codepoint=126), min_size=1, max_size=12), st.sampled_from(ELICITATIONS))
def test_the_scored_tokens_are_the_fewest_that_cover_the_target(target: str, elicitation: str) -> None:
    branch = elicit(TOKENIZER, target, elicitation)
    before = elicitation.index("{target}")
    first, last = before, before + len(target)
    length = [len(TOKENIZER.decode(branch.ids[:end])) for end in range(branch.ids.size + 1)]
    assert TOKENIZER.decode(branch.ids) == elicitation.replace("{target}", target)
    assert length[branch.start] <= first < length[branch.start + 1]
    assert length[branch.end - 1] < last <= length[branch.end]


@pytest.mark.parametrize("target", ["é", "東京", "\U0001f469\u200d\U0001f467", "Zürich"])
def test_a_character_of_many_tokens_is_scored_whole(target: str) -> None:
    branch = elicit(TOKENIZER, target)
    assert TOKENIZER.decode(branch.ids[branch.start : branch.end]) == target


def test_a_target_that_stands_elsewhere_too_is_scored_where_it_was_asked_for() -> None:
    branch = elicit(TOKENIZER, "it", "Is it 'it' or it, {target}?")
    assert TOKENIZER.decode(branch.ids[: branch.start]) == "Is it 'it' or it,"
    assert TOKENIZER.decode(branch.ids[branch.start : branch.end]).strip() == "it"
    role = elicit(TOKENIZER, "assistant")
    assert TOKENIZER.decode(role.ids[role.start : role.end]) == "assistant"


@pytest.mark.parametrize(
    ("target", "elicitation"), [("", "Is it {target}?"), ("x", "Is it x?"), ("x", "{target}{target}")]
)
def test_an_elicitation_names_the_target_once(target: str, elicitation: str) -> None:
    with pytest.raises(CreditGymError, match="once"):
        elicit(TOKENIZER, target, elicitation)


def test_the_points_of_a_chat_are_what_is_known_before_each_turn_and_at_the_end() -> None:
    probe = probe_chat(ChatTokens(TOKENIZER), TOKENIZER, MESSAGES, ["apple", "an apple"], ["banana"])
    assert len(probe.contexts) == 3
    opened = "<|im_start|>assistant\n"
    for context, known in zip(probe.contexts, (2, 4, 6), strict=True):
        rendered = TOKENIZER.apply_chat_template(MESSAGES[:known], tokenize=False, add_generation_prompt=True)
        assert TOKENIZER.decode(context) == rendered
        assert rendered.endswith(opened)
    for earlier, later in zip(probe.contexts, probe.contexts[1:], strict=False):
        np.testing.assert_array_equal(later[: earlier.size], earlier)
    assert (len(probe.variants), len(probe.distractors)) == (2, 1)


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    yield LanguageModel(tiny_model(tmp_path_factory.mktemp("model")), device="cpu")
    release()


@pytest.mark.slow
def test_a_chat_is_scored_answer_by_answer_with_its_beliefs_in_the_same_pass(lm: LanguageModel) -> None:
    chat = ChatTokens(lm.tokenizer)
    probe = probe_chat(chat, lm.tokenizer, MESSAGES, ["apple"])
    sequences = chat_sequences(chat, MESSAGES, end_of_turn=True)
    (belief,), scores = beliefs_and_logprobs(lm, [probe], sequences)
    assert belief.log_belief.shape == (3,)
    spelt = [lm.tokenizer.decode(each.ids[slice(*each.spans[0])]) for each in sequences]
    assert spelt == ["Is it a fruit?<|im_end|>", "Is it an apple?<|im_end|>"]
    expected = np.concatenate([naive_scores(lm.network._model, each) for each in sequences], axis=1)
    np.testing.assert_allclose(scores.logprob, expected[0], atol=1e-5)
    (alone,) = beliefs(lm, [probe])
    np.testing.assert_allclose(belief.log_belief, alone.log_belief, atol=1e-5)


def test_a_message_that_calls_tools_is_scored_as_its_calls_and_never_as_nothing() -> None:
    chat = ChatTokens(TOKENIZER)
    call = {"id": "1", "type": "function", "function": {"name": "go", "arguments": '{"to": "hall"}'}}
    for content, before in ((None, ""), ("", ""), ("I go.", "I go.\n")):
        messages = [MESSAGES[1], {"role": "assistant", "content": content, "tool_calls": [call]}]
        (sequence,) = chat_sequences(chat, messages)
        ((start, end),) = sequence.spans
        assert TOKENIZER.decode(sequence.ids[start:end]) == before + '{"name": "go", "arguments": {"to": "hall"}}'


def recorded(prompts: list[tuple[int, ...]] | None, actions: list[tuple[int, ...]] | None, name: str = "e") -> Episode:
    steps = 2
    return Episode(
        env_id="x", task_id="t", group_id="g", episode_id=name,
        observations=("o",) * (steps + 1), state_keys=("s",) * (steps + 1), actions=("a",) * steps,
        rewards=(0.0,) * steps, success=False, terminated=True, truncated=False,
        prompt_token_ids=None if prompts is None else tuple(prompts),
        token_ids=None if actions is None else tuple(actions),
    )  # fmt: skip


def test_a_record_is_scored_on_its_very_tokens_even_where_no_tokeniser_would_make_them(lm: LanguageModel) -> None:
    split = tuple(lm.tokenizer.convert_tokens_to_ids([*"yes"]))  # three letters, where the tokeniser has fewer tokens
    assert len(lm.tokenizer.encode("yes")) < 3
    first = recorded([(5, 6, 7), (5, 6, 7, *split, 9)], [split, (11,)], "first")
    second = recorded([(5, 6), (8, 9)], [(), (12, 13)], "second")  # a step without tokens; a prompt that was rewritten
    scores = score_episodes(lm, [first, second])
    np.testing.assert_array_equal(np.diff(scores.offsets), [3, 1, 0, 2])
    exact = TokenSequence(np.array([5, 6, 7, *split, 9, 11]), ((3, 6), (7, 8)))
    rewritten = TokenSequence(np.array([8, 9, 12, 13]), ((2, 4),))
    expected = np.concatenate([naive_scores(lm.network._model, each)[0] for each in (exact, rewritten)])
    np.testing.assert_allclose(scores.logprob, expected, atol=1e-5)

    filled = with_reference_scores(lm, with_policy_scores(lm, [first, second]), policy=lm)
    batch = EpisodeBatch.from_episodes(filled)
    for column in ("policy_logprob", "policy_entropy", "policy_top_logprob", "reference_logprob", "policy_kl"):
        assert getattr(batch, column).shape == (6,)
    np.testing.assert_array_equal(batch.policy_logprob, scores.logprob)
    np.testing.assert_array_equal(batch.policy_entropy, scores.entropy)
    assert batch.policy_logprob is not None and batch.reference_logprob is not None  # noqa: PT018
    assert (batch.policy_logprob - batch.reference_logprob == 0.0).all()
    assert (batch.policy_kl == 0.0).all()


def test_a_record_without_tokens_is_not_guessed_at() -> None:
    with pytest.raises(MissingColumnError, match="has no token ids"):
        episode_sequences(recorded(None, None))


@pytest.mark.slow
def test_divergence_needs_one_vocabulary(lm: LanguageModel, tmp_path: Any) -> None:
    other = LanguageModel(tiny_model(tmp_path, vocab=600), device="cpu")
    with pytest.raises(CreditGymError, match="512 tokens and the reference 600"):
        token_divergence(lm, other, [TokenSequence(np.arange(4), ((1, 4),))])
