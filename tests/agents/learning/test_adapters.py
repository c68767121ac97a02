"""The adapters that need no trainer to be tried: SkyRL's rows and prime-rl's nodes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from builders.episodes import played

from credit_gym.agents.learning.prime_rl import assign_credits
from credit_gym.agents.learning.skyrl import credit_gym_advantage, generator_output
from credit_gym.errors import BatchError


def test_skyrl_rewards_are_the_credits_of_the_tokens_and_the_estimator_passes_them_on() -> None:
    torch = pytest.importorskip("torch")
    output = generator_output([played(), played(episode_id="b", rewards=(0.0, 0.0))], "outcome_only")
    assert output["response_ids"] == [[3, 4, 5, 6, 7]] * 2
    assert output["loss_masks"] == [[1, 1, 0, 0, 1]] * 2
    assert output["rewards"] == [[1.0, 1.0, 0.0, 0.0, 1.0], [0.0] * 5]
    rewards, mask = torch.tensor(output["rewards"]) + 1, torch.tensor(output["loss_masks"])
    advantages, returns = credit_gym_advantage(token_level_rewards=rewards, response_mask=mask, index=None, gamma=1.0)
    assert torch.equal(advantages, rewards * mask)
    assert torch.equal(returns, advantages)


def test_prime_rl_nodes_get_their_turns_credit_on_every_sampled_token() -> None:
    nodes = [
        SimpleNamespace(sampled=False, mask=[False], advantages=None),
        SimpleNamespace(sampled=True, mask=[False, True, True], advantages=None),
        SimpleNamespace(sampled=True, mask=[True], advantages=None),
    ]
    assign_credits([SimpleNamespace(nodes=nodes)], [played()], "outcome_only")
    assert [node.advantages for node in nodes] == [None, [1.0, 1.0], [1.0]]
    with pytest.raises(BatchError, match="one sampled node per turn"):
        assign_credits([SimpleNamespace(nodes=nodes[:2])], [played()], "outcome_only")
