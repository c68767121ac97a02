"""What the viewer is told of runs: every episode, credit, state and term is there, in its place."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from builders.episodes import episodes, played, walk
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.credit.stored_runs import label
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import MissingColumnError
from credit_gym.report.text import printable
from credit_gym.report.viewer.leaves import KINDS, count_leaves, leaf
from credit_gym.report.viewer.overview import HUMAN, LEAF, overview
from credit_gym.report.viewer.shown_run import ShownRun, given_run, scored_run
from credit_gym.scorers import score
from credit_gym.scorers.explanation import explain

SCORERS = [("grpo", {}), ("gigpo", {"discount": 0.5}), ("td_error", {"key": "observation"})]


def many(count: int) -> list[Episode]:
    """Episodes of two groups and several lengths, one of which did not complete."""
    return [
        walk(
            f"{i}",
            steps=1 + i % 4,
            group_id=f"g{i % 2}",
            rewards=(0.0,) * (i % 4) + (float(i % 3 == 0),),
            error="broke" if i == 1 else None,
        )
        for i in range(count)
    ]


def texts_of(found: dict, column: str) -> list[str]:
    return ["" if number < 0 else found["texts"][number] for number in found[column]]


@given(played=st.lists(episodes(), max_size=4))
def test_every_text_of_any_episodes_is_there_once_and_in_its_place(played: list[Episode]) -> None:
    runs = [given_run("run", "title", played, {}, {})]
    found = leaf(runs, "steps", 0)
    assert texts_of(found, "observations") == [printable(text) for e in played for text in e.observations]
    assert texts_of(found, "actions") == [printable(text) for e in played for text in e.actions]
    if "thoughts" in found:
        expected = [printable(text) for e in played for text in e.thoughts or ("",) * len(e)]
        assert texts_of(found, "thoughts") == expected
    whole = overview(runs)
    assert whole["episodes"]["steps"] == list(map(len, played))
    assert [whole["texts"][n] for n in whole["episodes"]["task"]] == [printable(e.task_id) for e in played]


def test_leaves_of_two_runs_hold_every_step_once() -> None:
    runs = [scored_run("a", "a", many(LEAF + 3), SCORERS), scored_run("b", "b", many(LEAF - 1), SCORERS[:1])]
    everything = [episode for run in runs for episode in run.episodes]
    found = [leaf(runs, "steps", number) for number in range(count_leaves(runs))]
    actions = [text for each in found for text in texts_of(each, "actions")]
    assert actions == [action for episode in everything for action in episode.actions]
    whole = overview(runs)
    assert len(whole["credits"][0]) == len(actions) == sum(whole["episodes"]["steps"])
    assert whole["episodes"]["run"] == [0] * (LEAF + 3) + [1] * (LEAF - 1)
    assert all(value is None for value in whole["credits"][1][-len(many(LEAF - 1)) :])  # which only the first has
    for kind in KINDS[1:]:
        for number in range(count_leaves(runs)):
            leaf(runs, kind, number)


def test_credits_states_and_terms_are_those_of_the_completed_episodes() -> None:
    run = scored_run("a", "a", many(9), SCORERS)
    completed = [episode for episode in run.episodes if episode.error is None]
    scored = np.repeat([episode.error is None for episode in run.episodes], run.steps)
    for scorer, options in SCORERS:
        own = {name: value for name, value in options.items() if name != "key"}
        batch = EpisodeBatch.from_episodes(completed, key=options.get("key", "state"))
        name = label(scorer, options)
        assert run.credits[name][scored] == pytest.approx(score(batch, scorer, **own))
        assert np.isnan(run.credits[name][~scored]).all()
        for term, (_, values) in explain(batch, scorer, **own).terms.items():
            assert run.reasons[name].terms[term].values[scored] == pytest.approx(values)
    assert set(run.company) == {"state", "observation"}
    assert (run.company["state"].node[~scored] == -1).all()


def test_terms_reach_the_page_beside_their_steps() -> None:
    runs = [scored_run("a", "a", many(LEAF + 2), SCORERS)]
    for number, name in enumerate(runs[0].credits):
        for term in runs[0].reasons[name].terms:
            parts = [leaf(runs, "why", n)["terms"][number][term] for n in range(count_leaves(runs))]
            shown = [np.nan if value is None else value for part in parts for value in part]
            assert shown == pytest.approx(runs[0].reasons[name].terms[term].values, rel=1e-5, nan_ok=True)


def test_episodes_that_nobody_can_score_are_shown_without_reasons() -> None:
    broken = walk(policy_logprobs=((0.0,), (0.0,), (0.0,)), reference_logprobs=((), (), ()))
    run = given_run("a", "a", [broken], {"mine": [(1.0, 2.0, 3.0)]}, {"mine": ("grpo", {})})
    assert (dict(run.company), dict(run.reasons)) == ({}, {})
    assert overview([run])["credits"] == [[1, 2, 3]]


def test_a_scorer_that_lacks_a_column_is_left_out_and_said() -> None:
    said: list[str] = []
    run = scored_run(
        "a", "a", many(3), [("branch_aware", {}), ("grpo", {})], left_out=lambda name, _: said.append(name)
    )
    assert (list(run.credits), said) == (["grpo"], ["branch_aware"])
    with pytest.raises(MissingColumnError, match="verifier"):
        scored_run("a", "a", many(3), [("branch_aware", {})])


def chats(found: dict) -> list[list[dict]]:
    told, numbers = [], list[int]()
    for kept, *added in found["chats"]:
        numbers = [*numbers[:kept], *added]
        told.append([found["messages"][n] for n in numbers])
    return told


def test_a_chat_is_written_once_and_read_back_whole() -> None:
    episode = played()
    runs: list[ShownRun] = [given_run("a", "a", [episode], {}, {})]
    found = leaf(runs, "model", 0, token_texts=lambda tokens: [f"<{token}>" for token in tokens])
    assert chats(found) == [list(chat) for chat in episode.messages]
    assert len(found["messages"]) == 3  # the first message of the second chat is that of the first
    assert found["tokens"] == [[3, 4], [7]]
    assert found["token_texts"] == [["<3>", "<4>"], ["<7>"]]
    assert found["policy_logprobs"] == [[-0.5, -0.25], [-1]]
    assert leaf([given_run("a", "a", [walk()], {}, {})], "model", 0) == {}


def test_prompts_that_grow_take_room_in_proportion_to_what_is_new() -> None:
    def size(turns: int) -> int:
        talk = [{"role": "user", "content": f"{t}"} for t in range(turns)]
        episode = walk(steps=turns, messages=tuple(tuple(talk[: t + 1]) for t in range(turns)))
        return len(str(leaf([given_run("a", "a", [episode], {}, {})], "model", 0)))

    sizes = [size(turns) for turns in (100, 200, 400)]
    assert all(later < 2.2 * sooner for sooner, later in pairwise(sizes))


def test_beliefs_and_values_are_there_at_every_point_and_readings_at_every_step() -> None:
    told = walk("0", steps=2, log_belief=(-np.inf, np.nan, 0.0), values=(0.5, np.nan, 2.0), verifier=(np.nan, 0.25))
    found = leaf([given_run("a", "a", [walk("1", steps=1), told], {}, {})], "steps", 0)
    assert found["belief"] == [None, None, 0, None, 1]
    assert found["values"] == [None, None, 0.5, None, 2]
    assert found["verifier"] == [None, None, 0.25]
    assert not {"belief", "values", "verifier"} & set(leaf([given_run("a", "a", [walk()], {}, {})], "steps", 0))


def test_points_of_replay_trees_are_told_apart_though_their_numbers_have_64_bits() -> None:
    grown = [walk(f"{i}", parents=(-1, 2**62 + i, 2**62 + i)) for i in range(2)]
    runs = [given_run("a", "a", [*grown, walk("2", steps=1)], {}, {})]
    assert overview(runs)["parents"] == [0, 1, 1, 0, 2, 2, None]
    assert overview([given_run("a", "a", [walk()], {}, {})])["parents"] == []


def test_roles_and_labels_of_people_are_there_step_by_step() -> None:
    team = walk("0", roles=("planner", "", "actor"), human_labels=(1.0, math.nan, -1.0))
    run = given_run("a", "a", [walk("1", steps=2), team, walk("2")], {}, {})
    whole = overview([replace(run, labels={"1": (0, None), "2": (1,), "elsewhere": (1, 1, 1)})])
    assert [whole["texts"][n] if n >= 0 else "" for n in whole["roles"]] == ["", "", "planner", "", "actor", "", "", ""]
    # those of another length are of another episode
    assert whole["references"] == {HUMAN: [0, None, 1, None, -1, None, None, None]}
    bare = overview([given_run("a", "a", [walk()], {}, {})])
    assert (bare["roles"], bare["references"]) == ([], {})
