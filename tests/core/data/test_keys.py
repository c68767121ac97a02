"""Keys: what each pools, within groups alone, in whatever order; how often states recur; which key auto takes."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np
import pytest
from builders.episodes import HOSTILE, calls, texts, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.keys import KEYS, Key, check_key, choose_key, labels, measure_key, measure_keys
from credit_gym.data.recurrence import recurrence, recurring
from credit_gym.data.target import pair_with_credit
from credit_gym.errors import BatchError, MissingColumnError, UnknownNameError
from credit_gym.scorers import get, score


def seen(*observations: str, **columns: Any) -> Episode:
    return walk(steps=len(observations) - 1, observations=observations, **columns)


def by_length(episode: Episode) -> list[int]:
    return [len(observation) for observation in episode.observations]


@st.composite
def histories(draw: st.DrawFn) -> Episode:
    """Any values of what keys read, hostile texts included; few groups and texts, so that some recur."""
    steps = draw(st.integers(0, 4))

    def row(entry: st.SearchStrategy[Any], length: int) -> tuple[Any, ...]:
        return tuple(draw(st.lists(entry, min_size=length, max_size=length)))

    beliefs = st.floats(max_value=1)
    return walk(
        draw(st.sampled_from("abc")),
        steps=steps,
        group_id=draw(st.sampled_from("gh")),
        observations=row(shown, steps + 1),
        state_keys=row(shown, steps + 1),
        actions=row(shown, steps),
        invalid=draw(st.none() | st.just(row(st.booleans(), steps))),
        tool_calls=draw(st.none() | st.just(row(st.lists(calls, max_size=2).map(tuple), steps))),
        log_belief=row(beliefs, steps + 1),
        distractor_log_belief=draw(st.none() | st.just(row(beliefs, steps + 1))),
    )


shown = st.one_of(texts, st.sampled_from(("yes", "Room 1", "room 2", "error", '{"name": "f", "arguments": {}}', "f()")))
batches = st.lists(histories(), max_size=5)
NAMED: tuple[Key, ...] = (*KEYS, by_length)
every_key = pytest.mark.parametrize("key", NAMED, ids=[*KEYS, "function"])

# What each key pools


def test_text_pools_what_numbers_and_case_tell_apart() -> None:
    (row,) = labels([seen("Room 12, step 1.", "room 7,  step 2.", "hall 7, step 3.")], "text")
    assert row == ["room <n>, step <n>.", "room <n>, step <n>.", "hall <n>, step <n>."]


def test_similar_pools_what_a_word_in_many_tells_apart_within_a_group() -> None:
    long = "you arrive at the desk by the window and on it you see a lamp, a book, a pen and an old newspaper"
    other = long.replace("pen", "cup")
    here, there = seen(long, other), seen(other, "yes", group_id="g1")
    rows = labels([here, there], "similar")
    assert rows[0][0] == rows[0][1]
    assert rows[1] == [other, "yes"]
    assert rows[0][0] in (long, other)


def test_belief_pools_beliefs_that_round_to_the_same_half_bit() -> None:
    bits = math.log(2)
    beliefs = (-6 * bits, -5.8 * bits, -5.7 * bits, 0.0, 1e-9, -math.inf, math.nan)
    alone = walk(steps=6, log_belief=beliefs)
    (row,) = labels([alone], "belief")
    assert row[:6] == ["6 bits ", "6 bits ", "5.5 bits ", "0 bits ", "0 bits ", "inf bits "]
    assert row[6] == "unread\ns6"  # no reading: nothing says what the state is like
    (with_others,) = labels([replace(alone, distractor_log_belief=(-bits,) * 6 + (math.nan,))], "belief")
    assert with_others[0] == "6 bits 1 bits "


def test_a_function_pools_by_whatever_it_returns() -> None:
    nested = {"a": [("x", 1), frozenset({"b", "a"}), None], "b": ['("x", 1)', 2.5, np.int64(3)]}
    rows = labels([walk(name, steps=2) for name in nested], lambda episode: nested[episode.episode_id])
    assert rows == [['("x", 1)', '{"a", "b"}', "None"], ['("x", 1)', "2.5", "3"]]


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ([0, 1], "gives 2 labels for episode '7-0' of 3 steps; it must give 4"),
        ("abcd", "gives 1 labels"),
        ([0, 1, 2, [3]], "TypeError: a label is a text, a number, None, or a tuple or frozenset of such, not a list"),
        (None, "fails for episode '7-0': TypeError"),
    ],
)
def test_what_is_no_label_a_point_is_one_sentence(returned: Any, sentence: str) -> None:
    with pytest.raises(BatchError, match="The key function ") as found:
        labels([walk()], lambda _: returned)
    assert sentence in str(found.value)


def test_a_function_that_raises_is_one_sentence_that_names_the_episode() -> None:
    def broken(episode: Episode) -> list[str]:
        raise KeyError(episode.goal)

    with pytest.raises(BatchError, match="broken fails for episode '7-0': KeyError: ''"):
        EpisodeBatch.from_episodes([walk()], key=broken)


def test_a_key_that_there_is_not_is_refused_with_the_nearest_and_a_name_of_a_function_is_told_apart() -> None:
    with pytest.raises(UnknownNameError, match="no key called 'belif'; did you mean belief"):
        check_key("belif")  # type: ignore[arg-type]
    for written in ("mine:by_room", "function mine:by_room"):
        with pytest.raises(UnknownNameError, match="The key 'mine:by_room' names a function: give the function itself"):
            labels([walk()], written)  # type: ignore[arg-type]


def test_beliefs_that_nobody_recorded_are_one_sentence() -> None:
    for ask in (
        lambda: EpisodeBatch.from_episodes([walk()], key="belief"),
        lambda: pair_with_credit([walk()], np.zeros(3), key="belief"),
    ):
        with pytest.raises(
            MissingColumnError, match="no column 'log_belief' for key='belief': record it with RecordBelief"
        ):
            ask()
    assert EpisodeBatch.from_episodes([], key="belief").num_steps == 0


# Properties of all keys


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(played=batches, order=st.randoms())
def test_order_does_not_matter_and_a_group_is_pooled_by_itself(played: list[Episode], order: random.Random) -> None:
    places = order.sample(range(len(played)), len(played))
    for key in NAMED if played else ():
        found = labels(played, key)
        assert [len(row) for row in found] == [len(episode) + 1 for episode in played]
        assert all(type(label) is str for row in found for label in row)
        assert labels([played[place] for place in places], key) == [found[place] for place in places]
        for group in "gh":
            members = [place for place, episode in enumerate(played) if episode.group_id == group]
            assert labels([played[place] for place in members], key) == [found[place] for place in members]


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(played=batches)
def test_targets_and_batches_know_states_by_the_same_labels(played: list[Episode]) -> None:
    for key in (*NAMED, "auto"):
        batch = EpisodeBatch.from_episodes(played, key=key)
        targets = pair_with_credit(played, np.zeros(batch.num_steps), key=key)
        assert [target.state_key for target in targets] == [batch.state_vocabulary[state] for state in batch.state]


@every_key
def test_every_pooled_scorer_takes_the_batch_of_every_key(key: Key) -> None:
    tail = dict.fromkeys(("observations", "state_keys"), tuple(HOSTILE[:4]))
    played = [walk("0", log_belief=(-1.0,) * 4), walk("1", log_belief=(-2.0,) * 4, success=False, rewards=(0.0,) * 3)]
    played += [walk("2", log_belief=(math.nan,) * 4, **tail)]
    batch = EpisodeBatch.from_episodes(played, key=key)
    for name in ("gigpo", "hgpo", "td_error", "crbc", "graphhca", "emp_qstar", "salt", "loo"):
        assert get(name).needs == frozenset()
        assert np.isfinite(score(batch, name)).all()


# Recurrence


def test_recurrence_is_the_share_of_steps_where_another_episode_of_the_group_was_too() -> None:
    one = seen("a", "b", "b", "c", episode_id="0", state_keys=("a", "b", "b", "c"))
    other = seen("a", "d", "c", episode_id="1", state_keys=("a", "d", "c"))
    far = seen("b", "d", "c", episode_id="2", group_id="g1", state_keys=("b", "d", "c"))
    batch = EpisodeBatch.from_episodes([one, other, far])
    assert recurring(batch).tolist() == [True, False, False, True, False, False, False]
    assert recurrence(batch) == 2 / 7
    assert recurrence(batch, starts=False) == 0
    assert recurrence(EpisodeBatch.from_episodes([])) == 0
    found = measure_key([one, other, far], "state")
    assert found[1:] == (2 / 7, 0.0, 6 / 7)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(played=batches)
def test_recurrence_under_every_key_is_that_of_its_batch_and_of_counting(played: list[Episode]) -> None:
    for key, found in measure_keys(played).items():
        batch = EpisodeBatch.from_episodes(played, key=key)
        assert found.share == recurrence(batch)
        assert found.later == recurrence(batch, starts=False)
        visitors: dict[tuple[int, int], set[int]] = {}
        for group, state, episode in zip(batch.step_group, batch.state, batch.episode, strict=True):
            visitors.setdefault((group, state), set()).add(episode)
        several = [len(visitors[g, s]) > 1 for g, s in zip(batch.step_group, batch.state, strict=True)]
        assert recurring(batch).tolist() == several
        assert found.fresh == pytest.approx(sum(map(len, visitors.values())) / max(batch.num_steps, 1))


def test_a_key_whose_column_is_missing_is_not_measured() -> None:
    assert set(measure_keys([walk()])) == {*KEYS} - {"belief"}
    assert set(measure_keys([walk(log_belief=(0.0,) * 4)])) == {*KEYS}


# What auto takes


def taken(*played: Episode) -> Any:
    return choose_key(played).key


def test_auto_takes_true_states_where_they_recur_whatever_else_does() -> None:
    assert taken(walk("0"), walk("1")) == "state"
    lost = [walk(str(n), state_keys=(f"{n}a", f"{n}b", f"{n}c", f"{n}d")) for n in range(2)]
    assert taken(*lost) == "observation"
    assert taken(*(replace(e, log_belief=(-3.0, -2.0, -1.0, 0.0)) for e in lost)) == "belief"


def test_auto_passes_over_a_key_that_shows_an_episode_the_same_few_states() -> None:
    answers = ("Ask.", "yes", "no", "yes", "no", "yes", "no", "yes")
    asked = [f"is it {word}?" for word in ("big", "red", "old", "warm", "wet", "mine", "here")]
    played = [walk(str(n), steps=7, observations=answers, state_keys=answers, actions=tuple(asked)) for n in range(2)]
    assert measure_key(played, "observation").later == 1
    assert taken(*played) == "call"


def test_auto_finds_numbers_that_change_and_stays_with_the_state_if_nothing_recurs() -> None:
    counted = [[f"{place}, step {n}{t}" for t, place in enumerate(("hall", "desk", "shelf", "door"))] for n in range(2)]
    played = [walk(str(n), observations=tuple(row), state_keys=tuple(row)) for n, row in enumerate(counted)]
    assert taken(*played) == "text"
    assert labels(played, "auto") == labels(played, "text")
    unlike = [
        walk(str(n), observations=tuple(word * 4), state_keys=tuple(word * 4), actions=tuple(word * 3))
        for n, word in enumerate("ab")
    ]
    assert choose_key(unlike)[:3] == ("state", 0.0, 0.0)
    assert choose_key([]) == ("state", 0.0, 0.0, 0.0)


# What a key costs


def seconds(played: list[Episode], key: Key) -> float:
    start = process_time()
    labels(played, key)
    return process_time() - start


@pytest.mark.slow
@every_key
def test_a_megabyte_of_observation_is_read_once(key: Key) -> None:
    letters = random.Random(0)
    text = " ".join(f"{letters.choice('abcdefgh')}{letters.randrange(10**6)}" for _ in range(140_000))
    assert len(text) > 1_000_000
    assert seconds([seen(text, f"{text} x", log_belief=(0.0, 0.0))], key) < 10


@pytest.fixture(scope="module")
def hundred_thousand() -> list[Episode]:
    letters = random.Random(0)

    def episode(number: int) -> Episode:
        rooms = [
            f"You are in room {letters.randrange(10**9)}. " + "".join(letters.choices("ab cd", k=99)) for _ in range(50)
        ]
        actions = tuple(f"go to {letters.randrange(10**6)}" for _ in range(49))
        return seen(*rooms, episode_id=str(number), group_id=str(number // 8), actions=actions, log_belief=(-1.0,) * 50)

    return [episode(number) for number in range(2000)]


@pytest.mark.slow
@every_key
def test_a_hundred_thousand_observations_cost_in_proportion(key: Key, hundred_thousand: list[Episode]) -> None:
    half, whole = seconds(hundred_thousand[:1000], key), seconds(hundred_thousand, key)
    assert whole < 4 * half + 1
    assert whole < 60
