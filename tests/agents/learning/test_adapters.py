"""The adapters that need no trainer to be tried: SkyRL's rows and prime-rl's nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from builders.episodes import played

from credit_gym.agents.learning import trusting
from credit_gym.agents.learning.prime_rl import assign_credits
from credit_gym.agents.learning.skyrl import credit_gym_advantage, generator_output
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
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


def group(name: str, outcomes: Sequence[float], readings: Sequence[float]) -> list[Episode]:
    """Episodes of two turns of one group; the verifier reads the first."""
    return [
        played(
            episode_id=f"{name}{number}",
            group_id=name,
            state_keys=(name, f"{name}{number}", f"{name}{number} end"),
            rewards=(0.0, outcome),
            success=outcome > 0.0,
            verifier=(reading, 0.0),
        )
        for number, (outcome, reading) in enumerate(zip(outcomes, readings, strict=True))
    ]


ALIGNED = group("a", (1.0, 0.0, 1.0, 0.0), (1.0, 0.0, 1.0, 0.0)) + group("b", (0.0, 1.0), (0.0, 1.0))
FAILED = group("c", (0.0, 0.0), (1.0, 0.0))


def skyrl_credits(episodes: Sequence[Episode], **options: float) -> list[float]:
    return [row[0] for row in generator_output(episodes, "evidence_lambda", **options)["rewards"]]


def prime_rl_credits(episodes: Sequence[Episode], **options: float) -> list[float]:
    traces = [
        SimpleNamespace(nodes=[SimpleNamespace(sampled=True, mask=[True], advantages=None) for _ in range(2)])
        for _ in episodes
    ]
    assign_credits(traces, episodes, "evidence_lambda", **options)
    return [trace.nodes[0].advantages[0] for trace in traces]


@pytest.mark.parametrize("handed_over", [skyrl_credits, prime_rl_credits])
def test_what_one_hand_over_taught_of_the_verifier_credits_the_next(
    monkeypatch: pytest.MonkeyPatch, handed_over: Callable[..., list[float]]
) -> None:
    monkeypatch.setattr(trusting, "_OF_THIS_PROCESS", {})
    assert handed_over(FAILED) == [0.0, 0.0]  # by itself it bears nothing out
    assert handed_over(ALIGNED)[0] > 0.0
    first, second = handed_over(FAILED)
    assert first > 0.0 > second
    known = trusting.remembering("evidence_lambda", {}).known
    assert known is not None
    told = build_targets(FAILED, trust=known.agreement, trust_weight=known.weight)
    assert handed_over(FAILED) == [told[0].credit, told[2].credit]
    assert handed_over(FAILED, trust=0.0) == [0.0, 0.0]


def test_what_is_remembered_is_of_one_scorer_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusting, "_OF_THIS_PROCESS", {})
    same = trusting.remembering("evidence_lambda", {"kappa": 2.0, "sharing": 0.5})
    assert trusting.remembering("evidence_lambda", {"sharing": 0.5, "kappa": 2.0}) is same
    assert trusting.remembering("evidence_lambda", {"kappa": 3.0, "sharing": 0.5}) is not same
    assert trusting.remembering("grpo", {}) is not same
