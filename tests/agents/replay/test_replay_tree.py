"""Replay trees: laid out as documented, reproducible to the byte, and charged for exactly what they did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from builders.corridor import Corridor
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.core import Action, Context
from credit_gym.agents.replay.allocation import Adaptive, FanOut, PerDecision
from credit_gym.agents.replay.behaviour import BehaviourAgent
from credit_gym.agents.replay.ledger import Ledger
from credit_gym.agents.replay.points import Tree, as_batch
from credit_gym.agents.replay.restart import restart, restart_state
from credit_gym.agents.replay.tree import ReplayTree, grow_trees
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.scripted import RandomAgent
from credit_gym.data.episode import Episode
from credit_gym.envs.tabular.env import stochastic
from credit_gym.envs.team.game import TeamGame, team_model
from credit_gym.errors import BudgetError, CreditGymError, UnknownNameError
from credit_gym.estimation.siblings import check_product_tree, siblings
from credit_gym.store import Store
from credit_gym.wrappers import RecordVerifier

GAME: dict[str, Any] = {"num_tasks": 5, "roles": 3, "messages": 5}


def game() -> TeamGame:
    return TeamGame(**GAME)


def behaviour(seed: int = 0) -> BehaviourAgent:
    return BehaviourAgent(team_model(**GAME), seed=seed)


def grow(allocation: Any, questions: int = 3, **options: Any) -> tuple[list[Tree], Ledger]:
    ledger = options.pop("ledger", Ledger())
    return grow_trees(game, behaviour(), allocation, questions=questions, ledger=ledger, **options), ledger


def texts(trees: Sequence[Tree]) -> list[tuple[Any, ...]]:
    """All that is recorded of some trees."""
    return [
        (e.episode_id, e.parents, e.actions, e.observations, e.rewards, e.success) for t in trees for e in t.episodes()
    ]


class Scribe(RandomAgent):
    """A seeded fake language model: it writes free text, reports tokens, and notes every call."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        object.__setattr__(self, "calls", [])

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        self.calls.append([(context.observation, context.history, context.seed) for context in contexts])
        return [
            Action(text, usage={"prompt_tokens": 7, "completion_tokens": len(text)}) for text in super().act(contexts)
        ]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 4), min_size=3, max_size=3))
def test_a_product_tree_has_the_documented_shape_and_cost(fanout: list[int]) -> None:
    allocation = FanOut(tuple(fanout))
    trees, ledger = grow(allocation, questions=2)
    batch = as_batch(trees)
    check_product_tree(batch, fanout)
    assert ledger.spent["evaluator_calls"] == 2 * allocation.leaves == 2 * prod(fanout) == batch.num_episodes
    assert ledger.spent["messages"] == ledger.spent["env_steps"] == 2 * allocation.nodes
    found = siblings(batch)
    assert found.plays == 2 * allocation.nodes
    assert found.contexts == 2 * (1 + fanout[0] + fanout[0] * fanout[1])  # one per (question, parent)


def test_the_leaves_come_in_the_mixed_radix_order_of_their_draws() -> None:
    (tree,), _ = grow(FanOut((2, 3, 2)), questions=1)
    for number, (episode, digits) in enumerate(
        zip(tree.episodes(), product(range(2), range(3), range(2)), strict=True)
    ):
        assert episode.episode_id.endswith(f"-{number}")
        assert number == (digits[0] * 3 + digits[1]) * 2 + digits[2]
        point = tree.root
        for draw, action in zip(digits, episode.actions, strict=True):
            point = point.after[draw][0]
            assert point.action == action
    batch = as_batch([tree])
    first = siblings(batch).play[batch.step == 0]
    assert [*first] == sorted(first)  # siblings own consecutive, disjoint ranges of leaves
    assert [*Counter(first.tolist()).values()] == [6, 6]


@pytest.mark.parametrize("allocation", [FanOut((2, 3, 2)), PerDecision(3, 2), Adaptive(3, 1, None, most=4)])
def test_a_tree_depends_on_its_seed_alone(allocation: Any) -> None:
    alone, _ = grow(allocation, questions=4, width=1)
    assert texts(alone) == texts(grow(allocation, questions=4, width=7)[0])
    assert texts(alone) == texts(grow(allocation, questions=4, workers=3)[0])
    assert texts(alone[2:3]) == texts([ReplayTree(game(), behaviour(), allocation).grow(2)])
    assert texts(alone) != texts(grow(allocation, questions=4, seed=1)[0])


def test_every_play_has_a_seed_of_its_own() -> None:
    (tree,), _ = grow(PerDecision(4, 3), questions=1)
    points = [*tree.points()]
    assert len({point.seed for point in points}) == len(points)
    streams = [point.stream for point in points if point.parent]
    assert len(set(streams)) == len(streams)


def test_the_first_episode_is_the_same_whatever_branches_off_it() -> None:
    spines = [grow(allocation)[0] for allocation in (FanOut((1,)), FanOut((4, 2)), PerDecision(3, 2))]
    paths = [[[(p.action, p.observation) for p in tree.spine()] for tree in trees] for trees in spines]
    assert paths[0] == paths[1] == paths[2]


@pytest.mark.parametrize("width", [1, 5])
def test_a_replay_pays_only_for_what_follows_the_fork(width: int) -> None:
    """Four draws, three replays at decision t of T = 3: eleven branches of T - t steps beside the episode itself."""
    for t in range(3):
        _, ledger = grow(PerDecision(4, 3, depths=(t,)), questions=1, width=width)
        assert ledger.spent["env_steps"] == 3 + 11 * (3 - t)
        assert ledger.spent["messages"] == t + 4 + 12 * (3 - t - 1)
        assert ledger.spent["evaluator_calls"] == 12
        assert ledger.spent["replays"] == 11


def test_branch_after_branch_never_restores_but_at_the_fork() -> None:
    _, ledger = grow(PerDecision(4, 3, depths=(0,)), questions=1, width=1)
    assert ledger.spent["restores"] == 11


def test_the_draws_of_one_context_are_asked_for_in_one_call_and_tokens_add_up() -> None:
    agent, ledger = Scribe(), Ledger()
    ReplayTree(game(), agent, FanOut((2, 4, 1)), ledger=ledger).grow(0)
    assert [len(call) for call in agent.calls] == [2, 8, 8]
    assert len({observation for observation, _, _ in agent.calls[0]}) == 1
    assert len({seed for call in agent.calls for *_, seed in call}) == 18
    assert ledger.spent["agent_calls"] == 3
    assert ledger.spent["prompt_tokens"] == 7 * 18


def test_the_usage_of_the_episodes_adds_up_to_the_ledger() -> None:
    ledger = Ledger()
    trees = grow_trees(game, Scribe(), FanOut((2, 4)), questions=2, ledger=ledger)
    total: Counter[str] = Counter()
    for tree in trees:
        for episode in tree.episodes():
            total.update(episode.usage)
    assert total["completion_tokens"] == ledger.spent["completion_tokens"] > 0
    assert total["prompt_tokens"] == ledger.spent["prompt_tokens"]


def test_an_extra_evaluator_call_is_refused_before_it_is_made() -> None:
    trees, ledger = grow(FanOut((2, 4)), questions=3, ledger=Ledger({"evaluator_calls": 16}))
    assert ledger.spent["evaluator_calls"] == 16
    assert as_batch(trees).num_episodes == 16
    (episode,) = trees[2].episodes()
    assert "limit of 16 evaluator_calls" in (episode.error or "")
    with pytest.raises(BudgetError, match="reached"):
        ledger.hold(1)
    with pytest.raises(UnknownNameError, match="did you mean"):
        Ledger({"evaluator_cals": 3})


@pytest.mark.parametrize(("name", "limit"), [("messages", 12), ("env_steps", 12), ("replays", 3), ("agent_calls", 2)])
def test_no_count_passes_its_limit_and_nothing_played_is_lost(name: str, limit: int) -> None:
    ledger = Ledger({name: limit})
    trees, _ = grow(FanOut((2, 4)), questions=2, ledger=ledger)
    assert ledger.spent[name] <= limit
    assert any("BudgetError" in (e.error or "") for tree in trees for e in tree.episodes())


class Sulky(RandomAgent):
    """Fails whenever somebody asks after the word "black"."""

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        if any("said black" in context.observation for context in contexts):
            raise ConnectionError("the model hung up")
        return super().act(contexts)


def test_a_failing_agent_costs_only_its_branches() -> None:
    trees = grow_trees(game, Sulky(), FanOut((6, 2)), questions=4, width=1)
    episodes = [e for tree in trees for e in tree.episodes()]
    failed = [e for e in episodes if e.error]
    assert failed
    assert all("hung up" in (e.error or "") and "black" in e.actions[-1] for e in failed)
    assert as_batch(trees).num_episodes == len(episodes) - len(failed) > 0
    assert all(np.isfinite(bucket.values).all() for tree in trees for bucket in tree.buckets())


def test_a_failing_environment_costs_only_its_branches() -> None:
    trees = grow_trees(lambda: Corridor3(broken_task=1), RandomAgent(), FanOut((3, 2)), questions=3)
    errors = [{e.error is None for e in tree.episodes()} for tree in trees]
    assert errors[0] == errors[2] == {True}
    assert False in errors[1]
    assert all(e.actions for e in trees[1].episodes())


class Corridor3(Corridor):
    """The corridor with clones."""

    def clone_state(self) -> Any:
        return self.stream, self.task, self.cell, self.steps

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        self.stream, self.task, self.cell, self.steps = state
        return self._observe(0)


def test_a_task_that_cannot_be_loaded_costs_only_its_tree() -> None:
    class Broken(Corridor3):
        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            if (options or {}).get("task") == 1:
                raise OSError("no such file")
            return super().reset(seed=seed, options=options)

    trees = grow_trees(Broken, RandomAgent(), FanOut((2,)), questions=3)
    assert [len(tree.episodes()) for tree in trees] == [2, 1, 2]
    (lost,) = trees[1].episodes()
    assert lost.error == "OSError: no such file"


def test_merged_duplicates_are_played_once_and_listed_as_often_as_drawn() -> None:
    plain, spent = grow(FanOut((6, 2)), questions=20)
    merged, saved = grow(FanOut((6, 2)), questions=20, merge_duplicates=True)
    assert as_batch(merged).num_episodes == as_batch(plain).num_episodes
    assert saved.spent["evaluator_calls"] < spent.spent["evaluator_calls"]
    check_product_tree(as_batch(merged), (6, 2, 1))
    for a, b in zip(plain, merged, strict=True):
        drawn = [Counter(tree.buckets()[0].actions) for tree in (a, b)]
        assert drawn[0] == drawn[1]


@pytest.mark.slow
def test_adaptive_replays_stop_where_all_agree_and_go_where_they_do_not() -> None:
    questions, most = 40, 6
    trees, _ = grow(Adaptive(3, 2, (0,), most=most), questions=questions)
    for bucket in (bucket for tree in trees for bucket in tree.buckets()):
        table = bucket.table
        assert 2 <= table.shape[1] <= most
        assert table.shape[1] == most or np.ptp(table) == 0.0
    capped, less = grow(Adaptive(3, 2, None, most=50, budget=60), questions=questions)
    assert less.spent["evaluator_calls"] <= 60 * questions
    per_tree = [len(tree.episodes()) for tree in capped]
    assert max(per_tree) <= 60
    assert min(per_tree) >= 16  # 1 + 3 decisions of 3 x 2 - 1


@pytest.mark.slow
def test_stopping_where_all_agree_shrinks_the_credit_by_the_documented_factor() -> None:
    """Two messages, worth 1 and 0 in turn: n = 2, c = 1, then d = 3 more if they disagreed, p = 1/2 of the time."""
    quality = {"say amber": 0.75, "say black": 0.25}
    draw = np.random.default_rng(0)
    credits, allocation = [], Adaptive(2, 1, most=4)
    for _ in range(6_000):
        table = (draw.random((2, 1)) < np.array([[quality["say amber"]], [quality["say black"]]])).astype(float)
        while allocation.more([table], np.inf):
            more = draw.random((2, 1)) < np.array([[0.75], [0.25]])
            table = np.concatenate([table, more], axis=1)
        credits.append(table.mean(axis=1)[0] - table.mean(axis=1)[1])
    disagree = 0.75 * 0.75 + 0.25 * 0.25
    expected = (1 + disagree * 3) / 4 * 0.5
    assert abs(np.mean(credits) - expected) < 4 * np.std(credits) / np.sqrt(6_000)
    assert expected < 0.45


def test_a_fan_out_is_read_as_people_write_it() -> None:
    for text in ("2,4", "2 4", "2x4", "[2, 4]", " 2 , 4 "):
        assert FanOut.parse(text).fanout == (2, 4)
    for text in ("", "2,,4", "a", "2.5", "-1", "0,2"):
        with pytest.raises(CreditGymError, match="such as 2,4"):
            FanOut.parse(text)
    assert (FanOut((2, 4)).leaves, FanOut((2, 4)).nodes) == (8, 10)
    assert (FanOut((8, 1)).leaves, FanOut((8, 1)).nodes) == (8, 16)


def test_any_point_can_be_reached_again_from_json() -> None:
    trees = grow_trees(stochastic, RandomAgent(3), PerDecision(2, 2, (0, 2)), questions=3)
    env = stochastic()
    for tree in trees:
        for line in [json.dumps(restart_state(tree, point)) for point in tree.points()][:20]:
            state = json.loads(line)
            observation, _ = restart(env, state)
            point = tree.root
            for action, stream in state["steps"]:
                point = next(p for plays in point.after for p in plays if (p.action, p.stream) == (action, stream))
            assert observation == point.observation


def test_the_verifier_is_recorded_only_when_asked_for() -> None:
    agent = RandomAgent()
    (plain,) = {e.verifier is None for e in ReplayTree(stochastic(), agent).grow(0).episodes()}
    assert plain
    built_in = ReplayTree(RecordVerifier(stochastic()), agent).grow(0).episodes()
    assert all(e.verifier is not None and set(e.verifier) <= {-1.0, 0.0, 1.0} for e in built_in)
    own = RecordVerifier(stochastic(), lambda before, action, after, reward, info: None if reward else 0.5)
    readings = [v for e in ReplayTree(own, agent).grow(0).episodes() for v in e.verifier or ()]
    assert {v for v in readings if not np.isnan(v)} == {0.5}


def test_an_episode_that_ends_at_once_is_a_leaf() -> None:
    trees = grow_trees(Corridor3, RandomAgent(), FanOut((3, 3)), questions=6)
    lengths = {len(e) for tree in trees for e in tree.episodes()}
    assert min(lengths) < max(lengths)
    batch = as_batch(trees)
    assert batch.parent is not None
    assert (batch.parent[batch.step == 0] == -1).all()
    inner = batch.parent[batch.step > 0]
    assert (inner >= 0).all()


def test_what_cannot_be_forked_is_refused() -> None:
    class Opaque(gym.Env[str, str]):
        pass

    for env in (Opaque(), Corridor()):
        with pytest.raises(CreditGymError, match="cannot be forked"):
            ReplayTree(env, RandomAgent())
    with pytest.raises(CreditGymError, match="width"):
        ReplayTree(game(), RandomAgent(), width=0)
    with pytest.raises(CreditGymError, match="own environment"):
        behaviour().act([Context("", "", (), (), {"state_key": "?"}, 0, 0)])
    with pytest.raises(CreditGymError, match="at least one draw"):
        PerDecision(0)


@pytest.mark.parametrize("env_id", ["credit/WebShop-v0", "credit/ALFWorld-v0"])
def test_it_forks_the_large_environments(env_id: str) -> None:
    if "ALFWorld" in env_id:
        pytest.importorskip("textworld")
    env = gym.make(env_id, max_steps=6)
    grower = ReplayTree(env, Batched(RandomAgent()), PerDecision(2, 2, (1, 3)), width=4)
    episodes = grower.grow(1).episodes()
    assert len(episodes) == 7
    for episode in episodes:
        assert _replayed(env, episode) == (episode.observations, episode.state_keys, episode.rewards)


def _replayed(env: gym.Env[str, str], episode: Episode) -> tuple[Any, Any, Any]:
    """The same actions from the start: these two environments draw nothing after the reset."""
    observation, info = env.reset(seed=episode.seed, options={"task": 1})
    seen, keys, rewards = [observation], [info["state_key"]], []
    for action in episode.actions:
        observation, reward, _, _, info = env.step(action)
        seen.append(observation)
        keys.append(info["state_key"])
        rewards.append(float(reward))
    return tuple(seen), tuple(keys), tuple(rewards)


def test_a_tree_survives_the_store(tmp_path: Path) -> None:
    (tree,), _ = grow(FanOut((2, 2)), questions=1)
    with Store.open(tmp_path / "store") as store:
        run_id = store.start_run(env_id="credit/TeamGame-v0", agent_id="behaviour")
        store.add_episodes(run_id, tree.episodes())
        assert store.load_episodes(run_id) == tree.episodes()
