import math
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from builders.corridor import Corridor
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.core import Action
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import CreditGymError, MissingColumnError, UnknownNameError
from credit_gym.scorers import score
from credit_gym.wrappers import AssignCredit, RecordEpisodes, RecordVerifier
from credit_gym.wrappers.vector import RecordEpisodes as VectorRecordEpisodes

ACTIONS = ["forward", "wait", "back", "dance"]


def play(env, actions, *, seed=None, task=0):
    """Play until the actions or the episode end; return what passed."""
    observation, info = env.reset(seed=seed, options={"task": task})
    passed = [(None, observation, 0.0, info)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        passed.append((action, observation, reward, info))
        if terminated or truncated:
            break
    return passed


def walk(env, **options):
    return play(env, ["forward"] * 8, **options)


@given(
    actions=st.lists(st.sampled_from(ACTIONS), min_size=8, max_size=8), seed=st.integers(0, 99), task=st.integers(0, 2)
)
def test_the_record_is_what_was_played(actions, seed, task):
    passed = play(RecordEpisodes(RecordVerifier(Corridor())), actions, seed=seed, task=task)
    infos = [info for *_, info in passed]
    record = infos[-1].pop("episode")
    assert record.actions == tuple(action for action, *_ in passed[1:])
    assert record.observations == tuple(observation for _, observation, *_ in passed)
    assert record.rewards == tuple(reward for _, _, reward, _ in passed[1:])
    assert record.state_keys == tuple(info["state_key"] for info in infos)
    assert record.verifier == tuple(info["verifier"] for info in infos[1:])
    assert record.invalid == tuple(action == "dance" for action in record.actions)
    assert record.admissible_actions == (("forward", "wait", "back"),) * len(record)
    assert record.expert_actions == (("forward",),) * len(record)
    assert (record.task_id, record.goal, record.seed) == (f"corridor-{task + 1}", "Reach the end.", seed)
    assert record.success is infos[-1]["success"]
    assert record.terminated is record.success
    assert record.truncated is not record.success


def test_changing_an_info_after_the_step_does_not_change_the_record():
    env = RecordEpisodes(Corridor())
    for *_, info in walk(env, seed=0):
        info["admissible_actions"].clear()
    assert env.episodes[0].admissible_actions[0] == ("forward", "wait", "back")


def test_a_time_limit_on_the_last_step_does_not_undo_the_end():
    env = RecordEpisodes(gym.wrappers.TimeLimit(Corridor(), 1))
    seed = next(s for s in range(20) if walk(env, seed=s)[-1][2] == 1.0)
    walk(env, seed=seed)
    assert (env.episodes[-1].terminated, env.episodes[-1].truncated) == (True, False)


def test_a_step_after_the_end_asks_for_a_reset():
    env = RecordEpisodes(Corridor())
    walk(env, seed=0)
    with pytest.raises(gym.error.ResetNeeded):
        env.step("forward")


def test_an_episode_left_early_is_dropped():
    env = RecordEpisodes(Corridor())
    play(env, ["wait"], seed=0)
    walk(env, seed=1)
    assert [episode.seed for episode in env.episodes] == [1]


def test_every_completed_episode_reaches_the_sink_and_only_the_last_ones_stay():
    seen = []
    env = RecordEpisodes(Corridor(), seen.append, keep=2)
    for seed in range(5):
        walk(env, seed=seed)
    assert [episode.seed for episode in seen] == [0, 1, 2, 3, 4]
    assert env.episodes == seen[-2:]


def test_episodes_of_one_task_form_groups():
    env = RecordEpisodes(Corridor(), group_size=4)
    for task in (0, 0, 0, 0, 1, 2, 1, 2):
        walk(env, seed=0, task=task)
    groups = [episode.group_id for episode in env.episodes]
    assert [groups.index(group) for group in groups] == [0, 0, 0, 0, 4, 5, 4, 5]


def test_an_action_that_carries_more_than_text_leaves_it_in_the_record():
    asked = ({"role": "user", "content": "cell 0"},)
    action = Action("wait", messages=asked, logprobs=(-0.5, -0.25), token_ids=(3, 4), usage={"tokens": 2})
    env = RecordEpisodes(Corridor())
    play(env, [action, "wait", action, *["wait"] * 5], seed=0)
    record = env.episodes[0]
    assert {type(a) for a in record.actions} == {str}
    assert record.messages == (asked, (), asked, *[()] * 5)
    assert record.policy_logprobs == ((-0.5, -0.25), (), (-0.5, -0.25), *[()] * 5)
    assert record.usage == {"tokens": 4}


# RecordVerifier


def test_a_verifier_of_ones_own_sees_the_whole_transition_and_replaces_the_built_in_one():
    seen = []

    def moved(observation, action, next_observation, reward, info):
        seen.append((observation, action, next_observation, reward))
        return float(observation != next_observation)

    env = RecordEpisodes(RecordVerifier(Corridor(), moved))
    passed = play(env, ["forward", "back", "forward", "forward", "wait", "back", "back", "wait"], seed=5, task=2)
    record = env.episodes[0]
    assert seen == list(zip(record.observations, record.actions, record.observations[1:], record.rewards, strict=False))
    assert record.verifier == tuple(
        float(a != b) for a, b in zip(record.observations, record.observations[1:], strict=False)
    )
    assert [info["verifier"] for *_, info in passed] == [0.0, *record.verifier]


def test_no_reading_is_nan_and_not_zero():
    env = RecordEpisodes(RecordVerifier(Corridor(), lambda *transition: None if transition[1] == "wait" else 1.0))
    play(env, ["wait", "back", *["wait"] * 6], seed=0)
    verifier = env.episodes[0].verifier
    assert [t for t, reading in enumerate(verifier) if math.isnan(reading)] == [0, 2, 3, 4, 5, 6, 7]


def test_without_record_verifier_there_is_no_verifier_column():
    env = RecordEpisodes(Corridor())
    walk(env, seed=0)
    assert env.episodes[0].verifier is None


# AssignCredit


def test_every_step_of_an_episode_gets_a_target_at_its_end():
    env = AssignCredit(RecordVerifier(Corridor()), scorer="branch_aware")
    *before, (*_, last) = walk(env, seed=3, task=2)
    assert not any("targets" in info for *_, info in before)
    assert [target.step for target in last["targets"]] == list(range(len(before)))


def test_targets_are_those_of_the_recorded_episodes():
    env = AssignCredit(RecordEpisodes(RecordVerifier(Corridor()), group_size=3), scorer="combined", group_size=3)
    ends = [walk(env, seed=seed, task=1)[-1][-1] for seed in range(6)]
    assert ["targets" in info for info in ends] == [False, False, True] * 2
    episodes = [info["episode"] for info in ends]
    assert ends[2]["targets"] == build_targets(episodes[:3], "combined")
    assert ends[5]["targets"] == build_targets(episodes[3:], "combined")


def test_the_default_scorer_sees_the_episodes_of_all_groups_as_one_batch():
    env = AssignCredit(RecordVerifier(Corridor()), group_size=48)
    ways = (["forward"] * 8, ["back"] * 8, ["wait", *["forward"] * 8]) * 8
    passed = [play(env, actions, seed=seed, task=seed // 24)[-1][3] for seed, actions in enumerate(ways * 2)]
    targets, episodes = passed[-1]["targets"], [info["episode"] for info in passed]
    assert all("targets" not in info for info in passed[:-1])
    assert len({episode.group_id for episode in episodes}) == 2
    together = score(EpisodeBatch.from_episodes(episodes), "evidence_lambda")
    assert [target.credit for target in targets] == together.tolist()
    alone = [score(EpisodeBatch.from_episodes(each), "evidence_lambda") for each in (episodes[:24], episodes[24:])]
    # What one group says of the verifier counts in the other.
    assert together.tolist() != np.concatenate(alone).tolist()


def test_options_reach_the_scorer():
    plain, weighted = (
        AssignCredit(RecordVerifier(Corridor()), "combined", **options) for options in ({}, {"lambda_": 3.0})
    )
    *_, info = walk(plain, seed=3)[-1]
    *_, weighted_info = walk(weighted, seed=3)[-1]
    assert [t.credit * 3 for t in info["targets"]] == [t.credit for t in weighted_info["targets"]]


def test_an_unknown_scorer_fails_at_construction():
    with pytest.raises(UnknownNameError, match="adaptive_q"):
        AssignCredit(Corridor(), scorer="adaptiv_q")


def test_a_scorer_without_its_column_names_the_wrapper_that_records_it():
    env = AssignCredit(Corridor(), scorer="branch_aware")
    with pytest.raises(MissingColumnError, match="RecordVerifier"):
        walk(env, seed=0)


def test_two_group_sizes_in_one_stack_are_refused():
    with pytest.raises(CreditGymError, match="same group_size"):
        AssignCredit(RecordEpisodes(Corridor(), group_size=2), group_size=3)


def test_a_batch_of_recorded_episodes_has_what_a_scorer_reads():
    env = RecordEpisodes(RecordVerifier(Corridor()), group_size=2)
    for seed in range(4):
        walk(env, seed=seed, task=1)
    batch = EpisodeBatch.from_episodes(env.episodes)
    assert batch.group.tolist() == [0, 0, 1, 1]
    assert batch.require("verifier").shape == (batch.num_steps,)


# The stack


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
def test_the_stack_passes_gymnasiums_checker():
    check_env(AssignCredit(RecordEpisodes(RecordVerifier(Corridor()))), skip_render_check=True)


def test_the_stack_can_be_rebuilt_from_its_spec():
    gym.register("test/Corridor-v0", Corridor, disable_env_checker=True)
    try:
        env = AssignCredit(RecordVerifier(gym.make("test/Corridor-v0")), "combined", 2, lambda_=2.0)
        again = gym.make(env.spec)
        assert str(again) == str(env)
        assert (again.scorer, again.group_size, again.options) == ("combined", 2, {"lambda_": 2.0})
    finally:
        del gym.registry["test/Corridor-v0"]


# Vector environments


def test_a_vector_environment_records_what_single_ones_would():
    vector = gym.vector.SyncVectorEnv([Corridor] * 3)
    env = VectorRecordEpisodes(vector, keep=100)
    env.reset(seed=11)
    ended = []
    for _ in range(40):
        *_, infos = env.step(["forward", "wait", "forward"])
        ended += [] if "episode" not in infos else list(infos["episode"][infos["_episode"]])
    assert env.episodes == ended
    singles = [RecordEpisodes(RecordVerifier(Corridor())) for _ in range(3)]
    for copy, (single, action) in enumerate(zip(singles, ["forward", "wait", "forward"], strict=True)):
        steps = 0
        while steps < 40:  # the step after an end is the reset
            single.reset(seed=11 + copy if steps == 0 else None)
            steps += steps > 0
            over = False
            while not over and steps < 40:
                _, _, terminated, truncated, _ = single.step(action)
                steps, over = steps + 1, terminated or truncated
    alone = [episode for single in singles for episode in single.episodes]

    def content(episode):
        return repr(replace(episode, env_id="", episode_id="", group_id=""))

    assert sorted(map(content, ended)) == sorted(map(content, alone))
    assert len({episode.seed for episode in ended}) == 4  # three seeded first episodes, and None for the later ones


def test_a_vector_environment_that_resets_otherwise_is_refused():
    vector = gym.vector.SyncVectorEnv([Corridor], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    with pytest.raises(CreditGymError, match="NEXT_STEP"):
        VectorRecordEpisodes(vector)


def test_the_native_vector_environment_is_recorded_like_a_single_one():
    env = VectorRecordEpisodes(gym.make_vec("credit/Stochastic-v0", num_envs=4))
    single = RecordEpisodes(RecordVerifier(gym.make("credit/Stochastic-v0")))
    _, infos = env.reset(seed=3, options={"task": 2})
    while not env.episodes:
        *_, infos = env.step([actions[0] for actions in infos["admissible_actions"]])
    record = env.episodes[0]
    single.reset(seed=record.seed, options={"task": 2})
    for action in record.actions:
        single.step(action)
    (alone,) = single.episodes
    assert alone == record
