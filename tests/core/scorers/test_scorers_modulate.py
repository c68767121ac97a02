"""Modulated credits and iStar: vectors worked by hand, the published pseudocode, any base, and refusals at once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of, batches
from builders.commands import call, good
from builders.episodes import walk
from hypothesis import given, settings

from credit_gym import scorers
from credit_gym.baselines.protocol.sweep import check_config
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import MissingColumnError, OptionError, UnknownNameError
from credit_gym.scorers import check_options, read_options, score
from credit_gym.testing.scorer_checks import check_scorer, sample_batches

quick = settings(max_examples=30, deadline=None, derandomize=True)
LOG_4 = float(np.log(4.0))

# A group of two: solved in two steps (GRPO 1, 1), failed in one (GRPO -1). Mean entropies 0, 1, 1/2.
TOKENS = {"logprob_offsets": [0, 1, 3, 4], "policy_entropy": [0.0, 0.5, 1.5, 0.5]}
BATCH = batch_of([Run([0, 1, 2], [0, 1]), Run([0, 1], [1], success=False)], **TOKENS)
# h = 0, 1, 1/2; with k = log 4, exp(-k h) = 1, 1/4, 1/2, mean 7/12, so a = 12/7, 3/7, 6/7
ATTENTION = np.array([12 / 7, 3 / 7, 6 / 7])


def test_empg_scales_adds_the_clarity_of_what_follows_and_centres() -> None:
    """Step 0 gets 0.4 exp(-k' 1) = 0.1; the two last steps have nothing after them. The mean is 3/7 + 1/30."""
    credit = score(BATCH, "modulate", decay=LOG_4, bonus=0.4, bonus_decay=LOG_4)
    expected = np.array([12 / 7 + 0.1, 3 / 7, -6 / 7]) - (3 / 7 + 1 / 30)
    np.testing.assert_allclose(credit, expected, rtol=1e-6)


def test_aem_scales_alone() -> None:
    credit = score(BATCH, "modulate", by="aem-like", decay=LOG_4)
    np.testing.assert_allclose(credit, ATTENTION * [1, 1, -1], rtol=1e-6)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(0.3, [0, 1, 0]), (1 / 3, [0, 1, 0]), (0.5, [0, 1, -1]), (2 / 3, [0, 1, -1]), (1.0, [1, 1, -1])],
)
def test_carl_keeps_the_least_sure_states(keep: float, expected: list[float]) -> None:
    assert score(BATCH, "modulate", by="carl-like", keep=keep).tolist() == expected


def test_carl_counts_a_state_once_and_averages_its_plays() -> None:
    """Two plays at the root, H = 2 and 0, mean 1; then H = 0.9 and 1.1 in states of their own."""
    runs = [Run([0] * 3, [a, a], rewards=[0.0, r]) for a, r in ((0, 1.0), (1, 0.0))]
    columns = {"logprob_offsets": range(5), "policy_entropy": [2.0, 0.9, 0.0, 1.1], "parent": [-1, 0, -1, 1]}
    options: dict[str, Any] = {"by": "carl-like", "base": "at2po", "base_options": {"against": "parent"}, "keep": 0.5}
    assert score(batch_of(runs, **columns), "modulate", **options).tolist() == [1.0, 0.0, -1.0, 0.0]
    assert score(batch_of(runs, **columns | {"parent": None}), "modulate", by="carl-like", keep=0.5).tolist() == [
        *(1.0, 0.0, 0.0, -1.0)  # without the tree every row is a state: 2 and 1.1 are the highest
    ]


def test_surprisal_stands_for_entropy_where_there_are_only_log_probabilities() -> None:
    surprised = replace(BATCH, policy_entropy=None, policy_logprob=-BATCH.require("policy_entropy"))
    for by in ("empg", "aem-like", "carl-like"):
        found = score(surprised, "modulate", by=by, uncertainty="surprisal")
        np.testing.assert_array_equal(found, score(BATCH, "modulate", by=by))


def published_empg(batch: EpisodeBatch, advantage: np.ndarray, k: float, k_f: float, zeta: float) -> np.ndarray:
    """The pseudocode of the project page: two passes over the steps of the batch, then the mean taken off."""
    steps = [(e, i) for e in range(batch.num_episodes) for i in range(batch.offsets[e], batch.offsets[e + 1])]
    tokens = batch.require("policy_entropy").astype(np.float64)
    h = np.array([tokens[batch.logprob_offsets[i] : batch.logprob_offsets[i + 1]].mean() for _, i in steps])
    h = (h - h.min()) / (h.max() - h.min() + 1e-8)
    g = np.exp(-k * h)
    g = g / (g.mean() + 1e-8)
    found = advantage * g
    for at, (episode, i) in enumerate(steps):
        if at + 1 < len(steps) and steps[at + 1][0] == episode:
            found[i] += zeta * np.exp(-k_f * h[at + 1])
    return found - found.mean()


@pytest.mark.slow
@quick
@given(batch=batches(require={"policy_entropy"}))
def test_upstream_empg_is_the_published_pseudocode(batch: EpisodeBatch) -> None:
    if batch.num_steps == 0:
        return
    offsets = np.arange(batch.num_steps + 1) * 2
    full = replace(
        batch,
        **dict.fromkeys(("policy_logprob", "reference_logprob", "policy_kl", "policy_top_logprob")),
        logprob_offsets=offsets,
        policy_entropy=np.linspace(0.0, 3.0, offsets[-1]) ** 2 % 1.7,
    )
    advantage = score(full, "grpo", mode="upstream")
    expected = published_empg(full, advantage, 0.7, 1.3, 0.05)
    options = {"base_options": {"mode": "upstream"}, "decay": 0.7, "bonus_decay": 1.3, "bonus": 0.05}
    scale = max(1.0, float(np.abs(advantage).max()))
    np.testing.assert_allclose(score(full, "modulate", mode="upstream", **options), expected, atol=1e-9 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("base", [name for name in scorers.names() if name != "modulate"])
def test_any_scorer_is_a_base_and_equal_doubt_leaves_it_as_it_is(base: str) -> None:
    for batch in sample_batches()[1:]:
        expected = score(batch, base)
        np.testing.assert_array_equal(score(batch, "modulate", base=base, by="aem-like", decay=0.0), expected)
        np.testing.assert_array_equal(score(batch, "modulate", base=base, by="carl-like", keep=1.0), expected)


@pytest.mark.parametrize("by", ["empg", "aem-like", "carl-like"])
@pytest.mark.parametrize("uncertainty", ["entropy", "surprisal"])
def test_every_modulator_keeps_the_promises_of_a_scorer(by: str, uncertainty: str) -> None:
    spec = scorers.get("modulate")
    needs = spec.needs_with({"base": "pbrs", "by": by, "uncertainty": uncertainty})
    assert needs == {"verifier", "policy_entropy" if uncertainty == "entropy" else "policy_logprob"}
    check_scorer(replace(spec, needs=needs), base="pbrs", by=by, uncertainty=uncertainty)


def test_a_step_without_a_reading_counts_as_the_mean_of_its_group() -> None:
    gap = batch_of([Run([0] * 4, [0] * 3)], logprob_offsets=[0, 1, 2, 3], policy_entropy=[0.0, NAN, 1.0])
    mean = replace(gap, policy_entropy=np.array([0.0, 0.5, 1.0]))
    for by in ("empg", "aem-like", "carl-like"):
        options = {"by": by, "base": "outcome_only"}
        np.testing.assert_array_equal(score(gap, "modulate", **options), score(mean, "modulate", **options))


def test_options_of_the_base_are_its_own_and_read_like_any_other() -> None:
    options = {"base": "gae", "by": "aem-like", "decay": 0.0}
    expected = score(BATCH, "gae", lam=0.5)
    np.testing.assert_array_equal(score(BATCH, "modulate", base_options={"lam": 0.5}, **options), expected)
    read = read_options("modulate", {**options, "decay": "0", "base_options": '{"lam": "5e-1"}'})
    np.testing.assert_array_equal(score(BATCH, "modulate", **read), expected)
    yaml = {"scorer": "modulate", "options": {**options, "base_options": {"lam": "5e-1"}}}  # YAML takes 5e-1 for text
    config = check_config({"name": "x", "environments": ["credit/Stochastic-v0"], "scorers": [yaml]})
    np.testing.assert_array_equal(score(BATCH, "modulate", **config["scorers"][0]["options"]), expected)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"base": "grop"}, "There is no scorer called 'grop'; did you mean grpo"),
    ({"base": "gae", "base_options": {"lamb": 1.0}}, "There is no option of gae called 'lamb'; did you mean lam?"),
    ({"base": "gae", "base_options": {"lam": 2.0}}, "The option lam of gae must be a number in [0, 1], not 2."),
    ({"base": "modulate"}, "The option base of modulate must be another scorer"),
    ({"base_options": "lam=0.5"}, "must be a mapping (as text, a JSON object) or none, not 'lam=0.5'."),
    ({"base_options": "[1]"}, "must be a mapping (as text, a JSON object) or none, not '[1]'."),
    ({"by": "aem"}, "There is no by of modulate called 'aem'; did you mean empg or aem-like?"),
    ({"by": "aem-like", "mode": "upstream"}, "whose code is not published"),
    ({"keep": 0.0}, "The option keep of modulate must be a number in (0, 1], not 0."),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSALS, ids=[sentence for _, sentence in REFUSALS])
def test_what_does_not_go_together_is_refused_before_there_are_episodes(options: dict[str, Any], sentence: str) -> None:
    sweep = {"name": "x", "environments": ["credit/Stochastic-v0"]}
    for refuse in (
        lambda: build_targets([], "modulate", **options),
        lambda: read_options("modulate", options),
        lambda: check_options("modulate", options),
        lambda: check_config({**sweep, "scorers": [{"scorer": "modulate", "options": options}]}),
    ):
        with pytest.raises((OptionError, UnknownNameError)) as found:
            refuse()
        assert sentence in str(found.value)
        assert "\n" not in str(found.value)


def test_the_column_that_is_missing_is_named_whoever_needs_it() -> None:
    bare = replace(BATCH, policy_entropy=None)
    with pytest.raises(MissingColumnError, match="policy_entropy"):
        score(bare, "modulate")
    with pytest.raises(MissingColumnError, match="policy_logprob"):
        score(BATCH, "modulate", uncertainty="surprisal")
    with pytest.raises(MissingColumnError, match="verifier"):
        score(BATCH, "modulate", base="pbrs")
    with pytest.raises(MissingColumnError, match="parent"):
        score(BATCH, "modulate", base="at2po", by="carl-like")


def test_the_command_line_takes_the_base_and_its_options(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        {
            "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": f"a{i}"}],
            "reward": float(i),
            "task_id": "t",
            "policy_entropies": [[0.1 * i, 0.2]],
        }
        for i in range(2)
    ]
    (tmp_path / "chats.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run = good("import", "chats.jsonl", "--from", "chat").split()[0]
    options = ("--option", "base=gae", "--option", 'base_options={"lam": 0.5}', "--option", "by=aem-like")
    assert "modulate" in good("score", run, "--scorer", "modulate", *options)
    refused = call("score", run, "--scorer", "modulate", "--option", 'base_options={"lam": 0.5}')
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "option of grpo called 'lam'" in refused.stderr


def test_istar_adds_the_standardised_log_ratio_of_phi_and_the_sampler() -> None:
    """r = -1 + 2, (-1 - 1) + (1 + 2), -3 + 2 = 1, 1, -1: mean 1/3, deviation sqrt(8)/3, z = 1/sqrt 2 twice, -sqrt 2."""
    columns = {
        "logprob_offsets": [0, 1, 3, 4],
        "policy_logprob": [-1.0, -1.0, -1.0, -3.0],
        "reference_logprob": [-2.0, -1.0, -2.0, -2.0],
    }
    batch = batch_of([Run([0, 1, 2], [0, 1]), Run([0, 1], [1], success=False)], **columns)
    root = np.sqrt(0.5)
    np.testing.assert_allclose(score(batch, "istar"), [1 + root, 1 + root, -1 - 2 * root], rtol=1e-6)
    np.testing.assert_allclose(score(batch, "istar", weight=0.5), [1 + root / 2, 1 + root / 2, -1 - root], rtol=1e-6)
    np.testing.assert_array_equal(score(batch, "istar", weight=0.0), score(batch, "grpo"))


def test_istar_does_not_care_how_strongly_phi_was_regularised() -> None:
    """beta scales every implicit reward, and a standard score has no unit."""
    values = {
        "policy_logprobs": ((-1.0,), (-0.5, -2.0), (-3.0,)),
        "reference_logprobs": ((-2.0,), (-1.0, -1.0), (-1.5,)),
    }
    batch = EpisodeBatch.from_episodes([walk("0-0", steps=3, **values)])
    halved = replace(
        batch,
        policy_logprob=batch.require("policy_logprob") / 2,
        reference_logprob=batch.require("reference_logprob") / 2,
    )
    np.testing.assert_allclose(score(halved, "istar"), score(batch, "istar"), atol=1e-6)
