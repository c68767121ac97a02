"""Kept credits are those of the episodes as they are now: in whatever order a run is played, scored and reported."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good, opened
from builders.episodes import episodes as any_episode
from builders.episodes import walk
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.credit.fingerprint import fingerprint
from credit_gym.credit.stored_runs import label, run_credits, score_run
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import MissingColumnError, OptionError, ReadingError, StoreError, UnknownNameError
from credit_gym.store import RunRecord, Store, new_run

GROUP = 4
RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "8", "--group-size", str(GROUP), "--agent", "noisy:0.5")
SCORERS = (("grpo",), ("gae", "lam=0.5"), ("crbc", "key=observation"), ("random",))


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def asked(scorer: tuple[str, ...]) -> tuple[str, ...]:
    return "--scorer", scorer[0], *(part for option in scorer[1:] for part in ("--option", option))


def exported(run_id: str, scorer: tuple[str, ...]) -> list[float | None]:
    good("targets", run_id, *asked(scorer), "--to", "jsonl", "--out", "t.jsonl")
    lines = [json.loads(line) for line in Path("t.jsonl").read_text("utf-8").splitlines()]
    return [line[f"credit_{scorer[0]}"] for line in lines]


@cache
def whole() -> tuple[list[Episode], RunRecord, dict[tuple[str, ...], list[float | None]]]:
    """The episodes, the record and the credits of an uninterrupted run."""
    with folder():
        run_id = good(*RUN, "--seed", "3").split()[0]
        with opened(run_id) as store:
            return store.load_episodes(run_id), store.run(run_id), {s: exported(run_id, s) for s in SCORERS}


def begun(count: int) -> str:
    """The same run, stopped after some episodes, the next of which failed."""
    played, record, _ = whole()
    stopped = {name: getattr(record, name) for name in ("env_id", "agent_id", "config", "seed")}
    store, run_id = new_run(Path("runs"), **stopped)
    with store:
        store.add_episodes(run_id, played[:count])
        store.add_episode(run_id, replace(played[count], error="TimeoutError: no answer"))
    return run_id


steps = st.lists(
    st.tuples(st.sampled_from(("grow", "resume", "score", "targets", "report")), st.sampled_from(SCORERS)), max_size=5
)


def interleave(count: int, script: list[tuple[str, tuple[str, ...]]]) -> None:
    played, _, credits = whole()
    with folder():
        run_id = begun(count)
        for what, scorer in script:
            if what == "grow":  # what a run in progress does while others look at it
                with opened(run_id) as store:
                    missing = [e for e in played if e.episode_id not in store.episode_ids(run_id)]
                    store.add_episodes(run_id, missing[:1])
            elif what == "resume":
                good("run", "--resume", run_id, "--scorer", scorer[0])
            else:
                good(what, run_id, *(asked(scorer) if what != "report" else asked(scorer[:1])))
        good("run", "--resume", run_id)
        good("report", run_id)
        for scorer, expected in credits.items():
            assert exported(run_id, scorer) == expected
        with opened(run_id) as store:
            for name, options in store.target_sets(run_id):
                flat = [credit for row in store.load_credits(run_id, name, options).values() for credit in row]
                known = [s for s in SCORERS if label(name, options).startswith(s[0]) and len(s) - 1 == len(options)]
                assert flat in [credits[s] for s in known] or not known


@pytest.mark.slow
@settings(max_examples=3, deadline=None, derandomize=True)
@given(count=st.integers(0, 7), script=steps)
def test_any_order_of_commands_ends_in_the_credits_of_one_uninterrupted_run(
    count: int, script: list[tuple[str, tuple[str, ...]]]
) -> None:
    interleave(count, script)


@pytest.mark.slow
@given(count=st.integers(0, 7), script=steps)
def test_many_orders_of_commands_end_in_the_same_credits(count: int, script: list[tuple[str, tuple[str, ...]]]) -> None:
    interleave(count, script)


def test_a_group_that_grew_is_scored_as_a_whole() -> None:
    with folder():
        run_id = begun(GROUP // 2)
        good("score", run_id, "--scorer", "grpo")
        good("run", "--resume", run_id)
        with (
            opened(run_id) as store,
            pytest.raises(StoreError, match=r"'grpo'.*stale.*score it again with `credit-gym"),
        ):
            store.load_credits(run_id, "grpo")
        with opened(run_id) as store, pytest.raises(StoreError, match="stale"):
            store.load_targets(run_id, "grpo")
        assert exported(run_id, ("grpo",)) == whole()[2][("grpo",)]
        with opened(run_id) as store:
            assert len(store.load_credits(run_id, "grpo")) == 8


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def start(store: Store) -> str:
    return store.start_run(env_id="credit/Test-v0", agent_id="random", seed=7)


TOKENS = (((-1.0,), (-2.0,), ()), ((-0.5,), (-0.25,), (-3.0,)))


@pytest.mark.parametrize(
    ("scorer", "changes", "later"),
    [
        ("oracle", {"advantages": (0.0, 1.0, 2.0)}, {"advantages": (0.0, 1.0, 3.0)}),
        ("policy_logprob", {"policy_logprobs": TOKENS[0]}, {"policy_logprobs": TOKENS[1]}),
        ("grpo", {}, {"rewards": (0.0, 0.0, 5.0)}),
        ("branch_aware", {"verifier": (0.0, 1.0, 0.0)}, {"verifier": (1.0, math.nan, 0.0)}),
        ("turn_grpo", {}, {"success": False}),
    ],
)
def test_episodes_that_were_annotated_afterwards_are_scored_again(
    store: Store, scorer: str, changes: dict[str, Any], later: dict[str, Any]
) -> None:
    run_id = start(store)
    first = [walk("7-0", **changes), walk("7-1", actions=("back", "go 1", "go 2"), **changes)]
    store.add_episodes(run_id, first)
    before = run_credits(store, run_id, first, scorer, {})
    second = [first[0], replace(first[1], **later)]
    after = run_credits(store, run_id, second, scorer, {})
    with Store.open(store.folder / "fresh") as fresh:
        other = start(fresh)
        fresh.add_episodes(other, second)
        assert after == run_credits(fresh, other, second, scorer, {})
    assert after != before
    assert run_credits(store, run_id, first, scorer, {}) == before


def test_kept_credits_are_returned_without_asking_the_scorer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = start(store)
    store.add_episode(run_id, walk("7-0"))
    kept = run_credits(store, run_id, store.load_episodes(run_id), "gae", {"lam": 1})

    def never(*_: object, **__: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr("credit_gym.credit.assign.score", never)
    again = store.load_episodes(run_id)
    assert run_credits(store, run_id, again, "gae", {"lam": 1}) == kept
    assert run_credits(store, run_id, again, "gae", {"lam": 1.0}) == kept  # one value of the option
    for changed in ({"lam": 0.5}, {"lam": 1, "key": "observation"}):
        with pytest.raises(AssertionError, match="scored again"):
            run_credits(store, run_id, again, "gae", changed)
    monkeypatch.setattr("credit_gym.credit.fingerprint.__version__", "9.9")
    with pytest.raises(AssertionError, match="scored again"):
        run_credits(store, run_id, again, "gae", {"lam": 1})


def test_episodes_that_failed_have_no_row_and_those_without_steps_an_empty_one(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk("7-0"), walk("7-1", error="timeout"), walk("7-2", steps=0, success=False)])
    played = store.load_episodes(run_id)
    rows = run_credits(store, run_id, played, "outcome_only", {})
    assert rows == [(1.0, 1.0, 1.0), None, ()]
    assert run_credits(store, run_id, played, "outcome_only", {}) == rows


def test_a_store_that_cannot_be_written_has_credits_too(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk("7-0"), walk("7-1", rewards=(0.0, 0.0, 0.0))])
    store._connection.execute("PRAGMA query_only = ON")
    played = store.load_episodes(run_id)
    assert run_credits(store, run_id, played, "grpo", {}) == [(1.0,) * 3, (-1.0,) * 3]
    with pytest.raises(StoreError, match="cannot be written"):
        score_run(store, run_id, played, "grpo", {})


def test_scoring_a_part_of_a_run_leaves_nothing_that_could_be_taken_for_the_whole(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk("7-0"), walk("7-1")])
    score_run(store, run_id, store.load_episodes(run_id)[:1], "grpo", {})
    with pytest.raises(StoreError, match="stale"):
        store.load_credits(run_id, "grpo")
    score_run(store, run_id, store.load_episodes(run_id), "grpo", {})
    assert set(store.load_credits(run_id, "grpo")) == {"7-0", "7-1"}


def test_the_credits_of_an_older_store_are_stale(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = start(store)
        store.add_episode(run_id, walk("7-0"))
        score_run(store, run_id, store.load_episodes(run_id), "grpo", {})
        for column in ("fingerprint", "episodes"):
            store._connection.execute(f"ALTER TABLE targets DROP COLUMN {column}")
        store._connection.execute("PRAGMA user_version = 3")
    with Store.open(tmp_path, create=False) as store:
        assert store.target_sets(run_id) == [("grpo", {})]
        with pytest.raises(StoreError, match="stale"):
            store.load_credits(run_id, "grpo")
        assert run_credits(store, run_id, store.load_episodes(run_id), "grpo", {}) == [(0.0, 0.0, 0.0)]
        assert store.load_credits(run_id, "grpo") == {"7-0": (0.0, 0.0, 0.0)}


def test_a_report_leaves_out_what_cannot_be_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = begun(2)
    good("score", run_id, "--scorer", "grpo")
    with opened(run_id) as store:
        store.add_targets(run_id, "gone", {}, [])
        store.add_targets(run_id, "gae", {"lam": 2}, [])
    result = call("report", run_id)
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 2
    assert "gone is left out: There is no scorer called 'gone'" in result.stderr
    assert "gae(lam=2) is left out: The option lam of gae" in result.stderr
    page = Path(result.stdout.strip()).read_text("utf-8")
    assert '"scorers":[{"name":"grpo"' in page
    assert '"name":"gae' not in page


@pytest.mark.parametrize(
    ("scorer", "options", "error"),
    [
        ("gae", {"lam": 2}, OptionError),
        ("gae", {"lamb": 1}, UnknownNameError),
        ("gae", {"key": "bogus"}, UnknownNameError),
        ("branch_aware", {}, MissingColumnError),
        ("policy_logprob", {}, ReadingError),
    ],
)
def test_what_cannot_be_scored_keeps_nothing(
    store: Store, scorer: str, options: dict[str, Any], error: type[Exception]
) -> None:
    run_id = start(store)
    store.add_episode(run_id, walk("7-0", steps=1, policy_logprobs=((math.inf,),)))
    for ask in (run_credits, score_run):
        with pytest.raises(error):
            ask(store, run_id, store.load_episodes(run_id), scorer, options)
    assert store.target_sets(run_id) == []


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(episode=any_episode(), key=st.sampled_from(("state", "observation")))
def test_a_fingerprint_survives_the_store_and_tells_every_column(episode: Episode, key: Any) -> None:
    tokens = ("policy_logprobs", "reference_logprobs", "policy_entropies", "policy_kls", "policy_top_logprobs")
    episode = replace(episode, **dict.fromkeys(tokens[1:]))  # drawn one by one, their lengths differ

    def mark(played: Episode) -> str:
        return fingerprint(EpisodeBatch.from_episodes([played], key=key), [played.episode_id], "grpo", {"key": key})

    with tempfile.TemporaryDirectory() as name, Store.open(name) as store:
        run_id = start(store)
        store.add_episode(run_id, episode)
        (loaded,) = store.load_episodes(run_id)
    assert mark(loaded) == mark(episode)
    for changes in ({"success": not episode.success}, {"task_id": episode.task_id + "x"}, {"episode_id": "7-9"}):
        assert mark(replace(episode, **changes)) != mark(episode)
    if len(episode):
        assert mark(replace(episode, rewards=(episode.rewards[0] + 1e300, *episode.rewards[1:]))) != mark(episode)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["jsonl", "parquet", "datasets", "trl-sft", "trl-kto", "verl", "openrlhf", "verifiers"])
def test_readings_that_are_no_finite_numbers_are_null_in_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.chdir(tmp_path)
    inf, nan = math.inf, math.nan
    store, run_id = new_run(Path("runs"), env_id="credit/Test-v0", agent_id="random", config={}, seed=7)
    with store:
        odd: dict[str, Any] = {"policy_logprobs": ((-inf,), (nan, -1.0), ()), "token_ids": ((1,), (2, 3), ())}
        odd |= {"policy_kls": ((inf,), (nan, 1.0), ()), "log_belief": (-inf, nan, 0.0, -1.0)}
        store.add_episode(run_id, walk("7-0", **odd))
    if to == "datasets":
        pytest.importorskip("datasets")
    assert call("targets", run_id, "--scorer", "outcome_only", "--to", to, "--out", "out").exit_code == 0
    if to == "jsonl":
        lines = [json.loads(line) for line in Path("out").read_text("utf-8").splitlines()]
        assert [line["logprobs"] for line in lines] == [[None], [None, -1.0], None]
    good("report", run_id, "--scorer", "grpo")


def test_kept_credits_of_another_length_are_made_anew(tmp_path: Path) -> None:
    store, run_id = new_run(tmp_path, env_id="credit/Test-v0", agent_id="random", config={}, seed=1)
    with store:
        store.add_episodes(run_id, [walk(f"7-{i}", steps=2, rewards=(0.0, float(i))) for i in range(3)])
        episodes = store.episodes(run_id)
        before = [*run_credits(store, run_id, episodes, "mc", {})]
        store._connection.execute("UPDATE credits SET credit = zeroblob(8)")
        assert [*run_credits(store, run_id, episodes, "mc", {})] == before
        assert [*run_credits(store, run_id, episodes, "mc", {})] == before
