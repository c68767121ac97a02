"""Credit as an OpenEnv rubric, inside an OpenEnv environment and through its own hooks."""

from __future__ import annotations

from functools import partial

import gymnasium as gym
import pytest
from openenv.core.rubrics.trajectory import TrajectoryRubric

import credit_gym as cg
from credit_gym.errors import CreditGymError, OptionError, UnknownNameError
from credit_gym.scorers import names
from credit_gym.wrappers.doors.credit_rubric import CreditRubric
from credit_gym.wrappers.doors.finished_episodes import FinishedEpisodes
from credit_gym.wrappers.doors.openenv_models import CreditAction, CreditObservation
from credit_gym.wrappers.doors.openenv_server import CreditEnvironment
from credit_gym.wrappers.doors.served_session import ServedGame
from credit_gym.wrappers.doors.served_tasks import ServedTasks

GAME = ServedGame("credit/Stochastic-v0", lambda: cg.RecordVerifier(gym.make("credit/Stochastic-v0")))


def played(rubric: CreditRubric, seed: int, task: int = 3) -> tuple[CreditEnvironment, list[float]]:
    """An environment at the end of an episode, and the rewards of its steps."""
    env = CreditEnvironment(GAME, ServedTasks(GAME), lambda: rubric)
    observation: CreditObservation = env.reset(seed=seed, index=task)
    rewards: list[float] = []
    while not observation.done:
        offered = observation.admissible_actions
        observation = env.step(CreditAction(text=offered[(3 * len(rewards) + seed) % len(offered)]))
        rewards.append(observation.reward)
    return env, rewards


def test_the_score_of_an_episode_is_its_return_and_each_step_has_a_credit() -> None:
    rubric = CreditRubric("mc")
    assert isinstance(rubric, TrajectoryRubric)
    env, rewards = played(rubric, seed=1)
    assert rubric.last_score == pytest.approx(sum(rewards))
    assert env.rubric is rubric
    credits = rubric.compute_step_rewards()
    assert len(credits) == len(rubric.trajectory) == len(rewards)


@pytest.mark.parametrize("scorer", names())
def test_every_scorer_credits_or_says_what_it_lacks(scorer: str) -> None:
    finished = FinishedEpisodes()
    rubrics = [CreditRubric(scorer, finished=finished) for _ in range(4)]
    lengths = [len(played(rubric, seed)[1]) for seed, rubric in enumerate(rubrics)]
    for rubric, length in zip(rubrics, lengths, strict=True):
        try:
            credits = rubric.compute_step_rewards()
        except CreditGymError as lacking:
            credits, said = [0.0] * length, str(lacking)
            assert said.endswith((".", "?"))
        assert len(credits) == length


def test_a_group_is_the_last_episodes_of_a_task_whoever_played_them() -> None:
    finished = FinishedEpisodes(group_size=3)
    make = partial(CreditRubric, "grpo", finished=finished)
    first = make()
    played(first, seed=0)
    alone = first.compute_step_rewards()
    assert set(alone) == {0.0}  # a group of one has nothing to compare
    others = [make() for _ in range(6)]
    for seed, rubric in enumerate(others, 1):
        played(rubric, seed, task=3 if seed != 4 else 5)
    credits = [rubric.compute_step_rewards() for rubric in others]
    assert any(set(each) != {0.0} for each in credits)
    assert set(credits[3]) == {0.0}  # the only one of its task


def test_steps_are_credited_when_their_episode_is_over() -> None:
    rubric = CreditRubric()
    env = CreditEnvironment(GAME, ServedTasks(GAME), lambda: rubric)
    with pytest.raises(CreditGymError, match="when their episode is over"):
        rubric.compute_step_rewards()
    observation = env.reset(seed=0)
    env.step(CreditAction(text=observation.admissible_actions[0]))
    with pytest.raises(CreditGymError, match="when their episode is over"):
        rubric.compute_step_rewards()
    assert env.state.credits is None


def test_what_a_fork_plays_is_recorded_from_its_beginning() -> None:
    rubric = CreditRubric("mc")
    env = CreditEnvironment(GAME, ServedTasks(GAME), lambda: rubric)
    observation = env.reset(seed=2)
    observation = env.step(CreditAction(text=observation.admissible_actions[0]))
    name = env.step(CreditAction(text="", metadata={"clone": True})).metadata["snapshot"]
    for _ in range(2):
        observation = env.reset(snapshot=name)
        while not observation.done:
            observation = env.step(CreditAction(text=observation.admissible_actions[0]))
        assert len(observation.metadata["credits"]) == env.state.step_count
        assert observation.metadata["credits"] == env.state.credits


def test_options_are_checked_before_anything_is_played() -> None:
    with pytest.raises(UnknownNameError, match="did you mean gigpo"):
        CreditRubric("gigpoo")
    with pytest.raises(UnknownNameError):
        CreditRubric("gigpo", discout=0.9)
    with pytest.raises(OptionError):
        CreditRubric("gigpo", discount="much")
