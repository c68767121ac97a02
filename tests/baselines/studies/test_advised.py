"""Whether advice is right: the table that is trained leans as it should, and a training is its seed's alone."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from credit_gym.baselines.studies.advised import Case, LeaningAgent, play, trained
from credit_gym.wrappers import RecordVerifier

CLIMBS = Case(lambda: RecordVerifier(gym.make("credit/Stochastic-v0", num_tasks=2)), 1.0, lambda played: played)


def test_the_table_leans_to_the_expert_as_far_as_it_is_told() -> None:
    shares = []
    for bonus in (0.0, 2.0, 50.0):
        episodes = play(CLIMBS, LeaningAgent(0, bonus), 1)
        pairs = [pair for e in episodes for pair in zip(e.actions, e.expert_actions or (), strict=True)]
        shares.append(np.mean([action in best for action, best in pairs]))
    assert shares[0] < shares[1] < shares[2] == 1.0


def test_a_training_depends_on_its_seed_alone_and_learns() -> None:
    first = trained(CLIMBS, "evidence_lambda", "observation", 1.0, seed=3, batches=6)
    np.testing.assert_array_equal(first, trained(CLIMBS, "evidence_lambda", "observation", 1.0, seed=3, batches=6))
    assert first[0] == trained(CLIMBS, "grpo", "state", 4.0, seed=3, batches=1)[0]
    assert first[0] < first[-1] <= 1.0
