"""Twenty Questions and Guess My City: rules, rewards and exact beliefs."""

from __future__ import annotations

import json
import math

import gymnasium as gym
import pytest
from builders.question_games import (
    CANDIDATE_GAMES,
    begin_with,
    nouns_env,
    play_expert,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.information.guess_my_city import GuessMyCityEnv
from credit_gym.envs.information.reward import UPSTREAM, broadcast
from credit_gym.envs.information.twenty_questions import TwentyQuestionsEnv, form_fault, says_exactly
from credit_gym.errors import CreditGymError

ENVS = CANDIDATE_GAMES


# States and options


@pytest.mark.parametrize("make", ENVS)
def test_the_state_is_the_secret_with_what_was_answered(make):
    env = make()
    _, info = env.reset(seed=1)
    start, (a, b) = info["state_key"], info["admissible_actions"][:2]
    orders = []
    for order in ((a, b), (b, a)):
        env.reset(seed=1)
        orders.append([env.step(action)[4]["state_key"] for action in order])
    assert orders[0][1] == orders[1][1]
    assert len({start, orders[0][0], orders[1][0], orders[0][1]}) == 4
    assert env.step("nonsense")[4]["state_key"] == orders[0][1]
    assert env.step(a)[4]["state_key"] == orders[0][1]
    other = env.reset(options={"task": (env.tasks.index(env.task) + 1) % env.num_tasks})[1]["state_key"]
    assert other != start


@pytest.mark.parametrize("make", ENVS)
def test_nothing_in_info_tells_the_secret(make):
    env = make()
    for task in range(0, env.num_tasks, 7):
        observation, info = env.reset(seed=0, options={"task": task})
        shown = json.dumps([observation, info["task"], info["kind"], info["expert_actions"]]).lower()
        assert env.target.split(",")[0].lower() not in shown


@pytest.mark.parametrize("make", ENVS)
def test_a_game_needs_turns_and_a_task_that_exists(make):
    with pytest.raises(CreditGymError, match=r"turns of .* must be a whole number"):
        make(turns=0)
    with pytest.raises(gym.error.Error, match="must be an integer from 0"):
        make().reset(options={"task": -1})


@given(st.lists(st.text(max_size=40), max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_action_crashes_a_game(actions):
    for env in (TwentyQuestionsEnv(), TwentyQuestionsEnv(mode="upstream"), GuessMyCityEnv()):
        env.reset(seed=0)
        for action in actions:
            _, _, terminated, truncated, info = env.step(action)
            assert not terminated
            assert not truncated
            assert info["verifier"] >= 0.0


# The published rules


VERIFIED = {
    ("won", "won"): ("is it tiger?", "Is it a TIGER?", "is it a tiger?\n"),
    ("won", "answered"): ("is it tigers?",),
    ("invalid", "won"): ("is it related to a tiger?", "is it 7tiger?"),
    ("invalid", "invalid"): (
        *("tiger", "?", "flurb blob?", "is it a cat? a dog?", "is it a\ntiger?", "is it a tiger-like animal?"),
        "is it " + "very " * 100 + "tiger?",
    ),
    ("answered", "answered"): ("is it alive?",),
}
"""Kinds of turn in the modes ``default`` and ``upstream``: what is asked where the secret is a tiger."""


@pytest.mark.parametrize(
    ("action", "default", "upstream"), [(action, *kinds) for kinds, actions in VERIFIED.items() for action in actions]
)
def test_the_verification_table(action, default, upstream):
    for mode, kind in (("default", default), ("upstream", upstream)):
        observation, _, terminated, _, info = nouns_env("tiger", mode=mode).step(action)
        assert info["kind"] == kind, mode
        assert terminated == (kind == "won")
        assert info["invalid"] == (kind == "invalid")
        if kind in ("won", "answered"):
            assert observation == ("finished" if kind == "won" else "yes")


def test_which_rule_of_form_is_broken():
    faults = {"x" * 501 + "?": "length", "a": "length", "is it": "question", "a? b?": "multiple_questions"}
    assert {text: form_fault(text) for text in faults} == faults
    assert form_fault("is\x85it?") == form_fault("a\u2028b?") == "sentence"
    assert form_fault("Is it a tiger?") is None


def test_the_exact_rule_deletes_digits_and_signs_but_keeps_hyphens():
    assert says_exactly("Is it 'e-mail'?", "e-mail")
    assert says_exactly("Is it tiger2?", "tiger")
    assert not says_exactly("Is it tiger-like?", "tiger")
    assert not says_exactly("Is it tigers?", "tiger")


def test_repeats_are_noticed_in_any_wording_and_tell_nothing():
    env = nouns_env("tiger")
    assert env.step("Is it alive?")[0] == "yes"
    for wording in ("Is it a living thing?", "Is it inanimate?", "is it alive?"):
        observation, _, _, _, info = env.step(wording)
        assert "already asked" in observation
        assert info["repeated"]
        assert not info["invalid"]
        assert info["verifier"] == 0.0


def test_winning_guess_beats_repetition_and_a_lost_guess_counts():
    env = nouns_env("tiger")
    observation, reward, terminated, _, info = env.step("Is it a lion?")
    assert (observation, reward, terminated) == ("no", 0.0, False)
    n = env.candidates.bit_count()
    assert info["verifier"] == pytest.approx(math.log(n / (n - 1)))
    _, reward, terminated, truncated, info = env.step("Is it a tiger?")
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)


def test_a_game_ends_at_the_limit():
    env = nouns_env("tiger", turns=3)
    for number in range(3):
        _, reward, terminated, truncated, info = env.step("Is it alive?")
        assert truncated == (number == 2)
        assert not terminated
        assert reward == 0.0
    assert info["success"] is False
    with pytest.raises(gym.error.ResetNeeded):
        env.step("Is it a tiger?")


IN_LIMA = {
    ("won", "Goal reached"): ("Is it Lima, Peru?", "Is it Lima?"),
    ("answered", "Yes."): ("Is it Peru?", "Is it Lima or Quito?"),
    ("answered", "No."): ("Is it Lima, Chile?", "Is it in Asia?"),
    ("answered", "It is in South America."): ("What continent is it on?",),
    ("invalid", "will not tell you the name"): ("What is the name of the city?", "Which country is it in?"),
    ("invalid", "one question at a time"): ("Is it big? Is it old?",),
    ("invalid", "did not understand"): ("Do you like it there?",),
}
"""Kind and text of an answer: what it answers."""


@pytest.mark.parametrize(
    ("action", "kind", "text"), [(action, *answer) for answer, actions in IN_LIMA.items() for action in actions]
)
def test_guess_my_city_by_the_rules(action, kind, text):
    env = GuessMyCityEnv("all")
    begin_with(env, "Lima, Peru")
    observation, _, terminated, _, info = env.step(action)
    assert info["kind"] == kind
    assert text in observation
    assert terminated == (kind == "won")


def test_upstream_shows_city_answers_without_case_and_punctuation():
    env = GuessMyCityEnv("all", mode="upstream")
    begin_with(env, "Lima, Peru")
    assert env.step("What continent is it on?")[0] == "it is in south america"


# Rewards


def test_outcome_pays_one_for_a_win():
    for make in ENVS:
        env = make()
        rewards, _, info = play_expert(env, env.reset(seed=4)[1])
        assert info["success"]
        assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


def test_the_published_reward_of_a_win_at_turn_ten_and_of_a_loss_at_twenty():
    env = nouns_env("tiger", reward="upstream")
    asks = [item.ask for item in env.world.questions]
    rewards = [env.step(text)[1] for text in asks[:9]] + [env.step("Is it a tiger?")[1]]
    assert rewards == pytest.approx([0.0] * 9 + [1.5])
    assert broadcast(rewards, won=True) == pytest.approx([1.5] * 10)

    env = nouns_env("tiger", reward="upstream")
    rewards = [env.step(text)[1] for text in asks[:20]]
    assert rewards == pytest.approx([0.0] * 19 + [-1.0])
    assert broadcast(rewards, won=False) == pytest.approx([-1.0] * 20)


def test_the_published_penalties():
    env = nouns_env("tiger", reward="upstream", turns=4)
    asked = ["Is it alive?", "Is it alive?", "nonsense", "Is it alive? Is it alive?"]
    assert [env.step(text)[1] for text in asked] == pytest.approx([0.0, -1.0, -5.0, -5.0 - 0.2])
    assert UPSTREAM.penalty(invalid=True, repeated=True) == -6.0
    env = nouns_env("tiger", reward="upstream")
    assert env.step("Is it a tiger?")[1] == 2.0  # a single turn pays no length


# Beliefs


@pytest.mark.parametrize("make", ENVS)
def test_at_the_start_every_candidate_is_equally_likely(make):
    env = make("all")
    env.reset(seed=0)
    assert env.log_belief() == pytest.approx(-math.log(env.candidates.bit_count()))


@pytest.mark.slow
def test_the_candidates_are_those_that_would_have_been_answered_the_same():
    env = nouns_env("tiger")
    asked = ["Is it alive?", "Is it a mammal?", "Is it a lion?", "Is it bigger than a person?", "flurb?"]
    for text in asked:
        env.step(text)
    answers = [turn.text for turn in env.asked]
    alike = []
    for task in env.tasks:
        other = nouns_env(task.secret)
        if task.secret != "lion" and [other.step(text)[0] for text in asked] == answers:
            alike.append(task.secret)
    assert sorted(env.remaining()) == sorted(alike)


@pytest.mark.parametrize("make", ENVS)
def test_expected_gain_is_the_mean_gain_over_the_secrets(make):
    env = make("all")
    question = env.world.questions[2].ask
    gains = []
    for task in range(env.num_tasks):
        env.reset(options={"task": task})
        expected = env.information_gain(question)
        gains.append(env.step(question)[4]["verifier"])
        assert env.information_gain(question) == pytest.approx(0.0, abs=1e-12)
    assert sum(gains) / len(gains) == pytest.approx(expected)
    assert env.information_gain("flurb?") == 0.0


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_asks_what_gains_most(make):
    env = make()
    _, info = env.reset(seed=2)
    for _ in range(3):
        gains = {action: env.information_gain(action) for action in info["admissible_actions"]}
        best = info["expert_actions"][0]
        assert gains[best] == pytest.approx(max(gains.values()))
        _, _, terminated, _, info = env.step(best)
        if terminated:
            break


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_guesses_on_the_last_turn(make):
    env = make(turns=1)
    _, info = env.reset(seed=2)
    assert info["expert_actions"][0] in env.restore_state(env.clone_state())[1]["admissible_actions"]
    _, _, _, _, info = env.step(info["expert_actions"][0])
    assert env.asked[-1].key.startswith("=")


@pytest.mark.slow
@pytest.mark.parametrize("make", ENVS)
def test_the_expert_wins_every_game(make):
    env = make("all")
    for task in range(env.num_tasks):
        assert play_expert(env, env.reset(options={"task": task})[1])[2]["success"]
