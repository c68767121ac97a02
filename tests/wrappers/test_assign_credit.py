"""AssignCredit: one scorer or several, on one environment or on many copies."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
from builders.corridor import Corridor

from credit_gym.credit.assign import build_targets
from credit_gym.data.target import TrainingTarget
from credit_gym.errors import CreditGymError, OptionError, UnknownNameError
from credit_gym.wrappers import AssignCredit, RecordEpisodes, RecordVerifier
from credit_gym.wrappers.vector import AssignCredit as VectorAssignCredit
from credit_gym.wrappers.vector import RecordEpisodes as VectorRecordEpisodes
from credit_gym.wrappers.vector import split_infos


def copies(count: int = 3) -> gym.vector.VectorEnv[Any, Any, Any]:
    return gym.vector.SyncVectorEnv([Corridor] * count)


def last_info(env: gym.Env[str, str], seed: int) -> dict[str, Any]:
    env.reset(seed=seed, options={"task": 1})
    while True:
        *_, terminated, truncated, info = env.step("forward")
        if terminated or truncated:
            return info


def numbers(targets: list[TrainingTarget]) -> tuple[float, ...]:
    return tuple(target.credit for target in targets)


def test_several_scorers_credit_the_same_steps_and_the_targets_are_those_of_the_first() -> None:
    wanted: dict[str, dict[str, Any]] = {"gae": {"lam": 0.5}, "grpo": {}, "branch_aware": {}}
    env = AssignCredit(RecordEpisodes(RecordVerifier(Corridor()), group_size=3), wanted, group_size=3)
    *_, info = (last_info(env, seed) for seed in range(3))
    episodes = env.env.episodes  # type: ignore[attr-defined]
    each = {name: build_targets(episodes, name, **options) for name, options in wanted.items()}
    assert info["targets"] == each["gae"]
    assert list(info["credits"]) == list(wanted)
    assert info["credits"] == {name: numbers(targets) for name, targets in each.items()}


def test_a_list_of_scorers_shares_its_options() -> None:
    env = AssignCredit(RecordVerifier(Corridor()), ["gae", "mc"], discount=0.5)
    info = last_info(env, 0)
    for name in ("gae", "mc"):
        assert info["credits"][name] == numbers(build_targets([info["episode"]], name, discount=0.5))


@pytest.mark.parametrize("make", [AssignCredit, VectorAssignCredit])
@pytest.mark.parametrize(
    ("scorer", "options", "error"),
    [
        ("gae", {"lamb": 0.9}, UnknownNameError),
        ("gae", {"lam": 2.0}, OptionError),
        (["grpo", "gae"], {"lam": 0.9}, UnknownNameError),
        ({"grpo": {}, "gae": {"lamb": 0.9}}, {}, UnknownNameError),
        (["grpo", "gea"], {}, UnknownNameError),
        (["grpo", "grpo"], {}, CreditGymError),
        ([], {}, CreditGymError),
    ],
)
def test_what_is_wrong_with_scorers_and_options_is_said_at_once(
    make: Any, scorer: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    env = Corridor() if make is AssignCredit else copies()
    with pytest.raises(error):
        make(env, scorer, **options)


def test_one_wrapper_around_another_is_refused_and_says_how_to_have_both() -> None:
    with pytest.raises(CreditGymError, match="give one of them all scorers"):
        AssignCredit(AssignCredit(Corridor(), "grpo"), "gae")
    with pytest.raises(CreditGymError, match="give one of them all scorers"):
        VectorAssignCredit(VectorAssignCredit(copies(), "grpo"), "gae")


def test_copies_are_credited_as_their_episodes_are_alone() -> None:
    envs = VectorAssignCredit(VectorRecordEpisodes(copies(4)), {"gae": {"lam": 0.5}, "mc": {}})
    envs.reset(seed=5)
    seen = 0
    for _ in range(30):
        *_, infos = envs.step(["forward", "wait", "forward", "back"])
        for info in split_infos(infos, 4):
            assert ("targets" in info) == ("credits" in info) == ("episode" in info)
            if "episode" in info:
                seen += 1
                assert info["targets"] == build_targets([info["episode"]], "gae", lam=0.5)
                assert info["credits"]["mc"] == numbers(build_targets([info["episode"]], "mc"))
    assert seen >= 8


def test_the_copy_that_completes_a_batch_has_the_targets_of_all_its_episodes() -> None:
    envs = VectorAssignCredit(gym.make_vec("credit/Stochastic-v0", num_envs=8), group_size=4)
    recorded = envs.env
    recorded._archive.episodes = []  # type: ignore[attr-defined] # it keeps none by itself
    _, infos = envs.reset(seed=3, options={"task": 2})
    batches = []
    while len(batches) < 4:
        offered = [actions[0] if actions else "" for actions in infos["admissible_actions"]]
        *_, infos = envs.step(offered)
        batches += [info["targets"] for info in split_infos(infos, 8) if "targets" in info]
    episodes = recorded.episodes  # type: ignore[attr-defined]
    for number, targets in enumerate(batches):
        assert targets == build_targets(episodes[4 * number : 4 * number + 4])


def test_gymnasiums_vectorisation_of_single_wrappers_says_the_same() -> None:
    ours = VectorAssignCredit(copies(), ["gae", "mc"])
    theirs = gym.vector.SyncVectorEnv([lambda: AssignCredit(RecordVerifier(Corridor()), ["gae", "mc"])] * 3)
    for envs in (ours, theirs):
        envs.reset(seed=11)
    for _ in range(30):
        actions = ["forward", "wait", "forward"]
        (*_, mine), (*_, other) = ours.step(actions), theirs.step(actions)
        split = zip(split_infos(mine, 3), split_infos(other, 3), strict=True)
        assert all(one.get("credits") == two.get("credits") for one, two in split)


def test_two_group_sizes_in_one_vector_stack_are_refused() -> None:
    with pytest.raises(CreditGymError, match="same group_size"):
        VectorAssignCredit(VectorRecordEpisodes(copies(), group_size=2), group_size=3)
