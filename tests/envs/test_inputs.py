"""What a caller gives an environment is right or refused in one sentence, the same for every id."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import pytest

from credit_gym.envs import TextEnv
from credit_gym.envs.inputs import check_actions
from credit_gym.envs.tabular.env import TabularEnv
from credit_gym.envs.tabular.stochastic import stochastic_model
from credit_gym.errors import OptionError, UnknownNameError
from credit_gym.registration import ENVIRONMENTS

if TYPE_CHECKING:
    from nowhere import Rope  # type: ignore[import-not-found]

IDS = [spec.id for spec in ENVIRONMENTS]
NATIVE = [spec.id for spec in ENVIRONMENTS if spec.vector_entry_point]
NO_TEXT = [None, 3, 2.5, True, b"look", bytearray(b"look"), ["look"], {"action": "look"}, np.int64(1)]
SENTENCE = r"^An action is text \(str\), not [^.]{0,90}(\d\.\d)?[^.]{0,90}\.$"

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("credit/Stochastic-v0", {"num_tasks": 0}, "num_tasks of stochastic must be a whole number in .1, inf., not 0"),
    ("credit/Stochastic-v0", {"num_tasks": "many"}, "must be a whole number"),
    ("credit/StochasticNoisy-v0", {"exploration": 2.0}, r"must be a number in .0, 1., not 2"),
    ("credit/Diagnostic-v0", {"task": ["selfloop"]}, "task of diagnostic must be a text"),
    ("credit/Diagnostic-v0", {"suite_seed": -1}, "must be a whole number in .0, inf., not -1"),
    ("credit/ALFWorld-v0", {"max_steps": -3}, "max_steps of ALFWorldEnv must be a whole number in .1, inf., not -3"),
    ("credit/ALFWorld-v0", {"num_tasks": 2.5}, "must be a whole number"),
    ("credit/ALFWorld-v0", {"signals": "yes"}, "must be true or false"),
    ("credit/WebShop-v0", {"max_steps": 0}, "must be a whole number"),
    ("credit/WebShop-v0", {"num_products": -1}, "must be a whole number in .1, inf. or none"),
    ("credit/WebShop-v0", {"num_prev_obs": -1}, "must be a whole number"),
    ("credit/TeamGame-v0", {"roles": 0}, "must be a whole number"),
    ("credit/TeamGame-v0", {"coupling": float("nan")}, "that is finite"),
    ("credit/TwentyQuestions-v0", {"turns": 0}, "turns of TwentyQuestionsEnv must be a whole number"),
    ("credit/GuessMyCity-v0", {"num_tasks": True}, "must be a whole number"),
    ("credit/MurderMystery-v0", {"attempts": 0}, "must be a whole number"),
    ("credit/CustomerService-v0", {"attempts": -1}, "must be a whole number"),
    ("credit/Personalization-v0", {"questions": 0}, "must be a whole number"),
    ("credit/Tau2-v0", {"max_errors": 0}, "must be a whole number"),
    ("credit/Tau2-v0", {"solo": 1}, "must be true or false"),
    ("credit/MultiAgentMath-v0", {"num_problems": 0}, "must be a whole number"),
    ("credit/MultiAgentCode-v0", {"problem_seed": -1}, "must be a whole number"),
    ("credit/WhoAndWhen-v0", {"num_tasks": -5}, "must be a whole number"),
    ("credit/WhoAndWhen-v0", {"split": 1}, "must be a text"),
]


@pytest.mark.parametrize(("env_id", "arguments", "sentence"), WRONG)
def test_an_argument_of_another_type_or_range_is_refused(env_id: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence) as refused:
        gym.make(env_id, **arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("env_id", NATIVE)
def test_a_native_vector_environment_refuses_the_same_arguments(env_id: str) -> None:
    mode = "vector_entry_point"
    for env, arguments, sentence in WRONG:
        if env == env_id and "signals" not in arguments:
            with pytest.raises(OptionError, match=sentence.replace("ALFWorldEnv", "ALFWorldVectorEnv")):
                gym.make_vec(env_id, 2, vectorization_mode=mode, **arguments)
    with pytest.raises(OptionError, match="num_envs"):
        gym.make_vec(env_id, 0, vectorization_mode=mode)


@pytest.mark.parametrize("env_id", IDS)
def test_an_argument_that_does_not_exist_is_refused_with_those_that_do(env_id: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"There is no option of .* called 'render_moed'; did you mean render_mode"
    ):
        gym.make(env_id, render_moed="ansi")


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("action", NO_TEXT, ids=repr)
def test_what_is_no_text_is_no_action_and_moves_nothing(env_id: str, action: Any) -> None:
    env: Any = gym.make(env_id)
    env.reset(seed=3)
    before = env.unwrapped.clone_state()
    with pytest.raises(gym.error.InvalidAction, match=SENTENCE):
        env.step(action)
    assert env.unwrapped.clone_state() == before


@pytest.mark.parametrize("env_id", IDS)
def test_options_that_do_not_exist_are_refused(env_id: str) -> None:
    env = gym.make(env_id)
    with pytest.raises(UnknownNameError, match=r"no option of reset\(\) called 'tsk'; did you mean task\?"):
        env.reset(seed=0, options={"tsk": 0})
    with pytest.raises(UnknownNameError):
        env.reset(seed=0, options={0: 0})  # type: ignore[dict-item]
    with pytest.raises(gym.error.Error, match="are a mapping"):
        env.reset(seed=0, options=["task"])  # type: ignore[arg-type]
    for task in (-1, 10**9, True, 1.0):
        with pytest.raises(gym.error.Error, match=r'options\["task"\] must be an? '):
            env.reset(seed=0, options={"task": task})
    first = env.reset(seed=0, options={"task": 1})
    assert env.reset(seed=0, options={"task": np.int64(1)}) == first
    assert env.reset(seed=0, options={}) == env.reset(seed=0)


@pytest.mark.parametrize("env_id", NATIVE)
@pytest.mark.parametrize(
    "actions",
    [None, "ab", b"ab", 3, ["look"], ["look", None], [None, "look"], [b"a", b"b"], ["look", 0], [0, "look"],
     [True, False], [0.0, 1.0], np.array([0.0, 1.0]), frozenset({"look"})],
    ids=repr,
)  # fmt: skip
def test_a_native_vector_environment_takes_n_texts_or_n_integers(env_id: str, actions: Any) -> None:
    envs = gym.make_vec(env_id, 2, vectorization_mode="vector_entry_point")
    envs.reset(seed=0)
    with pytest.raises(gym.error.InvalidAction, match=r"^[^\n]*\.$"):
        envs.step(actions)
    for right in (["hm", "ho"], ("hm", "ho"), np.array(["hm", "ho"]), np.array(["hm", "ho"], dtype=object), [0, 1],
                  np.array([0, 1])):  # fmt: skip
        envs.step(right)


@pytest.mark.parametrize("env_id", NATIVE)
def test_a_native_vector_environment_refuses_options_as_the_others_do(env_id: str) -> None:
    envs = gym.make_vec(env_id, 2, vectorization_mode="vector_entry_point")
    with pytest.raises(UnknownNameError, match="did you mean task"):
        envs.reset(seed=0, options={"tsk": 0})
    for task in (-1, [0, 10**9], [0], True, [0.0, 1.0], "0", None):
        with pytest.raises(gym.error.Error, match=r'options\["task"\] must be '):
            envs.reset(seed=0, options={"task": task})
    for right in (1, [0, 1], np.array([0, 1])):
        envs.reset(seed=0, options={"task": right})


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_async_environments_refuse_shared_memory_and_else_say_what_sync_ones_say(env_id: str) -> None:
    with pytest.raises(gym.error.Error, match=r'vector_kwargs={"shared_memory": False}'):
        gym.make_vec(env_id, num_envs=2, vectorization_mode="async")
    kept = {"shared_memory": False}
    ours = gym.make_vec(env_id, num_envs=2, vectorization_mode="async", vector_kwargs=kept)
    theirs = gym.make_vec(env_id, num_envs=2, vectorization_mode="sync")
    try:
        assert ours.reset(seed=3)[0] == theirs.reset(seed=3)[0]
        assert ours.step(("hm", "look"))[0] == theirs.step(("hm", "look"))[0]
    finally:
        ours.close()


class Own(TextEnv):
    """An environment of somebody else's, with an option of its own."""

    reset_options = ("level",)

    def __init__(self, length: int = 2, rope: str | None = None) -> None:
        super().__init__()
        self.length = length

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        self.seed_episode(seed)
        return str((options or {}).get("level", 0)), {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        return action, 0.0, False, False, {}


def test_other_peoples_environments_are_checked_too_and_may_have_options_of_their_own() -> None:
    assert Own(3).reset(seed=0, options={"level": 4})[0] == "4"
    with pytest.raises(UnknownNameError, match="did you mean level"):
        Own().reset(seed=0, options={"levle": 4})
    with pytest.raises(OptionError, match="length of Own must be a whole number"):
        Own("long")  # type: ignore[arg-type]
    with pytest.raises(gym.error.InvalidAction):
        Own().step(None)  # type: ignore[arg-type]


def test_what_only_type_checkers_can_read_is_not_checked() -> None:
    class Loose(Own):
        def __init__(self, rope: Rope | None = None, length: int = 1) -> None:
            super().__init__()
            self.rope = rope

    assert Loose(rope=5, length=None).rope == 5  # type: ignore[arg-type]


def test_actions_of_a_thousand_copies_are_looked_at_within_a_millisecond() -> None:
    actions = ["look"] * 1000
    start = time.process_time()
    for _ in range(20):
        check_actions(actions, 1000)
    assert (time.process_time() - start) / 20 < 1e-3


def test_a_step_that_refuses_by_itself_is_marked_alone_and_its_heirs_are_checked() -> None:
    class Heir(TabularEnv):
        def step(self, action: str) -> Any:
            return action.upper()

    env = Heir(stochastic_model())
    env.reset(seed=0)
    before = env.clone_state()
    for step in (env.step, partial(TabularEnv.step, env)):
        for wrong in NO_TEXT:
            with pytest.raises(gym.error.InvalidAction, match=SENTENCE):
                step(wrong)  # type: ignore[arg-type]
    assert env.clone_state() == before
    assert env.step("look") == "LOOK"
