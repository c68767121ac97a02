"""Murder Mystery, Customer Service and Personalization: scenarios, exact beliefs, words and conclusions."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter

import pytest
from builders.question_games import (
    SCENARIO_GAMES,
    play_expert,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.information.cases import keywords, partition
from credit_gym.envs.information.customer_service import CustomerServiceEnv, is_proposal, support_cases
from credit_gym.envs.information.murder_mystery import MurderMysteryEnv, is_accusation, mysteries
from credit_gym.envs.information.personalization import PersonalizationEnv, personas
from credit_gym.envs.information.sources import SPLITS
from credit_gym.errors import CreditGymError, ManifestError

ENVS = SCENARIO_GAMES
CASES = {MurderMysteryEnv: mysteries, CustomerServiceEnv: support_cases, PersonalizationEnv: personas}


def wrong_claim(env):
    return next(c.fact.ask for c in env.case.puzzle.conclusions if c.name != env.target)


# Scenarios


@pytest.mark.parametrize(
    ("make", "least"), [(MurderMysteryEnv, 40), (CustomerServiceEnv, 60), (PersonalizationEnv, 40)]
)
def test_there_are_many_different_scenarios_in_disjoint_splits(make, least):
    env = make("all")
    assert env.num_tasks >= least
    assert len({task.id for task in env.tasks}) == env.num_tasks
    parts = [{task.id for task in make(split).tasks} for split in SPLITS]
    assert all(parts)
    assert sum(map(len, parts)) == env.num_tasks
    states = {env.reset(options={"task": task})[1]["state_key"] for task in range(env.num_tasks)}
    assert len(states) == env.num_tasks


@pytest.mark.parametrize("make", ENVS)
def test_nothing_in_info_tells_the_secret_from_the_other_conclusions(make):
    """What is shown at the start mentions the right conclusion no more often than any other."""
    env = make("all")
    for task in range(env.num_tasks):
        observation, info = env.reset(seed=0, options={"task": task})
        shown = json.dumps(
            [observation, info["task"], info["kind"], info["admissible_actions"], info["expert_actions"]]
        )
        counts = {c.name: shown.count(json.dumps(c.name)[1:-1]) for c in env.case.puzzle.conclusions}
        if make is not CustomerServiceEnv:
            assert len(set(counts.values())) == 1, counts
        assert counts[env.target] == min(counts.values())


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_wins_1000_games(make):
    env = make("all")
    env.reset(seed=0)
    won = 0
    for seed in range(1000):
        won += play_expert(env, env.reset(seed=seed)[1])[2]["success"]
    assert won == 1000


@pytest.mark.slow
@given(st.lists(st.text(max_size=40), max_size=8))
@settings(max_examples=40, deadline=None)
def test_no_action_crashes_a_game(actions):
    for make in ENVS:
        env = make()
        env.reset(seed=0)
        for action in actions:
            _, _, terminated, truncated, info = env.step(action)
            assert math.isfinite(info["verifier"])
            if terminated or truncated:
                break


@pytest.mark.parametrize("make", ENVS)
def test_a_file_needs_an_answerer_and_a_limit_is_positive(make):
    with pytest.raises(ManifestError, match="give answerer= to play them"):
        make(scenarios="file.json")
    if make is not PersonalizationEnv:
        with pytest.raises(CreditGymError, match=r"attempts of .* must be a whole number"):
            make(attempts=0)


# Beliefs


@pytest.mark.parametrize("make", ENVS)
def test_the_expected_gain_is_the_mean_of_the_gains_over_the_possible_worlds(make):
    env = make("all")
    _, info = env.reset(seed=5)
    env.step(info["admissible_actions"][0])
    case, known = env.case, env.memory
    worlds = [world for world in range(case.puzzle.worlds) if known >> world & 1]
    labels = [c.right for c in case.puzzle.conclusions]
    for fact in [*case.puzzle.facts, case.puzzle.conclusions[0].fact]:
        gains = []
        for world in worlds:
            label = next(right for right in labels if right >> world & 1)
            after = known & fact.question.cell(world)[1]
            share = (after & label).bit_count() / after.bit_count()
            gains.append(math.log(share) - math.log((known & label).bit_count() / len(worlds)))
        assert env.information_gain(fact.ask) == pytest.approx(sum(gains) / len(gains), abs=1e-12)
    assert env.information_gain("flurb") == 0.0


@pytest.mark.parametrize("make", ENVS)
def test_the_expert_asks_what_gains_most_and_concludes_on_the_last_turn(make):
    env = make("all")
    for seed in range(5):
        _, info = env.reset(seed=seed)
        gains = {fact.ask: env.information_gain(fact.ask) for fact in env.case.puzzle.facts}
        assert gains[info["expert_actions"][0]] == pytest.approx(max(gains.values()))
    hurried = make("all", **({"questions": 1} if make is PersonalizationEnv else {"turns": 2}))
    _, info = hurried.reset(seed=1)
    play_expert(hurried, info)
    assert [turn.key.startswith("=") for turn in hurried.asked] == [False, True]


@pytest.mark.parametrize("make", ENVS)
def test_facts_and_conclusions_partition_the_worlds_and_together_tell_the_conclusion(make):
    for case in CASES[make]():
        everything = (1 << case.puzzle.worlds) - 1
        known = everything
        for fact in [*case.puzzle.facts, *(c.fact for c in case.puzzle.conclusions)]:
            cells = [chosen for _, chosen in fact.question.cells]
            assert sum(cells) == everything
            assert not any(a & b for a, b in itertools.combinations(cells, 2))
        for fact in case.puzzle.facts:
            known &= fact.question.cell(case.world)[1]
        assert known & ~case.answer.right == 0
        assert sum(c.right for c in case.puzzle.conclusions) == everything


def test_a_belief_by_hand_in_a_mystery():
    env = MurderMysteryEnv("all")
    env.reset(seed=0)
    assert env.log_belief() == pytest.approx(-math.log(6))
    (clear,) = [f for f in env.case.puzzle.facts if f.ask == f"Check the alibi of {env.target}."]
    _, _, _, _, info = env.step(clear.ask)  # the culprit has none, an innocent has none with probability 1/2
    assert env.log_belief() == pytest.approx(math.log(2 / 7))
    assert info["verifier"] == pytest.approx(math.log(12 / 7))


def test_answers_that_leave_a_case_open_are_refused():
    with pytest.raises(ManifestError, match="must cover every possible case exactly once"):
        partition("x", [("a", 1), ("b", 3)], 2)
    with pytest.raises(ManifestError, match="exactly once"):
        partition("x", [("a", 1)], 2)


# Words


@pytest.mark.parametrize("make", ENVS)
def test_every_offered_action_is_understood_by_its_keywords_too(make):
    env = make("all")
    for task in range(0, env.num_tasks, 5):
        env.reset(options={"task": task})
        case = env.case
        for fact in [*case.puzzle.facts, *(c.fact for c in case.puzzle.conclusions)]:
            assert env._understood(case, fact.ask) is fact
            assert (
                env._understood(case, f"{fact.ask.rstrip('?.')}, well, {'?' if fact.ask.endswith('?') else '.'}")
                is fact
            )


def test_plain_english_finds_the_facts_of_a_mystery():
    env = MurderMysteryEnv("all")
    env.reset(seed=0)
    first, last = env.case.puzzle.conclusions[0].name.split()
    other = env.case.puzzle.conclusions[1].name
    for text, ask in [
        (f"Where was {first} that night?", f"Check the alibi of {first} {last}."),
        (f"can anybody confirm the whereabouts of {last}", f"Check the alibi of {first} {last}."),
        (f"Why would {last} hate the victim?", f"Ask about the motive of {first} {last}."),
        ("Was it raining?", "Ask about the weather."),
    ]:
        assert env._understood(env.case, text).ask == ask
    for text in (
        f"Where were {first} and {other}?",
        "hm",
        "",
        f"I accuse {first} or {other}.",
        "I accuse nobody in here",
    ):
        assert env._understood(env.case, text) is None


def test_what_is_an_accusation_and_what_is_a_proposal():
    for text in ("I accuse Ada Voss.", "The murderer is Ada.", "Ada did it!", "Arrest Ada, who has no alibi"):
        assert is_accusation(text) == ("who has" not in text or text.startswith("Arrest")), text
    for text in (
        "Did Ada do it?",
        "Is Ada the killer?",
        "Ada is not the murderer.",
        "Ask Ada who did it",
        "Ada's alibi",
    ):
        assert not is_accusation(text), text
    for text in ("Restart the router.", "Have you tried restarting it?", "Could you restart it?", "replace the cable"):
        assert is_proposal(text), text
    for text in ("Is the cable loose?", "What lights are on?", "Hello, does it beep?", "Did you restart it?"):
        assert not is_proposal(text), text


@pytest.mark.parametrize("make", ENVS)
def test_repeats_and_nonsense_tell_nothing_and_are_flagged(make):
    env = make()
    _, info = env.reset(seed=1)
    action = info["admissible_actions"][0]
    env.step(action)
    for text, flag in ((action.upper(), "repeated"), ("flurb blob", "invalid"), ("a? b?", "invalid")):
        _, reward, _, _, info = env.step(text)
        assert info[flag], text
        assert info["verifier"] == 0.0
        assert reward == 0.0


# Conclusions


@pytest.mark.parametrize(
    ("make", "attempts"), [(MurderMysteryEnv, 1), (CustomerServiceEnv, 2), (PersonalizationEnv, 1)]
)
def test_claiming_everything_in_turn_loses_by_default(make, attempts):
    env = make("all")
    env.reset(seed=2)
    claims = sorted((c for c in env.case.puzzle.conclusions), key=lambda c: c.name == env.target)
    for number, claim in enumerate(claims[:attempts], 1):
        _, _, terminated, _, info = env.step(claim.fact.ask)
        assert terminated == (number == attempts)
    assert info["success"] is False
    assert info["kind"] == "lost"


@pytest.mark.parametrize("make", ENVS[:2])
def test_claiming_everything_in_turn_wins_upstream(make):
    env = make("all", mode="upstream")
    env.reset(seed=2)
    claims = sorted((c for c in env.case.puzzle.conclusions), key=lambda c: c.name == env.target)
    for claim in claims:
        observation, reward, terminated, _, info = env.step(claim.fact.ask)
        assert terminated == (claim.name == env.target)
    assert (observation, reward, info["success"]) == ("Goal reached", 1.0, True)


def test_a_wrong_accusation_may_be_allowed_and_clears_the_accused():
    env = MurderMysteryEnv("all", attempts=2)
    env.reset(seed=0)
    _, _, terminated, _, info = env.step(wrong_claim(env))
    assert not terminated
    assert info["verifier"] == pytest.approx(math.log(6 / 5))
    assert env.step(f"I accuse {env.target}.")[4]["success"] is True


@pytest.mark.parametrize("make", ENVS[:2])
def test_without_a_limit_of_attempts_the_goal_mentions_none(make):
    for options in ({"attempts": None}, {"mode": "upstream"}):
        goal = make(**options).reset(seed=0)[1]["task"]["goal"]
        assert "None" not in goal
        assert "wrong accusation" not in goal
        assert "gives up" not in goal


def test_a_recommendation_is_graded_by_the_weights_that_it_meets():
    env = PersonalizationEnv("all")
    env.reset(seed=0)
    facts, seen = env.case.puzzle.facts[:4], Counter()
    told = [fact.question.cell(env.case.world)[1] for fact in facts]
    for claim in env.case.puzzle.conclusions:
        env.reset(seed=0)
        _, reward, terminated, _, info = env.step(claim.fact.ask)
        assert terminated
        assert reward == pytest.approx((info["grade"] - 1) / 9)
        assert info["success"] == (claim.name == env.target)
        seen[info["grade"]] += 1
    assert max(seen) == info["grade"] if info["success"] else max(seen) >= info["grade"]
    assert all(cell >> env.case.world & 1 for cell in told)


def test_the_grade_by_hand():
    env = PersonalizationEnv("all")
    case = next(c for c in personas() if "weekend" in c.briefing)
    env.reset(options={"task": [task.id for task in env.tasks].index(case.id)})
    offers = {"the lighthouse cottage": ("sea", "quiet", "read", "cheap")}
    answers = " ".join(fact.question.cell(case.world)[0] for fact in case.puzzle.facts[:4])
    weight = sum(w for w, word in zip((5, 4, 3, 2), offers["the lighthouse cottage"], strict=True) if word in answers)
    _, _, _, _, info = env.step("I recommend the lighthouse cottage.")
    assert info["grade"] == math.floor(1 + 9 * weight / 14 + 0.5)


def test_keywords_are_sets_of_stems():
    assert keywords("drain filters, Hoses") == (frozenset({"drain", "filter"}), frozenset({"hose"}))
