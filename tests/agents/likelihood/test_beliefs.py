"""Beliefs: all turns in one pass are what one forward a turn gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from builders.random_models import (
    FAMILIES,
    VOCABULARY,
    language_model,
    naive_belief,
    naive_scores,
    random_model,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.likelihood import network as network_module
from credit_gym.agents.likelihood import sharing
from credit_gym.agents.likelihood.beliefs import Branch, Probe, beliefs, beliefs_and_logprobs
from credit_gym.agents.likelihood.forest import Row, TokenSequence
from credit_gym.agents.likelihood.incremental import IncrementalBelief
from credit_gym.agents.likelihood.logprobs import Limits, score_tokens
from credit_gym.errors import CreditGymError, UnknownNameError


def random_probe(seed: int, *, history: int = 40, turns: int = 4, variants: int = 2, distractors: int = 2) -> Probe:
    """A trajectory with its points, and branches that share an elicitation or not, of one or several target tokens."""
    draw = np.random.default_rng(seed)
    ids = draw.integers(0, VOCABULARY, history)
    points = [*np.sort(draw.integers(1, history + 1, turns)), history]
    elicitation = draw.integers(0, VOCABULARY, draw.integers(1, 7))
    branches = []
    for number in range(variants + distractors):
        begins = elicitation if number % 3 else draw.integers(0, VOCABULARY, 2)
        target = draw.integers(0, VOCABULARY, draw.integers(1, 5))
        tail = draw.integers(0, VOCABULARY, draw.integers(0, 3))
        branches.append(Branch(np.concatenate([begins, target, tail]), len(begins), len(begins) + len(target)))
    return Probe(tuple(ids[:point] for point in points), tuple(branches[:variants]), tuple(branches[variants:]))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 2**32), min_size=1, max_size=4),
    st.integers(1, 45),
    st.integers(0, 6),
    st.integers(1, 3),
    st.integers(0, 4),
    st.sampled_from([1, 60, 4096]),
)
def test_one_pass_equals_a_forward_for_each_point(
    seeds: list[int], history: int, turns: int, variants: int, distractors: int, batch_tokens: int
) -> None:
    probes = [
        random_probe(seed, history=history, turns=turns, variants=variants, distractors=distractors) for seed in seeds
    ]
    for probe, found in zip(
        probes, beliefs(language_model(), probes, limits=Limits(batch_tokens=batch_tokens)), strict=True
    ):
        belief, others = naive_belief(random_model(), probe)
        np.testing.assert_allclose(found.log_belief, belief, atol=1e-4, rtol=0)
        np.testing.assert_allclose(found.distractors, others, atol=1e-4, rtol=0)
        assert (found.method, found.reason) == ("tree", "")


METHODS = {
    "llama dynamic": ("naive", "dynamic rotary embedding: its frequencies depend on the length"),
    "qwen3_next": ("cache", "no tree: the model has linear_attention layers"),
    "mamba2": ("naive", "no cache: its outputs move by"),
    "bloom": ("cache", "no tree: ValueError"),
    "gpt_neo": ("naive", "no tree: the model has local layers; no cache: the model has local layers"),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_exact_by_the_way_that_it_allows(family: str) -> None:
    """Histories longer than the sliding windows, and long enough that a cache is worth copying."""
    probes = [random_probe(3, history=90, turns=3), random_probe(4, history=30, turns=2)]
    method, reason = METHODS.get(family, ("tree", ""))
    found = beliefs(language_model(family), probes)
    for probe, each in zip(probes, found, strict=True):
        belief, others = naive_belief(random_model(family), probe)
        np.testing.assert_allclose(each.log_belief, belief, atol=1e-4, rtol=0)
        np.testing.assert_allclose(each.distractors, others, atol=1e-4, rtol=0)
    assert found[0].method == method
    assert reason in found[0].reason
    assert bool(found[0].reason) == (method != "tree")


@pytest.mark.slow
@pytest.mark.parametrize(("variants", "distractors"), [(1, 0), (2, 2)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_belief_kept_during_play_equals_one_pass_at_the_end(family: str, variants: int, distractors: int) -> None:
    probe = random_probe(6, history=50, turns=4, variants=variants, distractors=distractors)
    online = IncrementalBelief(language_model(family), probe.variants, probe.distractors)
    said = [probe.contexts[0], *(b[len(a) :] for a, b in zip(probe.contexts, probe.contexts[1:], strict=False))]
    points = [online.append(ids) for ids in said]
    (whole,) = beliefs(language_model(family), [probe])
    np.testing.assert_allclose(np.concatenate([each.log_belief for each in points]), whole.log_belief, atol=1e-4)
    np.testing.assert_allclose(np.concatenate([each.distractors for each in points]), whole.distractors, atol=1e-4)


def test_a_mask_too_large_for_one_tree_is_walked_branch_by_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "MASK_PAIRS", 100)
    probe = random_probe(7)
    (found,) = beliefs(language_model("gemma3"), [probe])
    np.testing.assert_allclose(found.log_belief, naive_belief(random_model("gemma3"), probe)[0], atol=1e-4)
    assert (found.method, found.reason) == ("cache", "no tree: its mask would have more than 100 entries")


@pytest.mark.parametrize("family", ["qwen3_next", "mamba2", "gpt_neo"])
def test_the_trial_finds_what_a_configuration_does_not_tell(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were recurrent and local layers taken for attention, a small tree would still show that they are not."""
    everything = frozenset({"full_attention", "linear_attention", "global", "local"})
    monkeypatch.setattr(sharing, "_TREE_LAYERS", everything)
    monkeypatch.setattr(sharing, "_CACHE_LAYERS", everything)
    assert "no tree: " in sharing.choose_sharing(language_model(family).network).reason


def test_windows_count_positions_not_places_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the windows of its layers a sliding model is wrong by more than any belief matters."""
    lm, probe = language_model("mistral"), random_probe(3, history=90, turns=3)
    assert lm.network.sharing.method == "tree"
    monkeypatch.setattr(lm.network, "_windows", {"": None})
    (wrong,) = beliefs(lm, [probe])
    assert np.abs(wrong.log_belief - naive_belief(random_model("mistral"), probe)[0]).max() > 0.1


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_beliefs_and_logprobs_of_one_pass_equal_those_of_two(seed: int, other: int) -> None:
    probes = [random_probe(seed), random_probe(other, turns=2)]
    sequences = [TokenSequence(probe.contexts[-1], ((2, 9), (20, 33))) for probe in probes]
    fused, scores = beliefs_and_logprobs(language_model(), probes, sequences)
    for one, alone in zip(fused, beliefs(language_model(), probes), strict=True):
        np.testing.assert_allclose(one.log_belief, alone.log_belief, atol=1e-5, rtol=0)
    separate = score_tokens(language_model(), sequences)
    for column in ("logprob", "entropy", "top_k_mean", "rank"):
        np.testing.assert_allclose(getattr(scores, column), getattr(separate, column), atol=1e-5, rtol=0)


def count_tokens(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many tokens have gone through a trunk since the last call."""
    seen: list[int] = []
    states = network_module.Network.states

    def counted(self: Any, rows: list[Row], *arguments: Any, **options: Any) -> Any:
        seen.extend(row.tokens.size for row in rows)
        return states(self, rows, *arguments, **options)

    monkeypatch.setattr(network_module.Network, "states", counted)

    def taken() -> int:
        total = sum(seen)
        seen.clear()
        return total

    return taken


def test_a_belief_costs_its_branches_and_a_fused_one_nothing_but_them(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = language_model()
    lm.network.sharing  # noqa: B018 - found out before counting
    taken = count_tokens(monkeypatch)
    history, question = np.arange(40), np.array([60, 61, 62])
    variant = Branch(np.array([*question, 70, 71]), 3, 5)
    rivals = tuple(Branch(np.array([*question, rival]), 3, 4) for rival in range(80, 90))
    probe = Probe(tuple(history[:end] for end in (10, 20, 40)), (variant,), rivals)
    beliefs(lm, [probe])
    assert taken() == 40 + 3 * 4  # the last token of a target is no input, single-token rivals have no other
    beliefs_and_logprobs(lm, [probe], [TokenSequence(history, ((1, 40),))])
    assert taken() == 40 + 3 * 4
    beliefs(lm, [probe, probe, Probe((history[:10],), (variant,))])
    assert taken() == 40 + 3 * 4  # equal beliefs of a group are computed once


def test_variants_add_up_and_the_mean_is_by_token() -> None:
    probe = random_probe(8, variants=1, distractors=0)
    (branch,) = probe.variants
    (once,), (twice,) = (beliefs(language_model(), [Probe(probe.contexts, (branch,) * n)]) for n in (1, 2))
    np.testing.assert_allclose(twice.log_belief, once.log_belief + np.log(2))
    (mean,) = beliefs(language_model(), [probe], aggregate="mean")
    np.testing.assert_allclose(mean.log_belief, once.log_belief / (branch.end - branch.start))
    assert (once.distractor_log_belief == -np.inf).all()


def test_contexts_that_do_not_extend_each_other_are_as_exact() -> None:
    probe = random_probe(9)
    rewritten = Probe((probe.contexts[2], probe.contexts[2][3:], probe.contexts[0][1:]), probe.variants)
    (found,) = beliefs(language_model(), [rewritten])
    np.testing.assert_allclose(found.log_belief, naive_belief(random_model(), rewritten)[0], atol=1e-4)


def test_beliefs_follow_the_log_probabilities_of_the_target_and_nothing_else() -> None:
    """Tokens after the target are not read, and the score is the sum of its tokens' log-probabilities."""
    context, ids = np.arange(12), np.array([50, 51, 52, 53, 54])
    (found,) = beliefs(language_model(), [Probe((context,), (Branch(ids, 2, 4),))])
    expected = naive_scores(random_model(), TokenSequence(np.concatenate([context, ids]), ((14, 16),)))
    np.testing.assert_allclose(found.log_belief, expected[0].sum(), atol=1e-5)


def test_bad_probes_say_what_is_wrong() -> None:
    branch = Branch(np.array([1, 2]), 1, 2)
    with pytest.raises(CreditGymError, match="at least one variant"):
        Probe((np.arange(3),), ())
    with pytest.raises(CreditGymError, match="no tokens"):
        Probe((np.arange(3),), (Branch(np.array([1, 2]), 1, 1),))
    with pytest.raises(CreditGymError, match="follows nothing"):
        Probe((np.arange(0),), (Branch(np.array([1, 2]), 0, 1),))
    with pytest.raises(UnknownNameError, match="aggregate"):
        beliefs(language_model(), [Probe((np.arange(3),), (branch,))], aggregate="max")  # type: ignore[arg-type]
    with pytest.raises(CreditGymError, match="max_tokens"):
        beliefs(language_model(), [Probe((np.arange(3),), (branch,))], limits=Limits(max_tokens=5))
