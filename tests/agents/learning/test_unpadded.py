"""Without padding, the loss and its gradient are those of TRL's own computation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.tiny_models import tiny_model

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from credit_gym.agents.learning.trl_trainer import LOSSES, CreditGRPOTrainer, episode_return  # noqa: E402

LENGTHS = (40, 3, 17, 26, 1, 9)


def rows(credit: float) -> dict[str, Any]:
    """Rows of very different lengths; one has no credit at all, and the last is of an episode that failed."""
    draw = torch.Generator().manual_seed(3)
    whole = [torch.randint(3, 290, (length + 4,), generator=draw).tolist() for length in LENGTHS]
    masks = [[(place % 7) // 4 for place in range(length)] for length in LENGTHS[:-1]] + [[0] * LENGTHS[-1]]
    credits = [
        [mask * credit * (number != 3) * (1.5 - place % 3) for place, mask in enumerate(mask)]
        for number, mask in enumerate(masks)
    ]
    return {
        "prompt_ids": [ids[: 1 + number % 4] for number, ids in enumerate(whole)],
        "completion_ids": [ids[4:] for ids in whole],
        "logprobs": None,
        "env_mask": masks,
        "token_advantages": credits,
        "episode_return": [0.0] * len(whole),
    }


def trainer(kind: Any, folder: Path, given: dict[str, Any], **config: Any) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig

    torch.set_num_threads(1)
    arguments = GRPOConfig(
        str(folder / "out"),
        per_device_train_batch_size=len(LENGTHS),
        num_generations=2,
        max_completion_length=64,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        report_to=[],
        disable_tqdm=True,
        max_steps=1,
        **config,
    )
    grpo = kind(
        AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        [episode_return],
        arguments,
        Dataset.from_dict({"prompt": ["0"]}),
        processing_class=AutoTokenizer.from_pretrained(folder),
        rollout_func=lambda prompts, _: given,
    )
    grpo.model.train()
    grpo.current_gradient_accumulation_steps = 1
    return grpo


def gradient(kind: Any, folder: Path, given: dict[str, Any], **config: Any) -> tuple[float, list[Any]]:
    grpo = trainer(kind, folder, given, **config)
    loss = grpo._compute_loss(grpo.model, grpo._generate_and_score_completions([{"prompt": "0"} for _ in LENGTHS]))
    loss.backward()
    return loss.item(), [weight.grad for weight in grpo.model.parameters()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", layers=2, hidden=32, vocab=300)


@pytest.mark.slow
@pytest.mark.parametrize("loss_type", LOSSES)
def test_loss_and_gradient_are_those_of_the_padded_computation(folder: Path, loss_type: str) -> None:
    from credit_gym.agents.learning.unpadded import UnpaddedTrainer

    config = {"loss_type": loss_type, "temperature": 0.7}
    expected, plain = gradient(CreditGRPOTrainer, folder, rows(1.0), **config)
    got, own = gradient(UnpaddedTrainer, folder, rows(1.0), **config)
    assert got == pytest.approx(expected, abs=1e-6)
    assert max(weight.abs().max().item() for weight in plain) > 1e-3
    for mine, theirs in zip(own, plain, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("family", ["gemma3", "mistral"])
def test_other_kinds_of_attention_and_heads_have_the_same_gradient(tmp_path: Path, family: str) -> None:
    from credit_gym.agents.learning.unpadded import UnpaddedTrainer

    folder = tiny_model(tmp_path / "m", family=family, layers=2, hidden=32, vocab=300)
    _, plain = gradient(CreditGRPOTrainer, folder, rows(1.0))
    _, own = gradient(UnpaddedTrainer, folder, rows(1.0))
    for mine, theirs in zip(own, plain, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5, rtol=0.0)


def test_a_step_without_credit_has_a_gradient_of_zero_and_needs_no_pass(folder: Path, monkeypatch: Any) -> None:
    from credit_gym.agents.learning.unpadded import UnpaddedTrainer

    grpo = trainer(UnpaddedTrainer, folder, rows(0.0))
    batch = grpo._generate_and_score_completions([{"prompt": "0"} for _ in LENGTHS])
    assert grpo._network.head.projects
    monkeypatch.setattr(grpo._network, "trunk", None)
    loss = grpo._compute_loss(grpo.model, batch)
    loss.backward()
    assert loss.item() == 0.0
    assert all(not weight.grad.any() for weight in grpo.model.parameters())


def test_no_token_is_fed_that_nothing_depends_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from credit_gym.agents.learning import unpadded

    given = rows(1.0)
    grpo = trainer(unpadded.UnpaddedTrainer, folder, given)
    batch = grpo._generate_and_score_completions([{"prompt": "0"} for _ in LENGTHS])
    assert grpo._network.head.projects
    fed: list[int] = []
    grpo.model.model.register_forward_hook(
        lambda module, args, kwargs, output: fed.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    monkeypatch.setattr(unpadded.Limits, "tokens", lambda self, network: 1)  # a row at a time
    grpo._compute_loss(grpo.model, batch)
    needed = [
        len(prompt) + max((place for place, credit in enumerate(credits) if credit), default=-len(prompt))
        for prompt, credits in zip(given["prompt_ids"], given["token_advantages"], strict=True)
    ]
    assert fed == sorted((size for size in needed if size), reverse=True)
    assert len(fed) == 2  # of the others no token counts
