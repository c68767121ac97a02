"""TRL 1.16: GRPO with one advantage a token, for the rows that a rollout of this package returns."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from credit_gym.agents.learning.versions import require_version
from credit_gym.errors import CreditGymError, missing_extra

require_version("trl", (1, 16), (1, 17), "trl")
try:
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "trl", "trl") from None

LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo")
"""The losses of TRL that multiply each token's advantage; ``vespo`` asks for one sign per sequence."""


class CreditGRPOTrainer(GRPOTrainer):
    """GRPO whose advantages are those of each token: the credit of the turn that it was sampled in.

    The rollout function returns them under ``token_advantages``, one list per row as long as its completion.

    Args:
        arguments: see :class:`trl.GRPOTrainer`.
        corrected: the rollout function returns ``logprobs``, at the sampling's temperature and by an implementation of
            its own; TRL multiplies the loss of each token by the ratio of its own probability to that one, cut off by
            ``vllm_importance_sampling_mode`` and ``_clip_max`` of the configuration.
        options: see :class:`trl.GRPOTrainer`.

    Raises:
        CreditGymError: the configuration needs one advantage per sequence, or several processes.
    """

    def __init__(self, *arguments: Any, corrected: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if corrected:  # TRL corrects where it believes that its own vLLM sampled; the rollout hands the weights over
            nothing_to_sync: Any = SimpleNamespace(sync_weights=lambda: None)
            self.use_vllm, self.vllm_generation, self._last_loaded_step = True, nothing_to_sync, -1
        config: Any = self.args
        problems = {
            f"loss_type must be one of {', '.join(LOSSES)}": config.loss_type not in LOSSES,
            "off_policy_mask_threshold must be None": config.off_policy_mask_threshold is not None,
            "use_liger_kernel must be False": bool(config.use_liger_kernel),
            "it must run in one process (use the verl adapter for more)": self.accelerator.num_processes > 1,
        }
        for problem, applies in problems.items():
            if applies:
                raise CreditGymError(f"Credit per turn does not fit this configuration of TRL: {problem}.")

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        ids = output["completion_ids"]
        advantages = torch.zeros(ids.shape, dtype=torch.float32)
        for row, given in zip(advantages, inputs, strict=True):
            row[: len(given["token_advantages"])] = torch.tensor(given["token_advantages"], dtype=torch.float32)
        output["advantages"] = advantages.to(ids.device)
        return output

    def create_model_card(self, *arguments: Any, **options: Any) -> None:
        """Write none: it asks the network for templates."""


def episode_return(completions: Sequence[Any], episode_return: Sequence[float], **_: Any) -> list[float]:
    """Give TRL the returns of the episodes; it only logs them, for the advantages are the credits."""
    return list(episode_return)
