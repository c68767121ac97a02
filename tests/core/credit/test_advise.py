"""Advice: what decides is measured, the map is read where the run lies, and nothing harmful is named."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from builders.episodes import walk
from hypothesis import given, settings

import credit_gym as cg
from credit_gym.credit import advise as advising
from credit_gym.credit.advice import Advice
from credit_gym.credit.advise import OUTCOMES, advise
from credit_gym.credit.regime_map import CEILING, MapPoint, Nearby, Place, distance, nearby, place, shipped_map
from credit_gym.credit.run_facts import run_facts
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError
from credit_gym.scorers import DEFAULT, get, score
from credit_gym.wrappers import RecordBelief, RecordVerifier
from credit_gym.wrappers.record_belief import oracle

NAN = float("nan")
HERE = Place(won=0.25, group_size=8.0, horizon=16.0, recurrence=1.0, agreement=0.0, exact=False)


def kinds(advice: Advice) -> set[str]:
    return {caution.kind for caution in advice.cautions}


def played(env_id: str, agent: str = "noisy:0.7", *, believed: bool = False, episodes: int = 64) -> list[Episode]:
    def make() -> gym.Env[str, str]:
        env = RecordVerifier(gym.make(env_id))
        return RecordBelief(env, oracle) if believed else env

    who = cg.parse_agent(agent, seed=0)
    return cg.run_episodes(make, who, episodes=episodes, group_size=8, seed=0, progress=False)


def read_as(reading: Callable[[EpisodeBatch], np.ndarray], groups: int = 8) -> Advice:
    """Advice on groups of eight that pass through the same states, half of them won, with the readings given."""
    runs = [
        Run(path=(0, 1 + won, 3), actions=(won, 2), success=bool(won), group=group)
        for group in range(groups)
        for won in (0, 1) * 4
    ]
    batch = batch_of(runs)
    return advise(replace(batch, verifier=reading(batch)))


def wins(batch: EpisodeBatch) -> np.ndarray:
    return np.where(batch.step == 0, batch.success[batch.episode] * 2.0 - 1.0, 0.0)


def point(name: str, at: Place = HERE, **episodes: Sequence[float | None]) -> MapPoint:
    rows = {name.replace("_", " ") if name == "exact_advantage" else name: row for name, row in episodes.items()}
    return MapPoint(name=name, place=at, limit=80.0, episodes=rows)


def with_map(monkeypatch: pytest.MonkeyPatch, **episodes: Sequence[float | None]) -> None:
    usual = {"exact_advantage": (1.0,) * 4, "grpo": (40.0,) * 4, "evidence_lambda": (20.0,) * 4}
    monkeypatch.setattr(advising, "shipped_map", lambda: (point("only", **{**usual, **episodes}),))


def test_facts_of_a_batch_by_hand() -> None:
    """Three episodes of two steps and one of four; the second and third visit state 1 twice and are won."""
    runs = [
        Run(path=(0, 1, 9), actions=(0, 0), success=True),
        Run(path=(0, 1, 1, 2, 9), actions=(0, 1, 0, 0), success=False),
        Run(path=(5, 6, 9), actions=(0, 0), success=True, group=3),
        Run(path=(5, 7, 9), actions=(0, 0), success=True, group=3),
    ]
    facts = run_facts(batch_of(runs, verifier=[0.0, 1.0, 0.0, NAN, 0.0, -1.0, 1.0, 0.0, NAN, 0.0]))
    assert (facts.episodes, facts.groups, facts.group_size) == (4, 2, 2.0)
    assert (facts.steps, facts.most_steps) == (2.0, 4.0)
    assert (facts.success, facts.mean_return, facts.graded, facts.won) == (0.75, 0.75, False, 0.75)
    assert facts.mixed == 0.5  # all of the second group are won
    assert facts.recurrence == 0.5  # of six later steps, the three in state 1
    assert facts.fresh == 0.9
    assert facts.density == 0.3
    assert facts.agreement is not None
    assert (facts.agreement.value, facts.evidence) == (1.0, 4.0)  # 12 * 1 * 1 / 3
    assert facts.agreement.low == pytest.approx(1.0 - 1.96)  # one pair is no evidence
    assert facts.believed == 0.4  # with six on its being unknown
    assert (facts.exact, facts.log_probabilities, facts.beliefs) == (False, False, False)


def test_graded_returns_are_won_above_the_mean_of_their_group() -> None:
    returns = (0.0, 0.2, 1.0, 0.3, 0.3, 0.9)
    runs = [Run((0, 9), (0,), rewards=(r,), success=r == 1.0, group=i // 3) for i, r in enumerate(returns)]
    facts = run_facts(batch_of(runs))
    assert facts.graded
    assert (facts.success, facts.won, facts.mixed) == (1 / 6, 1 / 3, 1.0)
    assert (facts.density, facts.agreement, facts.believed) == (None, None, 0.0)


@pytest.mark.parametrize("unit", [1e308, 1e-300, -3.0])
def test_what_decides_does_not_depend_on_the_unit_of_rewards(unit: float) -> None:
    batch = batch_of([Run((0, 1, 2), (0, i % 2), success=bool(i % 2), group=i // 8) for i in range(32)])
    batch = replace(batch, verifier=np.sign(unit) * wins(batch))
    plain, scaled = (run_facts(replace(batch, reward=batch.reward * by)) for by in (np.sign(unit), unit))
    assert replace(scaled, mean_return=plain.mean_return) == plain
    assert plain.mixed == 1.0
    assert scaled.mean_return == pytest.approx(plain.mean_return * abs(unit))


def test_a_place_has_no_share_of_nothing() -> None:
    lost = run_facts(batch_of([Run((0, 9), (0,), success=False)] * 3))
    assert place(lost) == Place(0.125, 3.0, 1.0, 0.0, 0.0, False)


@pytest.mark.parametrize(
    ("change", "units"),
    [
        ({}, 0.0),
        ({"won": 0.5}, 1.0),
        ({"group_size": 4.0}, 1.0),
        ({"horizon": 64.0}, 2.0),
        ({"recurrence": 0.5}, 2.0),
        ({"agreement": -0.25}, 1.0),
        ({"exact": True}, 1.0),
        ({"won": 0.5, "agreement": -0.25}, 2.0**0.5),
    ],
)
def test_a_unit_of_distance_is_what_the_page_says(change: Mapping[str, Any], units: float) -> None:
    assert distance(HERE, HERE._replace(**change)) == pytest.approx(units)
    assert distance(HERE._replace(**change), HERE) == pytest.approx(units)


def test_nearby_is_the_nearest_and_who_is_a_unit_further_at_most() -> None:
    places = {"far": 1.0, "b": 0.5, "a": 0.5, "nearest": 0.25, "c": 0.5, "d": 0.5, "e": 0.5}
    points = [point(name, HERE._replace(won=won), grpo=(1.0,)) for name, won in places.items()]
    found = nearby(HERE, points)
    assert [each.name for each in found.points] == ["nearest", "a", "b", "c", "d"]
    assert found.distance == 0.0
    assert [each.name for each in nearby(HERE._replace(won=1.0), points[:1]).points] == ["far"]


def test_a_ratio_is_a_geometric_mean_in_which_who_never_got_there_needed_the_limit() -> None:
    near = Nearby(
        (
            point("one", fast=(10.0, 20.0, None), slow=(40.0, 80.0, None), other=(1.0,) * 3),
            point("two", fast=(20.0, None), slow=(None, 20.0)),
        ),
        0.0,
    )
    assert near.scorers == {"fast", "slow"}
    found = near.ratio("fast", "slow")
    assert found is not None
    assert found.value == pytest.approx((1 / 4 * 1 / 4 * 1 / 4 * 4) ** 0.25)
    assert found.low < found.value < found.high
    assert Nearby((point("three", fast=(None,), slow=(None,)),), 0.0).ratio("fast", "slow") is None


def test_the_shipped_map_has_every_row_that_advice_compares() -> None:
    points = shipped_map()
    assert len({each.name for each in points}) == len(points) >= 40
    for each in points:
        assert {CEILING, OUTCOMES, DEFAULT} <= each.episodes.keys()
        assert len({len(row) for row in each.episodes.values()}) == 1
        assert all(count is None or 0.0 <= count <= each.limit for row in each.episodes.values() for count in row)
        assert 0.0 < each.place.won < 1.0
    assert {each.place.exact for each in points} == {False, True}


def test_on_stochastic_the_default_reads_states_that_recur_and_saves() -> None:
    advice = advise(played("credit/Stochastic-v0", "noisy:0.7"))
    assert (advice.scorer, advice.options) == (DEFAULT, {})
    assert advice.facts.recurrence > 0.9
    assert advice.expected is not None
    assert advice.expected.high < 1.0
    assert "misleading verifier" not in kinds(advice)


@pytest.mark.slow
def test_on_alfworld_an_exact_verifier_is_relied_on() -> None:
    advice = advise(played("credit/ALFWorld-v0", "noisy:0.9"))
    assert advice.scorer == DEFAULT
    assert (advice.facts.exact, advice.facts.graded) == (True, False)
    assert advice.facts.agreement is not None
    assert advice.facts.agreement.low > 0.0
    assert advice.expected is not None
    assert advice.expected.high < 1.0
    assert not kinds(advice) & {"misleading verifier", "unproven verifier", "nothing recurs"}


def test_on_webshop_returns_are_graded() -> None:
    advice = advise(played("credit/WebShop-v0"))
    assert advice.scorer == DEFAULT
    assert (advice.facts.graded, advice.facts.exact) == (True, True)
    assert advice.facts.mixed > 0.5
    assert advice.expected is not None
    assert advice.expected.high < 1.0


@pytest.mark.slow
def test_on_20_questions_states_are_pooled_by_belief_or_by_question() -> None:
    with_beliefs = advise(played("credit/TwentyQuestions-v0", "noisy:0.5", believed=True))
    assert (with_beliefs.scorer, with_beliefs.options) == (DEFAULT, {"key": "belief"})
    assert with_beliefs.facts.beliefs
    without = advise(played("credit/TwentyQuestions-v0", "noisy:0.5"))
    assert (without.scorer, without.options) == (DEFAULT, {"key": "call"})
    assert not without.facts.beliefs


def test_on_tau2_true_states_do_not_recur_and_what_is_seen_does() -> None:
    advice = advise(played("credit/Tau2-v0", "noisy:0.4"))
    assert (advice.scorer, advice.options) == (DEFAULT, {"key": "observation"})
    shares = {found.key: found.later for found in advice.keys}
    assert shares["state"] < 0.1 < advice.facts.recurrence
    assert "nothing recurs" not in kinds(advice)


def test_on_a_team_of_two_steps_little_is_promised_or_the_map_is_said_to_be_far() -> None:
    advice = advise(played("credit/MultiAgentMath-v0"))
    assert (advice.scorer, advice.options) == (DEFAULT, {})
    assert advice.facts.steps == 2.0
    assert advice.expected is not None
    assert "far from the map" in kinds(advice) or advice.expected.high > 0.75


def chats(folder: Path, says: Callable[[int, int, str], str], turns: int = 4) -> list[Episode]:
    """Eight groups of eight imported chats, a third of them won; `says` has what chat, turn and role say."""
    lines = []
    for chat in range(64):
        said = [(role, says(chat, turn, role)) for turn in range(turns) for role in ("assistant", "user")]
        messages = [("user", f"Task {chat // 8}."), *said[:-1]]
        lines.append(
            {
                "messages": [{"role": role, "content": text} for role, text in messages],
                "reward": float(chat % 3 == 0),
                "group_id": str(chat // 8),
            }
        )
    file = folder / "chats.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    found = cg.read_episodes("chat", file)
    assert not found.damaged
    return found.episodes


def test_on_chats_where_nothing_recurs_the_default_is_grpo(tmp_path: Path) -> None:
    def says(chat: int, turn: int, role: str) -> str:
        chance = random.Random(f"{chat} {turn} {role}")
        return " ".join("".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(12))

    episodes = chats(tmp_path, says)
    advice = advise(episodes)
    assert advice.facts.recurrence == 0.0
    assert advice.facts.density is None
    assert "nothing recurs" in kinds(advice)
    assert (advice.scorer, advice.options) == (DEFAULT, {})
    assert advice.expected is not None
    assert advice.expected.low <= 1.0 <= advice.expected.high
    assert any("grpo" in reason for reason in advice.reasons)
    batch = EpisodeBatch.from_episodes(episodes)
    credit, plain = score(batch, advice.scorer), score(batch, OUTCOMES)
    np.testing.assert_allclose(credit[batch.step > 0], plain[batch.step > 0], rtol=1e-9)
    np.testing.assert_allclose(credit, plain, rtol=0.05)  # all of a group begin in one state, whose value is discounted


def test_on_chats_with_stamps_a_key_is_named_that_looks_through_them(tmp_path: Path) -> None:
    def says(chat: int, turn: int, role: str) -> str:
        if role == "assistant":
            return f"I shall go on to room {chat * 7} after {turn} rests, I think."
        return f"[2026-01-01T00:{turn:02d}:00 request {chat}] You are in the {('hall', 'attic', 'cellar')[turn % 3]}."

    advice = advise(chats(tmp_path, says))
    assert (advice.scorer, advice.options) == (DEFAULT, {"key": "text"})
    assert advice.facts.recurrence == 1.0
    assert {found.key: found.later for found in advice.keys}["state"] == 0.0
    assert any("grpo" in reason for reason in advice.reasons)
    assert "nothing recurs" not in kinds(advice)


def test_where_no_key_tells_states_apart_it_is_grpo(tmp_path: Path) -> None:
    advice = advise(chats(tmp_path, lambda chat, turn, role: "ok" if role == "assistant" else "yes", turns=12))
    assert (advice.scorer, advice.options) == (OUTCOMES, {})
    assert "blind states" in kinds(advice)


def test_a_misleading_verifier_is_warned_of_and_nothing_that_needs_it_is_named() -> None:
    aligned, turned = read_as(wins), read_as(lambda batch: -wins(batch))
    assert not kinds(aligned) & {"misleading verifier", "uninformative verifier", "unproven verifier"}
    assert "misleading verifier" in kinds(turned)
    assert turned.facts.agreement is not None
    assert turned.facts.agreement.high < 0.0
    assert "verifier" not in get(turned.scorer).needs
    declared = advise([replace(e, exact_verifier=True) for e in turned_stochastic()])
    assert "misleading verifier" in kinds(declared)


def turned_stochastic() -> list[Episode]:
    """A played run whose verifier says the opposite."""
    episodes = played("credit/Stochastic-v0", "noisy:0.7", episodes=256)
    return [replace(e, verifier=tuple(-reading for reading in e.verifier or ())) for e in episodes]


def test_a_verifier_that_says_nothing_is_told_from_one_not_yet_proven() -> None:
    assert "silent verifier" in kinds(read_as(lambda batch: np.zeros(batch.num_steps)))
    assert "silent verifier" in kinds(read_as(lambda batch: np.where(batch.step == 0, 0.0, NAN)))
    chance = np.random.default_rng(5)
    assert "uninformative verifier" in kinds(read_as(lambda batch: chance.normal(size=batch.num_steps), groups=64))
    lost = replace(batch_of([Run((0, 1, 2), (0, 1), success=False)] * 8), verifier=np.ones(16))
    assert "unproven verifier" in kinds(advise(lost))
    assert "unproven verifier" not in kinds(advise(replace(lost, exact_verifier=np.ones(8, dtype=bool))))


def test_without_outcome_evidence_nothing_is_promised_save_by_an_exact_verifier_of_lost_episodes() -> None:
    def every(success: bool, exact: bool) -> Advice:
        runs = [Run((0, 1, 2), (i % 2, 1), success=success, group=i // 8) for i in range(32)]
        return advise(batch_of(runs, verifier=np.tile([1.0, 0.0, 0.0, 0.0], 16), exact_verifier=np.full(32, exact)))

    for success, exact in ((True, True), (True, False), (False, False), (False, True)):
        advice = every(success, exact)
        assert "no outcome evidence" in kinds(advice)
        assert (advice.expected is not None) is (exact and not success)
        assert bool(advice.points) is (advice.expected is not None)


def test_groups_of_one_and_a_single_group_are_warned_of() -> None:
    alone = advise(batch_of([Run((0, 1), (0,), success=bool(i % 2), group=i) for i in range(6)]))
    assert "groups of one" in kinds(alone)
    assert alone.expected is None
    together = advise(batch_of([Run((0, 1), (0,), success=bool(i % 2)) for i in range(6)]))
    assert "one group" in kinds(together)
    assert "groups of one" not in kinds(together)


def test_another_scorer_is_named_only_where_the_map_says_that_it_is_cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of([Run((0, 1, 2), (0, i % 2), success=bool(i % 2), group=i // 8) for i in range(64)])
    for episodes, named in (((17.0,) * 4, DEFAULT), ((15.0,) * 4, "crbc"), ((15.0, 15.0, 15.0, 25.0), DEFAULT)):
        with_map(monkeypatch, crbc=episodes)
        advice = advise(batch)
        assert advice.scorer == named
        assert advice.points == ("only",)
    with_map(monkeypatch, crbc=(15.0,) * 4, loo=(10.0,) * 4, no_such_scorer=(1.0,) * 4)
    advice = advise(batch)
    assert advice.scorer == "loo"
    assert advice.expected is not None
    assert advice.expected.value == pytest.approx(0.25)
    assert advice.ceiling is not None
    assert advice.ceiling.value == pytest.approx(1 / 40)


def test_one_that_needs_a_verifier_is_named_only_where_there_is_one_to_rely_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with_map(monkeypatch, pbrs=(5.0,) * 4, igpo=(1.0,) * 4)  # igpo needs beliefs, of which there are none
    assert read_as(wins).scorer == "pbrs"
    assert read_as(lambda batch: -wins(batch)).scorer == DEFAULT
    assert read_as(lambda batch: np.zeros(batch.num_steps)).scorer == DEFAULT
    assert advise(batch_of([Run((0, 1, 2), (0, i % 2), success=bool(i % 2)) for i in range(64)])).scorer == DEFAULT


@pytest.mark.parametrize("nothing", [[], [walk(error="the server is gone")], [walk(steps=0)], batch_of([])])
def test_nothing_to_go_by_is_refused_in_a_sentence(nothing: Any) -> None:
    with pytest.raises(BatchError, match=r"^No episode completed with a step, .*\.$"):
        advise(nothing)


def test_a_number_that_nobody_can_compute_with_costs_its_own_episode() -> None:
    episodes = [walk(str(i), success=bool(i % 2), rewards=(0.0, 0.0, i % 2 * 1.0)) for i in range(6)]
    with pytest.warns(UserWarning, match="1 of 6 episodes are left out"):
        advice = advise([replace(episodes[0], rewards=(0.0, 0.0, float("inf"))), *episodes[1:]])
    assert advice.facts.episodes == 5


def mixed_groups(steps: int = 3) -> list[Episode]:
    """Four groups of four episodes, each half won."""
    rewards = [(0.0,) * (steps - 1) + (float(number % 2),) for number in range(16)]
    return [
        walk(str(n), steps=steps, group_id=f"g{n // 4}", rewards=rewards[n], success=bool(n % 2)) for n in range(16)
    ]


def test_episodes_that_are_left_out_are_counted() -> None:
    episodes = mixed_groups()
    advice = advise([replace(episodes[0], error="the server is gone"), *episodes[1:]])
    assert "beware      left out: 1 of 16 episodes did not complete soundly." in str(advice).splitlines()
    assert advice.facts.episodes == 15
    assert "left out" not in kinds(advise(episodes))


def test_groups_of_several_tasks_are_warned_of() -> None:
    episodes = mixed_groups()
    assert advise(episodes).facts.unlike == 0.0
    advice = advise([replace(e, task_id=f"t{n}") if n < 4 else e for n, e in enumerate(episodes)])
    assert advice.facts.unlike == 0.25
    assert "unlike tasks" in kinds(advice)


def test_where_an_episode_is_one_step_nothing_is_to_be_gained_or_lost() -> None:
    advice = advise(mixed_groups(steps=1))
    assert advice.scorer == DEFAULT
    assert advice.expected == (1.0, 1.0, 1.0)
    assert (advice.points, advice.ceiling) == ((), None)
    assert kinds(advice) == {"single steps"}
    batch = EpisodeBatch.from_episodes(mixed_groups(steps=1))
    np.testing.assert_allclose(score(batch, advice.scorer), score(batch, OUTCOMES), atol=1e-9)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(batches())
def test_any_batch_is_advised_on_with_a_scorer_that_runs(batch: EpisodeBatch) -> None:
    if not batch.num_steps:
        return
    advice = advise(batch)
    assert np.isfinite(score(batch, advice.scorer, **advice.options)).all()
    written = json.loads(json.dumps(advice.as_mapping(), allow_nan=False))
    assert written["scorer"] == advice.scorer
    assert [caution["kind"] for caution in written["cautions"]] == [caution.kind for caution in advice.cautions]
    assert 7 <= len(str(advice).splitlines()) <= 16
    for found in (advice.facts.agreement, advice.expected, advice.ceiling):
        assert found is None or found.low <= found.value <= found.high


@pytest.mark.slow
def test_advice_depends_on_nothing_but_the_episodes() -> None:
    code = (
        "import credit_gym as cg\n"
        "from credit_gym.credit.advise import advise\n"
        "from builders.batches import Run, batch_of\n"
        "runs = [Run((0, 1 + i % 3, 4), (0, i % 2), success=i % 5 < 2, group=i // 8) for i in range(64)]\n"
        "print(advise(batch_of(runs, verifier=[i * 7 % 11 - 5.0 for i in range(128)])).as_mapping())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "tests"},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.slow
def test_advice_loads_no_room_above_the_core() -> None:
    code = "import credit_gym, sys; credit_gym.advise; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "credit_gym.credit.advise" in loaded
    above = tuple(f"credit_gym.{room}" for room in ("agents", "baselines", "envs", "wrappers"))
    assert not [name for name in loaded if name.startswith(above)]
