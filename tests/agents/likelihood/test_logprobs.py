"""Log-probabilities: packed, shared, chunked and cut, they are those of one plain forward a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.random_models import (
    VOCABULARY,
    language_model,
    naive_logprobs,
    naive_scores,
    random_model,
    torch,
    transformers,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.likelihood.divergence import token_divergence
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import COLUMNS, Limits, TokenScores, score_tokens
from credit_gym.errors import BackendError, CreditGymError

SEQUENCE = TokenSequence(np.arange(9), ((1, 9),))


def table(scores: TokenScores) -> np.ndarray:
    return np.stack([getattr(scores, name) for name in COLUMNS])


@st.composite
def groups(draw: st.DrawFn) -> list[TokenSequence]:
    """Sequences that share beginnings, as the rollouts of a group do, with spans anywhere, empty ones too."""
    bits = np.random.default_rng(draw(st.integers(0, 2**32)))
    prompts = [
        bits.integers(0, VOCABULARY, size) for size in draw(st.lists(st.integers(0, 30), min_size=1, max_size=3))
    ]
    sequences = []
    for _ in range(draw(st.integers(1, 8))):
        prompt = prompts[bits.integers(len(prompts))]
        ids = np.concatenate(
            [prompt[: bits.integers(prompt.size + 1)], bits.integers(0, VOCABULARY, bits.integers(25))]
        )
        cuts = np.sort(bits.integers(0, ids.size + 1, 2 * bits.integers(4)))
        sequences.append(TokenSequence(ids, tuple(zip(cuts[::2], cuts[1::2], strict=True))))
    return sequences


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(groups(), st.sampled_from([1, 40, 4096]), st.sampled_from([1, 2000, 1 << 20]))
def test_columns_equal_those_of_a_full_forward_of_each_sequence(
    sequences: list[TokenSequence], batch_tokens: int, chunk_bytes: int
) -> None:
    limits = Limits(batch_tokens=batch_tokens, chunk_bytes=chunk_bytes)
    scores = score_tokens(language_model(), sequences, limits=limits)
    expected = np.concatenate([naive_scores(random_model(), each) for each in sequences], axis=1)
    np.testing.assert_allclose(table(scores)[:3], expected[:3], atol=1e-5, rtol=0)
    np.testing.assert_allclose(scores.rank, expected[3], atol=1)  # rounding may swap two tokens
    widths = [end - start for each in sequences for start, end in each.spans]
    np.testing.assert_array_equal(np.diff(scores.offsets), widths)


def test_equal_calls_give_equal_bits_so_that_a_policy_is_no_better_than_itself() -> None:
    draw = np.random.default_rng(0)
    sequences = [TokenSequence(draw.integers(0, VOCABULARY, size), ((3, size),)) for size in (9, 30, 17, 9)]
    policy, reference = language_model(), language_model()
    first, second = score_tokens(policy, sequences), score_tokens(reference, sequences)
    assert np.abs(first.logprob - second.logprob).max() == 0.0
    assert np.abs(token_divergence(policy, reference, sequences)).max() == 0.0


def test_divergence_is_the_expected_log_ratio_under_the_policy() -> None:
    draw = np.random.default_rng(1)
    prompt = draw.integers(0, VOCABULARY, 12)
    sequences = [
        TokenSequence(np.concatenate([prompt, draw.integers(0, VOCABULARY, size)]), ((0, 2), (12, 12 + size)))
        for size in (3, 8, 1)
    ]
    found = token_divergence(language_model(seed=0), language_model(seed=1), sequences)
    expected = []
    for each in sequences:
        policy, reference = (naive_logprobs(random_model(seed=seed), each.ids).astype(float) for seed in (0, 1))
        divergence = (np.exp(policy) * (policy - reference)).sum(-1)
        expected += [np.nan if position == 0 else divergence[position - 1] for position in each.positions]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.nanmin(found) > 0.1


def test_a_capped_sequence_keeps_its_ends_and_loses_the_middle_as_nan() -> None:
    draw = np.random.default_rng(2)
    ids = draw.integers(0, VOCABULARY, 60)
    sequence = TokenSequence(ids, ((2, 4), (20, 22), (50, 60)))
    scores = score_tokens(language_model(), [sequence], limits=Limits(max_tokens=32))
    assert np.isnan(table(scores)[:, 2:4]).all()
    kept = TokenSequence(np.concatenate([ids[:8], ids[36:]]), ((2, 4), (22, 32)))
    np.testing.assert_allclose(np.delete(table(scores), [2, 3], axis=1), naive_scores(random_model(), kept), atol=1e-5)
    # The first token after the cut follows nothing that it followed.
    cut = score_tokens(language_model(), [TokenSequence(ids, ((35, 38),))], limits=Limits(max_tokens=32))
    np.testing.assert_array_equal(np.isnan(cut.logprob), [True, True, False])


def test_nothing_to_score_is_an_empty_table() -> None:
    assert len(score_tokens(language_model(), [])) == 0
    empty = score_tokens(language_model(), [TokenSequence(np.zeros(0, dtype=int), ((0, 0),))])
    assert (len(empty), empty.logprob.size) == (1, 0)


def test_bad_requests_say_what_to_do() -> None:
    with pytest.raises(CreditGymError, match="vocabulary of 97; score tokens with a model of the family"):
        score_tokens(language_model(), [TokenSequence(np.array([1, VOCABULARY]), ((1, 2),))])
    with pytest.raises(BackendError, match="1,100 tokens and the model 1,024 positions"):
        score_tokens(language_model("gpt2"), [TokenSequence(np.ones(1101, dtype=int), ((1100, 1101),))])
    with pytest.raises(CreditGymError, match="chunk_bytes must be at least 1"):
        Limits(chunk_bytes=0)


class Odd(transformers.Qwen2ForCausalLM):
    """A model that does to its logits what no configuration tells."""

    def forward(self, *arguments: Any, **options: Any) -> Any:
        output = super().forward(*arguments, **options)
        output.logits = torch.tanh(output.logits)
        return output


def test_a_head_that_does_more_than_project_is_left_to_the_model() -> None:
    torch.manual_seed(0)
    model = Odd(random_model().config).eval()
    ids = np.arange(3, 20)
    sequences = [TokenSequence(ids, ((2, 17),)), TokenSequence(np.concatenate([ids[:9], ids[::-1]]), ((9, 20),))]
    scores = score_tokens(LanguageModel.of(model), sequences)
    expected = np.concatenate([naive_scores(model, each) for each in sequences], axis=1)
    np.testing.assert_allclose(table(scores), expected, atol=1e-5)


def test_an_adapter_is_scored_as_it_stands() -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    model = transformers.Qwen2ForCausalLM(random_model().config).eval()
    wrapped = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj", "down_proj"])).eval()
    before = score_tokens(LanguageModel.of(wrapped), [SEQUENCE]).logprob
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0.0, 0.5)
    after = score_tokens(LanguageModel.of(wrapped), [SEQUENCE]).logprob
    np.testing.assert_allclose(after, naive_scores(wrapped, SEQUENCE)[0], atol=1e-5)
    assert np.abs(after - before).max() > 0.01


def test_scoring_leaves_a_model_in_training_as_it_was() -> None:
    model = random_model("llama", 5)
    model.train()
    try:
        model.lm_head.eval()
        score_tokens(language_model("llama", 5), [SEQUENCE])
        assert model.training
        assert not model.lm_head.training
        assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    finally:
        model.eval()
