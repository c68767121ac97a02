"""TRL's own loss on a batch whose turn credits are known, and rows that hold an episode token for token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.episodes import walk
from builders.tiny_models import tiny_model

from credit_gym.agents.learning.conversations import check_growing
from credit_gym.agents.learning.token_rows import token_row
from credit_gym.agents.learning.versions import require_version
from credit_gym.agents.llm.prompting import PROMPTINGS, Prompting
from credit_gym.errors import BatchError, CreditGymError, MissingExtraError

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

# Two episodes. The first has two turns, of 2 tokens and of 1, with 3 tokens of the environment between them.
ROWS = {
    "prompt_ids": [[5, 6], [5]],
    "completion_ids": [[7, 8, 30, 31, 32, 9], [10, 11]],
    "logprobs": None,
    "env_mask": [[1, 1, 0, 0, 0, 1], [1, 1]],
    "token_advantages": [[0.5, 0.5, 0.0, 0.0, 0.0, -1.0], [2.0, 2.0]],
    "episode_return": [1.0, 0.0],
}
LONGEST = 16


def trainer(tmp_path: Path, rows: dict[str, Any] = ROWS, corrected: bool = False, **config: Any) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig

    from credit_gym.agents.learning.trl_trainer import CreditGRPOTrainer, episode_return

    torch.set_num_threads(1)
    folder = tmp_path / "model"
    if not folder.exists():
        tiny_model(folder, layers=1, hidden=32, vocab=300)
    arguments = GRPOConfig(
        str(tmp_path / "out"),
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=LONGEST,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        report_to=[],
        disable_tqdm=True,
        max_steps=1,
        **config,
    )
    return CreditGRPOTrainer(
        AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        [episode_return],
        arguments,
        Dataset.from_dict({"prompt": ["0"]}),
        processing_class=AutoTokenizer.from_pretrained(folder),
        rollout_func=lambda prompts, _: rows,
        corrected=corrected,
    )


def prepared(grpo: Any) -> Any:
    grpo.model.train()
    grpo.current_gradient_accumulation_steps = 1
    return grpo._generate_and_score_completions([{"prompt": "0"}, {"prompt": "0"}])


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        ("dapo", -(0.5 + 0.5 - 1.0 + 2.0 + 2.0) / 5),  # mean over the 5 sampled tokens
        ("bnpo", -(0.5 + 0.5 - 1.0 + 2.0 + 2.0) / 5),
        ("grpo", -((0.5 + 0.5 - 1.0) / 3 + (2.0 + 2.0) / 2) / 2),  # mean over episodes of their means
        ("dr_grpo", -(0.5 + 0.5 - 1.0 + 2.0 + 2.0) / (2 * LONGEST)),
        ("luspo", -((0.5 + 0.5 - 1.0) + (2.0 + 2.0)) / 2),
        ("sapo", -((0.5 + 0.5) * 2 - 1.0 * 2 / 1.05) / 3 / 2 - (2.0 + 2.0) * 2 / 2 / 2),  # 2 / temperature, by sign
    ],
)
def test_turn_credits_give_the_loss_that_the_formula_says(tmp_path: Path, loss_type: str, expected: float) -> None:
    grpo = trainer(tmp_path, loss_type=loss_type)
    loss = grpo._compute_loss(grpo.model, prepared(grpo))
    assert loss.item() == pytest.approx(expected, abs=1e-6)  # a ratio of 1: the weights are those that sampled


def test_the_gradient_is_that_of_credit_times_log_probability_of_sampled_tokens_alone(tmp_path: Path) -> None:
    grpo = trainer(tmp_path)
    weight = grpo.model.model.embed_tokens.weight
    grpo._compute_loss(grpo.model, prepared(grpo)).backward()
    got, weight.grad = weight.grad.clone(), None
    total = torch.zeros(())
    for prompt, answer, mask, credit in zip(
        *(ROWS[k] for k in ("prompt_ids", "completion_ids", "env_mask", "token_advantages")), strict=True
    ):
        ids = torch.tensor([prompt + answer])
        logprobs = grpo.model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0][len(prompt) - 1 :]
        total = total - (logprobs * torch.tensor(mask) * torch.tensor(credit)).sum()
    (total / 5).backward()
    assert got.abs().max() > 1e-4
    assert torch.allclose(got, weight.grad, atol=1e-6)


@pytest.mark.parametrize("loss_type", ["dapo", "sapo", "cispo"])
def test_tokens_sampled_elsewhere_are_weighed_by_the_ratio_of_their_probabilities_up_to_a_cap(
    tmp_path: Path, loss_type: str
) -> None:
    own = prepared(trainer(tmp_path, loss_type=loss_type))
    grpo = trainer(tmp_path, loss_type=loss_type)
    ids = torch.cat([own["prompt_ids"], own["completion_ids"]], dim=1)
    attention = torch.cat([own["prompt_mask"], own["completion_mask"]], dim=1)
    logprobs, _, _ = grpo._get_per_token_logps_and_entropies(grpo.model, ids, attention, 6)
    weights = torch.tensor([[0.5, 1.0, 1.0, 1.0, 1.0, 2.0], [9.0, 1.5, 1.0, 1.0, 1.0, 1.0]])
    elsewhere = (logprobs - weights.log()).tolist()  # such that the ratio of the probabilities is the weight
    elsewhere[0][2:5] = [0.0] * 3  # of the environment's tokens nothing is known
    rows = {**ROWS, "logprobs": [elsewhere[0], elsewhere[1][:2]]}
    other = trainer(tmp_path, rows, corrected=True, loss_type=loss_type, vllm_importance_sampling_mode="token_truncate")
    batch = prepared(other)
    assert torch.equal(batch["advantages"], own["advantages"])
    got = other._compute_loss(other.model, batch)
    own["advantages"] = own["advantages"] * weights.clamp(max=3.0)  # TRL's cap
    own["old_per_token_logps"] = logprobs.detach()
    assert got.item() == pytest.approx(grpo._compute_loss(grpo.model, own).item(), abs=1e-5)


def test_what_needs_one_advantage_per_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CreditGymError, match="loss_type must be one of grpo"):
        trainer(tmp_path, loss_type="vespo")
    with pytest.raises(CreditGymError, match="off_policy_mask_threshold must be None"):
        trainer(tmp_path, off_policy_mask_threshold=0.5)


def test_a_row_is_the_episode_token_for_token_with_each_turns_credit_on_its_tokens() -> None:
    episode = walk(
        steps=2,
        prompt_token_ids=((1, 2), (1, 2, 3, 4, 5, 6)),
        token_ids=((3, 4), (7,)),
        policy_logprobs=((-0.5, -0.25), (-1.0,)),
    )
    row = token_row(episode, (0.5, -1.0))
    assert row.prompt_ids == [1, 2]
    assert row.completion_ids == [3, 4, 5, 6, 7]
    assert row.mask == [1, 1, 0, 0, 1]
    assert row.credits == [0.5, 0.5, 0.0, 0.0, -1.0]
    assert row.logprobs == [-0.5, -0.25, 0.0, 0.0, -1.0]
    assert row.left_out == 0


def test_a_row_ends_where_a_prompt_does_not_begin_with_what_came_before_it() -> None:
    episode = walk(steps=3, prompt_token_ids=((1,), (1, 9, 9), (1, 3, 5)), token_ids=((3,), (4,), (6,)))
    row = token_row(episode, (1.0, 2.0, 3.0))
    assert (row.completion_ids, row.credits, row.left_out) == ([3], [1.0], 2)
    assert row.logprobs is None


def test_rows_without_tokens_and_credits_of_another_length_are_refused() -> None:
    with pytest.raises(BatchError, match="lacks token ids"):
        token_row(walk(steps=1), (1.0,))
    with pytest.raises(BatchError, match="has 3 turns but 1 credits"):
        token_row(walk(steps=3), (1.0,))


def test_promptings_whose_chat_changes_later_are_refused() -> None:
    check_growing(PROMPTINGS["plain"])
    check_growing(PROMPTINGS["react"])
    for name in ("listed", "constrained"):
        with pytest.raises(CreditGymError, match="cannot be trained with the prompting"):
            check_growing(PROMPTINGS[name])
    for changes in ({"history_turns": 3}, {"temperature": 0.0}):
        with pytest.raises(CreditGymError, match="cannot be trained"):
            check_growing(Prompting(**changes))


def test_a_version_that_was_not_tried_is_refused_by_name() -> None:
    require_version("numpy", (2, 0), (99, 0), "trl")
    with pytest.raises(MissingExtraError, match=r'numpy .* fits 1.0 up to 1.1: pip install "numpy>=1.0,<1.1"'):
        require_version("numpy", (1, 0), (1, 1), "trl")
    with pytest.raises(MissingExtraError, match=r'pip install "credit-gym\[verl\]"'):
        require_version("no-such-package-at-all", (1, 0), (2, 0), "verl")


def test_cispo_weighs_each_tokens_log_probability_by_its_credit(tmp_path: Path) -> None:
    grpo = trainer(tmp_path, loss_type="cispo", epsilon_high=5.0)
    batch = prepared(grpo)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    logprobs, _, _ = grpo._get_per_token_logps_and_entropies(
        grpo.model, ids, attention, batch["completion_ids"].shape[1]
    )
    credits = torch.tensor([ROWS["token_advantages"][0], [*ROWS["token_advantages"][1], 0.0, 0.0, 0.0, 0.0]])
    assert grpo._compute_loss(grpo.model, batch).item() == pytest.approx(
        -(credits * logprobs).sum().item() / 5, abs=1e-5
    )
