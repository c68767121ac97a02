"""How episodes are played, in this process and in many.

- ``runner``: ``run_episodes`` and ``play_episode``. ``turns``: what one episode is, whoever drives it.
- ``threads`` calls ordinary agents, ``awaiting`` awaits async ones, over the ``run_state`` that the workers share.
- ``batching``: one call for what many threads ask. ``progress_bar`` and ``run_log``: what a run says while it goes.
- ``ray_runner``: episodes in worker processes, which ``ray_tasks`` keeps busy. ``bench``: agents on environments.
"""

from __future__ import annotations

from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.rollout.runner import play_episode, run_episodes

__all__ = [
    "Batched",
    "play_episode",
    "run_episodes",
]
