"""Scores of whole trajectories: the published procedure from full logits, missing steps, and reward models' rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.batches import Run, batch_of
from builders.tiny_critics import BAD, GOOD, tiny_critic, wild_reward
from builders.tiny_models import tiny_model
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from credit_gym.baselines.protocol.recorded_episodes import recorded_episodes
from credit_gym.baselines.protocol.trajectory_scores import STEPS, TOKENS, trajectory_scores
from credit_gym.baselines.tables import test_time_scaling as best_of_n
from credit_gym.baselines.tables import uncertainty
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import CreditGymError

torch.set_num_threads(1)

RULES: dict[str, Callable[[Any], float]] = {
    "mean": np.mean,
    "sum": np.sum,
    "last": lambda v: v[-1],
    "min": np.min,
    "max": np.max,
    "bottom10": lambda v: np.mean(np.sort(v)[: max(1, int(np.ceil(0.1 * len(v))))]),
}
Tokens = Sequence[Sequence[float]]


def published(policy: Tokens, reference: Tokens, top: Tokens, tokens: str, steps: str) -> dict[str, float]:
    """Upstream's scores of one trajectory, one action after the other.

    Each model is aggregated alone, an action without tokens counts 0; certainty is the mean of the largest
    log-probabilities with a plus sign, actions without tokens are skipped, and DeepConf fixes the step aggregation.
    """
    g = [RULES[tokens](v) if len(v) else 0.0 for v in policy]
    r = [RULES[tokens](v) if len(v) else 0.0 for v in reference]
    c = [RULES[tokens](v) for v in top if len(v)]
    return {
        "progress_advantage": RULES[steps](np.subtract(g, r)),
        "policy_logprob": RULES[steps](g),
        "reference_logprob": RULES[steps](r),
        "self_certainty": RULES[steps](c) if c else np.nan,
        "deepconf_tail": c[-1] if c else np.nan,
        "deepconf_bottom10": RULES["bottom10"](c) if c else np.nan,
    }


def batch(trajectories: Sequence[tuple[Tokens, Tokens, Tokens]]) -> EpisodeBatch:
    names = ("policy_logprob", "reference_logprob", "policy_top_logprob")
    columns: dict[str, Any] = {
        name: np.array([v for each in trajectories for step in each[i] for v in step]) for i, name in enumerate(names)
    }
    sizes = [len(step) for each in trajectories for step in each[0]]
    runs = [Run(path=[0] * (len(each[0]) + 1), actions=[0] * len(each[0])) for each in trajectories]
    return batch_of(runs, logprob_offsets=np.cumsum([0, *sizes]), **columns)


numbers = st.floats(-20.0, 0.0, width=32)
trajectory = st.lists(st.lists(st.tuples(numbers, numbers, numbers), max_size=4), min_size=1, max_size=25)


@given(drawn=st.lists(trajectory, min_size=1, max_size=3), tokens=st.sampled_from(TOKENS), steps=st.sampled_from(STEPS))
def test_the_upstream_mode_is_the_published_procedure(drawn: Any, tokens: str, steps: str) -> None:
    split = [tuple([[token[i] for token in step] for step in each] for i in range(3)) for each in drawn]
    if not any(step for each in drawn for step in each):
        return
    found = trajectory_scores(batch(split), tokens=tokens, steps=steps, mode="upstream")
    for index, each in enumerate(split):
        for name, value in published(*each, tokens, steps).items():
            np.testing.assert_allclose(found[name][index], value, rtol=1e-6, atol=1e-6, err_msg=name)


def test_by_default_a_step_without_tokens_is_left_out_and_certainty_has_the_published_sign() -> None:
    found = trajectory_scores(batch([([[-1.0], []], [[-2.0], []], [[-13.0], []])]))
    assert found["progress_advantage"].tolist() == [1.0]
    assert found["policy_logprob"].tolist() == [-1.0]
    assert found["self_certainty"].tolist() == found["deepconf_tail"].tolist() == [13.0]


MESSAGES = (
    ("user", "go to room"),
    ("assistant", "look around"),
    ("tool", "you see a door"),
    ("assistant", "open the door"),
    ("assistant", "go north"),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("pair")
    policy, reference = (tiny_model(folder / str(seed), seed=seed, max_position_embeddings=4096) for seed in (1, 2))
    return f"hf:{policy}", f"hf:{reference}"


def full_logits(spec: str, texts: Sequence[str]) -> tuple[Tokens, Tokens]:
    """Log-probabilities and top-20 means of each action's tokens, from all logits of the concatenated texts."""
    from transformers import AutoTokenizer

    path = spec.removeprefix("hf:")
    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    ids: list[int] = []
    spans = []
    for text in texts:
        start = len(ids)
        ids += tokenizer.encode(text, add_special_tokens=False)
        spans.append((max(start, 1), len(ids)))
    with torch.no_grad():
        rows = AutoModelForCausalLM.from_pretrained(path)(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    own = rows[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].double().tolist()
    top = rows.topk(20).values.mean(-1)[:-1].double().tolist()
    actions = [span for span, text in zip(spans, texts, strict=True) if "[assistant]" in text]
    return [own[s - 1 : e - 1] for s, e in actions], [top[s - 1 : e - 1] for s, e in actions]


@pytest.mark.slow
def test_upstream_scores_of_a_file_equal_those_from_full_logits(pair: Any, tmp_path: Path) -> None:
    lengths = (5, 4)  # two conversations of one file
    simulations = [
        {
            "id": str(length),
            "task_id": length,
            "messages": [{"role": role, "content": text} for role, text in MESSAGES[:length]],
            "reward_info": {"reward": float(length > 4)},
        }
        for length in lengths
    ]
    (tmp_path / "results.json").write_text(json.dumps({"simulations": simulations}))
    found = recorded_episodes(*pair, tau2=tmp_path / "results.json", form="upstream")
    assert found.mode == "upstream"
    for index, length in enumerate(lengths):
        texts = [("\n" if i else "") + f"[{role}]: {text}" for i, (role, text) in enumerate(MESSAGES[:length])]
        (policy, top), (reference, _) = (full_logits(spec, texts) for spec in pair)
        for tokens in TOKENS:
            for steps in STEPS:
                scores = trajectory_scores(found.batch, tokens=tokens, steps=steps, mode="upstream")
                for name, value in published(policy, reference, top, tokens, steps).items():
                    np.testing.assert_allclose(scores[name][index], value, rtol=1e-6, atol=1e-6, err_msg=name)


# Reward models in the tables


@pytest.fixture(scope="module")
def critic(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"think_prm:hf:{tiny_critic(tmp_path_factory.mktemp('critic'))}"


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    """Three tasks, two candidates each: who opens the door succeeds."""
    for trial, action in enumerate((BAD, GOOD)):
        simulations = [
            {
                "id": f"{trial}{task}",
                "task_id": task,
                "messages": [
                    {"role": "user", "content": f"go to room {task}"},
                    {"role": "assistant", "content": action},
                ],
                "reward_info": {"reward": float(trial)},
            }
            for task in range(3)
        ]
        place = tmp_path / f"trial_{trial}" / "webshop.json"
        place.parent.mkdir()
        place.write_text(json.dumps({"simulations": simulations}))
    return tmp_path


@pytest.mark.slow
def test_reward_models_need_no_policy_and_stand_before_the_controls(
    critic: str, trials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = f"wild_reward:{wild_reward(tmp_path / 'judge')}"
    uncertainty.main(trials=trials, reward_model=[critic, judge], markdown=tmp_path / "out.md")
    best_of_n.main(trials=trials, reward_model=[critic, judge], markdown=tmp_path / "best.md")
    rows = [line.split("|") for line in (tmp_path / "out.md").read_text().splitlines() if ":" in line]
    assert rows[2][1].strip().replace("\\", "") == critic
    assert rows[2][2].strip().replace("\\", "") == "1.000 [1.000, 1.000]"
    assert rows[3][1].strip().replace("\\", "") == judge
    best = (tmp_path / "best.md").read_text().replace("\\", "")
    assert f"| {critic} | 0.500 | 1.000 | 1.00 [1.00, 1.00] |" in best


@pytest.mark.slow
def test_an_episode_without_a_verdict_is_counted_beside_the_name(trials: Path, tmp_path: Path) -> None:
    silent = f"think_prm:hf:{tiny_model(tmp_path / 'silent', max_position_embeddings=400)}"
    found = recorded_episodes(trials=trials, reward_models=[silent])
    assert np.isnan(found.graded[silent]).all()
    table = uncertainty.episode_table("t", found)
    assert table.rows[0][0] == f"{silent} (6 without)"
    assert str(table.rows[0][1]).startswith("0.500")


@pytest.mark.slow
def test_a_reward_model_without_episodes_is_one_sentence(critic: str) -> None:
    with pytest.raises(CreditGymError, match="exactly one of --run, --tau2 and --trials"):
        uncertainty.main(reward_model=[critic])
