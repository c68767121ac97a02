"""TRL's trainer without padding: a row costs its own tokens, and only those that count meet the vocabulary.

TRL pads all rows of a step to the longest and masks attention; a causal model needs neither, for what follows a token
changes nothing before it. So rows of like length go through the trunk together, their padding behind them, each as far
as its last token that counts. A token counts if the model sampled it and its credit is not 0; of the others the loss
has no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from credit_gym.agents.learning.trl_trainer import CreditGRPOTrainer
from credit_gym.agents.likelihood.network import Network
from credit_gym.agents.likelihood.passes import Limits


class UnpaddedTrainer(CreditGRPOTrainer):
    """The same losses and gradients as :class:`~credit_gym.agents.learning.trl_trainer.CreditGRPOTrainer`, faster.

    Args:
        arguments: see there.
        options: see there.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._network = Network(self.accelerator.unwrap_model(self.model))
        self._counted: Tensor | None = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        # Ratios to probabilities that were computed elsewhere must not overflow where no token counts.
        everywhere = "old_per_token_logps" in inputs
        sampled = inputs["completion_mask"] * inputs["tool_mask"]
        self._counted = None if everywhere else (sampled * inputs["advantages"]) != 0
        try:
            trl: Any = super()
            loss: Tensor = trl._compute_loss(model, inputs)
        finally:
            self._counted = None
        return loss

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *arguments: Any,
        compute_aux_loss: bool = False,
        **options: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if compute_aux_loss or not self._network.head.projects:
            trl: Any = super()
            whole: tuple[Tensor, Tensor | None, Tensor | None] = trl._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                *arguments,
                compute_aux_loss=compute_aux_loss,
                **options,
            )
            return whole
        shape = (len(input_ids), logits_to_keep)
        counted = attention_mask[:, -logits_to_keep:].bool() if self._counted is None else self._counted
        row, place = counted.nonzero().T
        logps = torch.zeros(shape, device=input_ids.device)
        entropies = torch.zeros(shape, device=input_ids.device)
        column = place + input_ids.shape[1] - logits_to_keep
        begins = attention_mask.argmax(dim=1)  # prompts are padded on their left
        ends = torch.zeros_like(begins).scatter_reduce(0, row, column, "amax")
        with self.accelerator.autocast():
            for batch in _alike((ends - begins).tolist(), Limits().tokens(self._network)):
                here = torch.isin(row, torch.tensor(batch, device=row.device))
                tokens = [input_ids[number, begins[number] : ends[number]] for number in batch]
                states = self._network.trunk(
                    input_ids=torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True), use_cache=False
                ).last_hidden_state
                member = torch.zeros_like(begins)
                member[batch] = torch.arange(len(batch), device=row.device)
                own, at = row[here], column[here]
                predicting = states[member[own], at - begins[own] - 1]
                logp, entropy = self._predicted(predicting, input_ids[own, at])
                logps = logps.index_put((own, place[here]), logp)
                entropies = entropies.index_put((own, place[here]), entropy)
        if not row.numel():  # an optimizer tells a gradient of 0 from none
            logps = sum((0.0 * weight.sum() for weight in model.parameters() if weight.requires_grad), logps)
        return logps, entropies, None

    def _predicted(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of each target, and entropy of what predicts it; logits are made twice, not kept."""

        def part(states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            logs = (self._network.head.logits(states) / self.temperature).log_softmax(dim=-1)
            return logs.gather(-1, targets[:, None])[:, 0], -(logs.detach().exp() * logs.detach()).sum(dim=-1)

        size = Limits().rows(self._network)
        parts = [
            checkpoint(part, *each, use_reentrant=False, preserve_rng_state=False)
            for each in zip(torch.split(states, size), torch.split(targets, size), strict=True)
        ]
        logp, entropy = zip(*parts, strict=True)
        return torch.cat(logp), torch.cat(entropy)


def _alike(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Yield the numbers of rows that have tokens at all, those of like length together, at most so many at a time."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if lengths[number] <= 0:
            break
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
