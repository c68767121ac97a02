"""Transcripts as token sequences, and every upstream score against a straightforward full-logit implementation."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.episodes import walk
from builders.tiny_models import tiny_model
from transformers import AutoModelForCausalLM

from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import score_tokens
from credit_gym.agents.likelihood.message_scores import MessageScores, message_scores
from credit_gym.agents.likelihood.passes import Limits
from credit_gym.agents.likelihood.transcript_tokens import sequences
from credit_gym.agents.likelihood.transcripts import (
    GREETING,
    Call,
    Transcript,
    Turn,
    from_episode,
    from_log,
    read_simulations,
    read_trials,
)
from credit_gym.envs.who_and_when.logs import ALGORITHM_GENERATED, HAND_CRAFTED, FailureLog, Message
from credit_gym.errors import CreditGymError, ManifestError, UnknownNameError

torch.set_num_threads(1)

TALK = Transcript(
    "a",
    "a",
    (
        Turn("assistant", GREETING),
        Turn("user", " take the lamp "),
        Turn("assistant", "", calls=(Call("open", {"door": True, "key": None}),)),
        Turn("tool", "you see a room"),
        Turn("assistant", ""),
        Turn("assistant", " go north "),
    ),
    question="Your goal: reach the end.",
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LanguageModel, LanguageModel]:
    folder = tmp_path_factory.mktemp("pair")
    return tuple(LanguageModel(tiny_model(folder / str(seed), seed=seed), device="cpu") for seed in (1, 2))  # type: ignore[return-value]


@lru_cache
def load(path: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(path).eval()


def full_logits(lm: LanguageModel, ids: list[int], spans: list[tuple[int, int]], k: int) -> list[tuple[Any, Any]]:
    """Log-probabilities and top-k means per span, from all logits of the sequence at once."""
    with torch.no_grad():
        rows = load(lm.path)(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    gathered = rows[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].double().numpy()
    top = rows.topk(k).values.mean(-1)[:-1].double().numpy()
    empty = np.zeros(0)
    return [
        (gathered[max(s, 1) - 1 : e - 1], top[max(s, 1) - 1 : e - 1]) if e > max(s, 1) else (empty, empty)
        for s, e in spans
    ]


G = {
    "mean": np.mean,
    "sum": np.sum,
    "last": lambda v: v[-1],
    "min": np.min,
    "max": np.max,
}


@pytest.mark.slow
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("cap", [None, 40, 12])
@pytest.mark.parametrize("tokens", list(G))
def test_upstream_scores_equal_full_logits(pair: Any, bos: bool, cap: int | None, tokens: str) -> None:
    policy, reference = pair
    for lm in pair:
        lm.tokenizer.bos_token = "<|im_start|>" if bos else None
    texts = [
        f"[assistant]: {GREETING}",
        "\n[user]:  take the lamp ",
        "\n[assistant]: tool_call(open, {'door': True, 'key': None})",
        "\n[tool]: you see a room",
        "\n[assistant]: [assistant action]",
        "\n[assistant]: go north",
    ]
    ids: list[int] = [policy.tokenizer.bos_token_id] if bos else []
    spans = []
    for text in texts:
        start = len(ids)
        ids += policy.tokenizer.encode(text, add_special_tokens=False)
        spans.append((start, len(ids)) if "[assistant]" in text else (0, 0))
    lost = max(0, len(ids) - cap) if cap else 0
    ids, spans = ids[lost:], [(max(s - lost, 0), max(e - lost, 0)) for s, e in spans]

    rendered = sequences(TALK, policy.tokenizer, form="upstream", cap=cap)
    assert rendered[0].ids.tolist() == ids
    action = np.array(TALK.actions("upstream"))
    scores = MessageScores(*(score_tokens(lm, rendered, limits=Limits(top_k=20)) for lm in pair), action)
    p = full_logits(policy, ids, spans, 20)
    r = full_logits(reference, ids, spans, 20)
    g = lambda v: G[tokens](v) if v.size else 0.0  # noqa: E731 - the formula as it is published
    expected = {
        "progress_advantage": [g(a[0]) - g(b[0]) for a, b in zip(p, r, strict=True)],
        "policy_logprob": [g(a[0]) for a in p],
        "reference_logprob": [g(b[0]) for b in r],
        "self_certainty": [g(a[1]) if a[1].size else np.nan for a in p],
    }
    for method, values in expected.items():
        found = message_scores(method, scores, tokens=tokens, upstream=True)
        wanted = np.where(action, values, np.nan)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * (len(ids) if tokens == "sum" else 3))


def test_without_a_first_token_the_first_action_loses_one_and_with_it_none(pair: Any) -> None:
    tokenizer = pair[0].tokenizer
    tokenizer.bos_token = None
    without = sequences(TALK, tokenizer, form="upstream")[0].spans[0]
    tokenizer.bos_token = "<|im_start|>"
    with_first = sequences(TALK, tokenizer, form="upstream")[0].spans[0]
    tokenizer.bos_token = None
    assert without == (1, with_first[1] - 1)
    assert with_first[0] == 1


def spelled(tokenizer: Any, transcript: Transcript, form: str) -> list[str]:
    return [
        tokenizer.decode(each.ids[start:end])
        for each in sequences(transcript, tokenizer, form=form)
        for start, end in each.spans
    ]


@pytest.mark.parametrize("form", ["plain", "chat"])
def test_only_what_the_agent_said_is_scored(pair: Any, form: str) -> None:
    call = json.dumps({"name": "open", "arguments": {"door": True, "key": None}})
    assert spelled(pair[0].tokenizer, TALK, form) == ["", "", call, "", "", "go north"]


@pytest.mark.slow
def test_a_model_against_itself_has_no_advantage_and_lost_steps_are_missing(pair: Any) -> None:
    long = Transcript("l", "l", tuple(Turn("assistant", f"go north {i} and look around") for i in range(30)))
    rendered = sequences(long, pair[0].tokenizer)
    scores = score_tokens(pair[0], rendered, limits=Limits(max_tokens=100))
    found = message_scores("progress_advantage", MessageScores(scores, scores, np.array(long.actions())))
    assert np.isnan(found).any()
    assert (found[~np.isnan(found)] == 0.0).all()
    assert not np.isnan(found[-1])


def test_teams_are_scored_by_who_speaks_and_the_code_runner_is_no_agent(pair: Any) -> None:
    said = (Message("Expert", "open the door"), Message("Computer_terminal", "0", "user"), Message("Expert", ""))
    log = FailureLog("1", ALGORITHM_GENERATED, "What is it?", "1", said, "Expert", 0)
    assert spelled(pair[0].tokenizer, from_log(log), "plain") == ["open the door", "", ""]
    assert from_log(log).actions("upstream") == (True, True, False)
    text = pair[0].tokenizer.decode(sequences(from_log(log), pair[0].tokenizer)[0].ids)
    assert text.startswith("[task]: What is it?\n[Expert]: open the door\n[Computer_terminal]: 0")
    asked = (Message("human", "What is it?", "human"), Message("WebSurfer", "no", "WebSurfer"))
    hand = from_log(FailureLog("2", HAND_CRAFTED, "What is it?", "1", asked, "WebSurfer", 1))
    assert hand.actions("upstream") == hand.actions() == (False, True)


def write(path: Path, reward_info: Any) -> Path:
    calls = [{"function": {"name": "f", "arguments": "{}"}}]
    messages = [{"role": "user", "content": "go"}, {"role": "assistant", "content": None, "tool_calls": calls}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"simulations": [{"id": "s", "task_id": 7, "messages": messages, "reward_info": reward_info}]})
    )
    return path


def test_results_files_are_read_ungraded_ones_too(tmp_path: Path) -> None:
    (found,) = read_simulations(write(tmp_path / "a.json", None))
    assert found.reward is None
    assert found.task_id == "7"
    assert found.turns[1].calls == (Call("f", "{}"),)
    for trial in (1, 0, 10):
        write(tmp_path / f"trial_{trial}" / "webshop.json", {"reward": 0.5})
    assert [(each.trial, each.reward) for each in read_trials(tmp_path)] == [(0, 0.5), (1, 0.5), (10, 0.5)]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"simulations": [1]}', '{"simulations": [{"messages": [3]}]}'])
def test_damaged_files_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ManifestError, match=r"bad\.json is not a results file"):
        read_simulations(tmp_path / "bad.json")
    with pytest.raises(ManifestError, match="holds no trial_0"):
        read_trials(tmp_path)


def test_unknown_names_and_misplaced_caps_are_refused(pair: Any) -> None:
    with pytest.raises(UnknownNameError, match="plain"):
        sequences(TALK, pair[0].tokenizer, form="plane")
    with pytest.raises(CreditGymError, match="max_tokens"):
        sequences(TALK, pair[0].tokenizer, cap=5)


def test_episodes_become_observations_and_actions() -> None:
    episode = walk()
    transcript = from_episode(episode)
    assert sum(transcript.actions()) == len(episode)
    assert len(transcript.turns) == 2 * len(episode) + 1
