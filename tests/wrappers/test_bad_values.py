"""A value that no record can hold costs its episode, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from builders.corridor import Corridor
from builders.misbehaving import BAD, HARMLESS, INF, NAN, Misbehaving
from gymnasium.vector import SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents import Action, RandomAgent, run_episodes
from credit_gym.agents.core import Context
from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.credit.stored_runs import run_credits
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.store import Store
from credit_gym.wrappers import AssignCredit, RecordBelief, RecordEpisodes, RecordVerifier
from credit_gym.wrappers.record_belief import Reading
from credit_gym.wrappers.recorder import Recorder
from credit_gym.wrappers.vector import RecordEpisodes as VectorRecordEpisodes

AGENT = RandomAgent(5)
every_bad = pytest.mark.parametrize("name", BAD)


def run(make_env: Any, agent: Any = AGENT, **options: Any) -> list[Episode]:
    return run_episodes(make_env, agent, **{"episodes": 12, "seed": 7, **options})


def well_behaved() -> gym.Env[str, str]:
    return RecordVerifier(Misbehaving(lambda _: None))


def whole() -> list[Episode]:
    return run(well_behaved)


def cut(episode: Episode, expected: Episode, steps: int) -> None:
    """Check that a failed episode holds the first steps of the one that it would have been."""
    assert len(episode) == steps
    for name in ("actions", "rewards", "verifier", "admissible_actions", "invalid"):
        assert getattr(episode, name) == getattr(expected, name)[:steps]
    for name in ("observations", "state_keys"):
        assert getattr(episode, name) == getattr(expected, name)[: steps + 1]
    assert (episode.success, episode.terminated, episode.truncated) == (False, False, False)
    assert (episode.task_id, episode.goal, episode.seed) == (expected.task_id, expected.goal, expected.seed)


@pytest.mark.parametrize("workers", [1, 3])
@every_bad
def test_a_bad_value_fails_its_own_episodes_only(name: str, workers: int) -> None:
    played = run(lambda: RecordVerifier(Misbehaving(BAD[name].change)), workers=workers)
    for episode, expected in zip(played, whole(), strict=True):
        if expected.task_id == "corridor-3" and len(expected) > 2:
            assert episode.error is not None
            assert episode.error.startswith("BatchError: ")
            assert BAD[name].says in episode.error
            cut(episode, expected, 2)
        else:
            assert episode == expected
    assert any(episode.error for episode in played)


@pytest.mark.parametrize("name", HARMLESS)
def test_an_unusual_value_that_means_the_same_is_recorded_as_the_same(name: str) -> None:
    played = run(lambda: RecordVerifier(Misbehaving(HARMLESS[name], tasks=(0, 1, 2))))
    for episode, expected in zip(played, whole(), strict=True):
        assert episode.error is None
        assert (episode.actions, episode.rewards, episode.success) == (
            expected.actions,
            expected.rewards,
            expected.success,
        )
        assert {type(reward) for reward in episode.rewards} == {float}
        assert {type(flag) for flag in episode.invalid or ()} == {bool}


@every_bad
def test_the_store_takes_the_failed_episodes_and_scores_the_others(name: str, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = store.start_run(env_id="corridor", agent_id="random", config={}, seed=7)
        run(
            lambda: RecordVerifier(Misbehaving(BAD[name].change)),
            sink=lambda episode: store.add_episode(run_id, episode),
        )
        loaded = store.load_episodes(run_id)
        credits = run_credits(store, run_id, loaded, "adaptive_q", {})
        assert [credit is None for credit in credits] == [episode.error is not None for episode in loaded]
        store.remove_failed(run_id)
        run(
            well_behaved,
            sink=lambda episode: store.add_episode(run_id, episode),
            resume_done=store.episode_ids(run_id),
        )
        assert store.load_episodes(run_id) == whole()


@every_bad
def test_outside_a_runner_the_record_ends_and_the_play_goes_on(name: str) -> None:
    odd: gym.Env[str, str] = Misbehaving(BAD[name].change)
    env = RecordEpisodes(RecordVerifier(odd) if name.startswith("verifier") else odd)
    env.reset(seed=1, options={"task": 2})
    over, steps = False, 0
    while not over:
        _, _, terminated, truncated, _ = env.step("wait")
        steps += 1
        over = terminated is True or truncated is True
        if terminated == "false":  # Python takes any text for true: the wrapper must close the record here
            break
    assert steps == (3 if name.startswith("terminated") else 8)
    (episode,) = env.episodes
    assert episode.error is not None
    assert BAD[name].says in episode.error
    assert (len(episode), episode.observations) == (2, ("cell 0",) * 3)
    env.reset(seed=1, options={"task": 0})
    while not env.step("forward")[2]:
        pass
    assert env.episodes[1].error is None


@pytest.mark.parametrize("change", [{"task": 3}, {"task": "corridor"}, {"state_key": 1}, {"admissible_actions": 5}])
def test_a_reset_that_says_nonsense_leaves_an_empty_record(change: dict[str, Any]) -> None:
    class Odd(Corridor):
        def reset(self, **options: Any) -> Any:
            observation, info = super().reset(**options)
            return observation, info | change

    (episode,) = run(Odd, episodes=1)
    assert len(episode) == 0
    assert "of reset" in str(episode.error)


def test_an_environment_without_a_task_or_with_none_is_recorded() -> None:
    class Plain(gym.Wrapper[str, str, str, str]):
        def reset(self, **options: Any) -> Any:
            observation, info = super().reset(**options)
            return observation, {**info, "task": None}

    assert [(episode.error, episode.task_id) for episode in run(lambda: Plain(Corridor()), episodes=2)] == (
        [(None, "")] * 2
    )


@pytest.mark.parametrize("value", [NAN, INF, "good", np.ones(1), [1.0], 1j])
def test_a_verifier_that_returns_no_reading_costs_its_episode(value: Any) -> None:
    def verifier(before: str, action: str, after: str, reward: float, info: dict[str, Any]) -> Any:
        return value if info["task"]["id"] == "corridor-2" and after == "cell 1" else None

    played = run(lambda: RecordVerifier(Corridor(), verifier))
    failed = [episode for episode in played if episode.error]
    assert {episode.task_id for episode in failed} == {"corridor-2"}
    for episode in failed:
        assert f"The verifier's reading of step {len(episode)} is" in str(episode.error)
    assert all(math.isnan(reading) for episode in played for reading in episode.verifier or ())


def test_a_verifier_that_raises_costs_its_episode_and_says_where() -> None:
    def verifier(before: str, action: str, after: str, reward: float, info: dict[str, Any]) -> float:
        return 1 / (after != "cell 1")

    for episode, expected in zip(run(lambda: RecordVerifier(Corridor(), verifier)), whole(), strict=True):
        if "cell 1" in expected.observations:
            step = expected.observations.index("cell 1") - 1
            assert episode.error == (
                f"CreditGymError: The verifier cannot read step {step}: ZeroDivisionError: division by zero"
            )
            assert episode.actions == expected.actions[:step]
        else:
            assert episode.error is None


def test_a_verifier_that_raises_ends_a_play_outside_a_runner_when_the_record_is_safe() -> None:
    env = RecordEpisodes(RecordVerifier(Corridor(), lambda *_: 1 / 0))
    env.reset(seed=0)
    with pytest.raises(CreditGymError, match="The verifier cannot read step 0: ZeroDivisionError"):
        env.step("wait")
    assert "cannot read step 0" in str(env.episodes[0].error)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("wait")


def test_a_reward_that_is_no_number_is_named_although_a_verifier_would_read_it() -> None:
    change = BAD["reward none"].change
    played = run(lambda: RecordVerifier(Misbehaving(change, tasks=(0, 1, 2)), lambda *_: 1.0))
    assert {episode.error for episode in played if len(episode) == 2 and not episode.success} == {
        "BatchError: The reward of step 2 is of type NoneType: it must be a finite number."
    }


@pytest.mark.parametrize("value", [None, NAN, "sure", Reading(INF), Reading("sure"), Reading(-1.0, "no"), (0.0,)])  # type: ignore[arg-type]
@pytest.mark.parametrize("at", [0, 3])
def test_a_believer_that_returns_no_reading_costs_its_episode(value: Any, at: int) -> None:
    def believer(env: gym.Env[str, str]) -> Any:
        points = iter(range(100))
        return lambda turn: value if next(points) == at else Reading(-1.0)

    for episode in run(lambda: RecordBelief(Corridor(), believer)):
        assert len(episode) < at or f"at point {at}" in str(episode.error)
        assert len(episode) <= max(at - 1, 0) or episode.error is None


def test_a_believer_that_raises_costs_its_episode_and_says_where() -> None:
    def believer(env: Any) -> Any:
        if env.unwrapped.task == 1:
            raise KeyError("corridor-2")
        return lambda turn: Reading(-1.0 / len(turn.observation[5:].replace("2", "")))

    errors = {str(episode.error) for episode in run(lambda: RecordBelief(Corridor(), believer))}
    assert "CreditGymError: The believer cannot read the start: KeyError: 'corridor-2'" in errors


@pytest.mark.parametrize("read", [lambda *_: [], lambda *_: None, lambda *_: [Reading(-1.0)], lambda *_: 1 / 0])
def test_a_postponed_believer_that_cannot_read_costs_its_episode(read: Any) -> None:
    class Late:
        def read(self, env: Any, turns: Any, /) -> Any:
            return read(env, turns)

    for episode in run(lambda: RecordBelief(Corridor(), Late(), postponed=True), episodes=3):
        assert "The believer" in str(episode.error)
        assert len(episode) > 0 or episode.observations


@pytest.mark.parametrize(
    "beliefs",
    [5, {"log_belief": (1.0,)}, {"log_belief": "x" * 9}, {"rewards": (0.0,) * 9}, {"log_belief": (INF,) * 9}, {1: ()}],
)
def test_columns_of_a_whole_episode_that_do_not_fit_cost_it_and_the_steps_stay(beliefs: Any) -> None:
    env = RecordEpisodes(Misbehaving(lambda result: result[-1].update(beliefs=beliefs)))
    env.reset(seed=1, options={"task": 2})
    for _ in range(8):
        env.step("wait")
    (episode,) = env.episodes
    assert 'info["beliefs"]' in str(episode.error)
    assert len(episode) == 8


@pytest.mark.parametrize(
    "parts",
    [
        {"logprobs": ["likely"]},
        {"token_ids": ["a"]},
        {"prompt_token_ids": [0.5]},
        {"messages": ["hello"]},
        {"usage": {"tokens": "many"}},
    ],
)
def test_an_answer_whose_parts_are_nonsense_costs_its_episode(parts: dict[str, Any]) -> None:
    class Odd(RandomAgent):
        def act(self, contexts: Any) -> list[str]:
            (context,) = contexts
            assert isinstance(context, Context)
            return [Action("wait", **parts) if context.step == 2 else "wait"]

    for episode in run(Corridor, Odd(), episodes=2):
        assert "of the action of step 2 is" in str(episode.error)
        assert episode.actions == ("wait", "wait")


def test_a_copy_that_pays_nonsense_costs_its_own_episode_in_a_vector_environment() -> None:
    for name in ("reward nan", "state key", "success text", "reward inf"):
        envs = VectorRecordEpisodes(SyncVectorEnv([Corridor, lambda: Misbehaving(BAD[name].change, tasks=(0, 1, 2))]))  # noqa: B023
        envs.reset(seed=3)
        ended: list[Episode] = []
        while len(ended) < 6:
            *_, infos = envs.step(["wait", "wait"])
            ended += [episode for episode in infos.get("episode", ()) if episode is not None]
        assert [episode.error is None for episode in ended] == [True, False] * 3
        assert all(BAD[name].says in str(episode.error) for episode in ended[1::2])


def test_credit_is_assigned_to_the_episodes_that_completed() -> None:
    env = AssignCredit(Misbehaving(BAD["reward nan"].change), scorer="outcome_only", group_size=3)
    info: dict[str, Any] = {}
    for task in (0, 2, 1):
        env.reset(seed=1, options={"task": task})
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step("forward" if task != 2 else "wait")
            over = terminated or truncated
    assert {target.episode_id for target in info["targets"]} == {"0", "2"}


def test_a_branch_of_a_replay_tree_that_pays_nonsense_fails_alone() -> None:
    class Forked(Misbehaving):
        def clone_state(self) -> Any:
            return self.stream, self.task, self.cell, self.steps

        def restore_state(self, state: Any) -> Any:
            self.stream, self.task, self.cell, self.steps = state
            return self._observe(0)

    for name in ("reward nan", "reward none", "state key"):
        tree = ReplayTree(Forked(BAD[name].change, tasks=(0, 1, 2)), RandomAgent(3), seed=1).grow(1)
        episodes = tree.episodes()
        assert any(episode.error for episode in episodes)
        assert all(episode.error is None or BAD[name].says in episode.error for episode in episodes)


_SOME_INFO = st.fixed_dictionaries(
    {},
    optional={
        "state_key": st.sampled_from(["here", "there"]),
        "verifier": st.sampled_from([0.0, 1.0, np.float64(0.5)]),
        "admissible_actions": st.lists(st.sampled_from(["go", "stay"]), max_size=2),
        "role": st.sampled_from(["one", "two"]),
        "invalid": st.booleans(),
        "success": st.booleans(),
    },
)


@given(st.lists(_SOME_INFO, min_size=1, max_size=6), st.booleans())
def test_what_infos_say_stands_where_they_said_it_and_gaps_where_they_did_not(infos, verified):
    recorder = Recorder("any", verifier=verified)
    recorder.start("seen 0", infos[0], seed=None)
    for step, info in enumerate(infos[1:], 1):
        recorder.add("go", f"seen {step}", 0.0, info)
    episode = recorder.finish(episode_id="0", group_id="0")
    replace(episode)  # checks the length of every column
    assert episode.error is None
    assert episode.state_keys == tuple(info.get("state_key", f"seen {step}") for step, info in enumerate(infos))
    assert episode.invalid == tuple(info.get("invalid", False) for info in infos[1:])
    roles = [info.get("role") for info in infos[:-1]]
    assert (episode.roles or ("",) * len(roles)) == tuple(role or "" for role in roles)
    readings = tuple(info.get("verifier", math.nan) for info in infos[1:])
    np.testing.assert_equal(episode.verifier, readings if verified else None)
