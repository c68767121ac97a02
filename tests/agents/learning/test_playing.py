"""A trainer's own playing: a bad value costs its own episode, and every other one is as it would have been."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import pytest
from builders.corridor import Corridor
from builders.misbehaving import BAD, Misbehaving

from credit_gym.agents import RandomAgent
from credit_gym.agents.learning.playing import Seat, play_together
from credit_gym.agents.learning.trainer_rollouts import Rollout
from credit_gym.agents.llm.completion import Completion
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import BackendError, CreditGymError
from credit_gym.scorers import score
from credit_gym.wrappers import RecordVerifier

SEATS = [Seat(100 + number, str(number), f"g{number % 3}", number % 3) for number in range(9)]
every_bad = pytest.mark.parametrize("name", BAD)


def well_behaved() -> gym.Env[str, str]:
    return Misbehaving(lambda _: None)


def play(make_env: Callable[[], gym.Env[str, str]], agent: Any = None) -> list[Episode]:
    return play_together([RecordVerifier(make_env()) for _ in SEATS], agent or RandomAgent(5), SEATS)


@every_bad
def test_a_bad_value_costs_its_own_episode(name: str) -> None:
    whole = play(well_behaved)
    for played, expected in zip(play(lambda: Misbehaving(BAD[name].change)), whole, strict=True):
        if expected.task_id == "corridor-3" and len(expected) > 2:
            assert BAD[name].says in str(played.error)
            assert (played.actions, played.rewards) == (expected.actions[:2], expected.rewards[:2])
        else:
            assert played == expected
    assert any(len(expected) > 2 for expected in whole if expected.task_id == "corridor-3")


@pytest.mark.parametrize("reading", [math.nan, math.inf, "good", None])
def test_a_verifier_that_raises_or_reads_nonsense_costs_its_own_episode(reading: Any) -> None:
    def verifier(before: str, action: str, after: str, reward: float, info: dict[str, Any]) -> Any:
        if info["task"]["id"] != "corridor-2":
            return 0.5
        return 1 / 0 if reading is None else reading

    envs = [RecordVerifier(Corridor(), verifier) for _ in SEATS]
    for episode in play_together(envs, RandomAgent(5), SEATS):
        assert (episode.error is not None) == (episode.task_id == "corridor-2"), episode.error
        assert episode.error is None or "verifier" in episode.error


def test_an_agent_that_cannot_answer_one_context_costs_one_episode() -> None:
    class Choosy(RandomAgent):
        def act(self, contexts: Any) -> list[str]:
            if any(context.seed == 104 and context.step == 1 for context in contexts):
                raise BackendError("The chat is too long.")
            return super().act(contexts)

    for number, (played, expected) in enumerate(zip(play(Corridor, Choosy(5)), play(Corridor), strict=True)):
        if number == 4:
            assert (played.error, len(played)) == ("BackendError: The chat is too long.", 1)
        else:
            assert played == expected


class Model:
    """Answers ``forward`` with one token; stands for a model that is being trained."""

    name, corrected = "model", True
    chat = SimpleNamespace(text=lambda ids: "forward")

    def follow(self, model: Any) -> None: ...

    def forget(self) -> None: ...

    def complete(self, requests: Any) -> list[Completion]:
        turns = [sum(message["role"] == "assistant" for message in request.messages) for request in requests]
        return [
            Completion(text="forward", prompt_token_ids=(1, *(2, 3) * turn), token_ids=(2,), logprobs=(-0.5,))
            for turn in turns
        ]


TRAINER = SimpleNamespace(
    accelerator=SimpleNamespace(unwrap_model=lambda model: model),
    model=SimpleNamespace(training=True, eval=lambda: None, train=lambda mode: None),
)


def rollout(make_env: Callable[[], gym.Env[str, str]]) -> Rollout:
    return Rollout(lambda: RecordVerifier(make_env()), Model(), Prompting(), "adaptive_q")  # type: ignore[arg-type]


@every_bad
def test_an_episode_with_a_bad_value_counts_for_nothing_in_a_training_step(name: str) -> None:
    prompts = ["0", "0", "2", "2", "1", "1"]
    whole, odd = rollout(well_behaved), rollout(lambda: Misbehaving(BAD[name].change))
    expected, given = whole(prompts, TRAINER), odd(prompts, TRAINER)
    assert odd.summary["failed"] == 2
    assert odd.summary["episodes"] == 4
    for index, episode in enumerate(odd.played):
        if episode.error is None:
            assert episode == whole.played[index]
            assert given["token_advantages"][index] == expected["token_advantages"][index]
        else:
            assert (given["env_mask"][index], given["token_advantages"][index]) == ([0], [0.0])


def test_a_step_of_which_no_episode_completed_says_why() -> None:
    with pytest.raises(CreditGymError, match=r"No episode of this step completed; .* reward of step 2 is nan"):
        rollout(lambda: Misbehaving(BAD["reward nan"].change, tasks=(0, 1, 2)))(["2", "2"], TRAINER)


def test_a_training_step_pools_states_by_the_key_among_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, dict[str, Any]]] = []

    def noting(batch: EpisodeBatch, scorer: str, **options: Any) -> Any:
        asked.append((batch.state_vocabulary, options))
        return score(batch, scorer, **options)

    monkeypatch.setattr("credit_gym.agents.learning.trusting.score", noting)
    options = {"key": "calls", "lam": 0.5}
    Rollout(lambda: RecordVerifier(Corridor()), Model(), Prompting(), "gae", options)(["0", "0"], TRAINER)  # type: ignore[arg-type]
    ((states, passed),) = asked
    assert passed == {"lam": 0.5}
    assert states[0] == "0 calls"
    assert all(state.startswith("1 calls ") for state in states[1:])
