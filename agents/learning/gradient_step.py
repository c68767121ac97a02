"""One step down a loss, as every training loop written here takes it."""

from __future__ import annotations

from typing import Any


def gradient_step(model: Any, optimizer: Any, loss: Any) -> None:
    """Follow the gradient of a loss, scaled to a norm of at most 1.

    Args:
        model: whose weights the loss depends on; they move.
        optimizer: moves them.
        loss: a scalar tensor.
    """
    import torch

    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
