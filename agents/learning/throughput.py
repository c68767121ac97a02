"""How fast a training goes, step by step: tokens a second, and on a GPU the memory that it took."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter


class Stopwatch:
    """Times the steps of a training, from the moment it is made."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def lap(self, effort: Mapping[str, float]) -> dict[str, float | str]:
        """Return what the step that ends now took, and start the next one.

        Args:
            effort: of its rollouts, :attr:`credit_gym.agents.learning.trainer_rollouts.Rollout.effort`.

        Returns:
            The effort, ``seconds`` of the whole step, ``sampled_tokens_per_second`` of its rollouts,
            ``tokens_per_second`` of the whole step with what was only read, and on a GPU ``device`` and
            ``peak_memory_gib``, the most that was allocated since the last lap.
        """
        import torch

        now = perf_counter()
        seconds, self._since = now - self._since, now
        row: dict[str, float | str] = {
            **effort,
            "seconds": seconds,
            "sampled_tokens_per_second": effort["sampled_tokens"] / effort["rollout_seconds"],
            "tokens_per_second": effort["tokens"] / seconds,
        }
        if torch.cuda.is_available():
            row |= {
                "device": torch.cuda.get_device_name(),
                "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
            }
            torch.cuda.reset_peak_memory_stats()
        return row
