from __future__ import annotations

import math
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import TESTS
from builders.episodes import episodes, walk
from builders.older_stores import as_version_4, unpacked
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import COLUMN_NAMES, EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.keys import KeyName
from credit_gym.data.target import TrainingTarget
from credit_gym.errors import CreditGymError, StoreError, UnknownNameError
from credit_gym.store import Store
from credit_gym.store.episode_cells import checksums
from credit_gym.store.naming import in_natural_order, natural_order


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def start(store: Store, **changes: Any) -> str:
    return store.start_run(**{"env_id": "credit/Test-v0", "agent_id": "random", "seed": 7, **changes})


def exact(episode: Episode) -> list[tuple[str, str]]:
    """Every field as text: tells NaN from None, -0.0 from 0.0 and 1 from True."""
    return [(f.name, ascii(getattr(episode, f.name))) for f in fields(episode)]


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(episode=episodes())
def test_an_episode_comes_back_exactly_as_it_was_added(episode: Episode) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Store.open(folder) as store:
            run_id = start(store)
            store.add_episode(run_id, episode)
        with Store.open(folder, create=False) as store:
            (loaded,) = store.load_episodes(run_id)
    assert exact(loaded) == exact(episode)


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(played=st.lists(episodes(), min_size=2, max_size=5))
def test_episodes_that_are_read_together_come_back_as_each_alone(played: list[Episode]) -> None:
    played = [replace(episode, episode_id=f"7-{number}") for number, episode in enumerate(played)]
    with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
        run_id = start(store)
        store.add_episodes(run_id, played)
        assert list(map(exact, store.load_episodes(run_id))) == list(map(exact, played))


def test_what_is_changed_in_place_is_one_episodes_own(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk(f"7-{number}", usage={"tokens": 1.0}) for number in range(2)])
    one, other = store.load_episodes(run_id)
    assert one.usage == other.usage
    assert one.usage is not other.usage


def test_entries_of_one_episode_never_become_anothers(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk(f"7-{number}", steps=2) for number in range(2)])
    for episode, actions in ((1, "a|"), (2, "b|c|d|")):  # as many together as there were
        packed = "recorded, numbers, replace(texts, replace('go 0|go 1|', '|', char(31)), replace(?, '|', char(31)))"
        kept = store._connection.execute(
            f"SELECT {packed} FROM columns WHERE episode = ?", (actions, episode)
        ).fetchone()
        assert actions.replace("|", "\x1f") in kept[2]
        changed = "UPDATE columns SET texts = ?, checksum = ? WHERE episode = ?"
        store._connection.execute(changed, (kept[2], *checksums([kept]), episode))
    with pytest.raises(StoreError, match=r"'7-0' cannot be read.*not as many entries as its episode"):
        store.load_episodes(run_id)


def test_the_files_of_a_commit_reach_the_disk_before_it_and_each_folder_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, synced, fsync = start(store), list[str](), os.fsync

    def noted(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    texts = tuple(f"{number} " * 900 for number in range(4))
    episodes = [walk(f"{k}", observations=tuple(f"{k} {text}" for text in texts)) for k in range(100)]
    store.add_episodes(run_id, episodes)
    files = [path for path in (store.folder / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 400
    written = [path for path in synced if path.endswith(".tmp")]
    folders = [path for path in synced if "blobs" in path and not path.endswith(".tmp")]
    assert len(written) == len(set(written)) == 400
    assert sorted(folders) == sorted({str(path.parent) for path in files})
    assert store.load_episodes(run_id) == episodes


def test_a_commit_that_fails_leaves_no_file(store: Store) -> None:
    run_id = start(store)
    with pytest.raises(StoreError, match="cannot be written"):
        store.add_episodes(
            run_id, [walk("a", observations=("x" * 5000, "", "", "")), walk("b", rewards=(object(),) * 3)]
        )
    assert [path for path in (store.folder / "blobs").rglob("*") if path.is_file()] == []


def test_only_long_texts_and_many_log_probabilities_become_files(store: Store) -> None:
    run_id = start(store)
    store.add_episode(run_id, walk("a"))
    assert not (store.folder / "blobs").exists()
    long = walk("b", observations=("x" * 5000, "x" * 5000, "short", "y" * 5000))
    store.add_episode(run_id, long)
    store.add_episode(run_id, walk("c", policy_logprobs=((-0.5,), (), (-1.0, -2.0))))
    many = walk("d", policy_logprobs=((-0.5,) * 9000, (), (-1.0,)))
    store.add_episode(run_id, many)
    files = [path for path in (store.folder / "blobs").rglob("*") if path.is_file()]
    assert sorted(path.stat().st_size for path in files) == [5000, 5000, 8 * 9001]  # equal texts share a file
    assert store.load_episodes(run_id)[1] == long
    assert store.load_episodes(run_id)[3] == many


def test_a_growing_chat_is_kept_once(store: Store) -> None:
    chat = tuple({"role": "user", "content": f"{t} " * 100} for t in range(40))
    episode = walk(steps=40, messages=tuple(chat[: t + 1] for t in range(40)))
    run_id = start(store)
    store.add_episode(run_id, episode)
    assert store.load_episodes(run_id) == [episode]
    (size,) = store._connection.execute("SELECT sum(length(messages)) FROM columns").fetchone()
    assert size < 2 * sum(len(m["content"]) for m in chat)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"role": "user", "content": "hi"}, {"content": "hi", "role": "user"}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
        ({"a": [1]}, {"a": [True]}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 0.0}, {"a": -0.0}),
    ],
)
def test_a_message_that_only_equals_the_one_before_comes_back_as_itself(
    store: Store, before: dict[str, Any], after: dict[str, Any]
) -> None:
    episode = walk(steps=2, messages=((before,), (after,)))
    run_id = start(store)
    store.add_episode(run_id, episode)
    (loaded,) = store.load_episodes(run_id)
    assert exact(loaded) == exact(episode)


def test_a_growing_prompt_is_kept_once_and_one_that_changed_is_kept_right(store: Store) -> None:
    prompts = [tuple(range(50 * t)) for t in range(1, 41)]
    prompts[20] = (9, *prompts[20][1:])  # a chat template that rewrites its beginning
    prompts[30] = prompts[30][:7]  # a window that drops turns
    episode = walk(steps=40, prompt_token_ids=tuple(prompts), token_ids=((2**40, -1),) * 40)
    run_id = start(store)
    store.add_episode(run_id, episode)
    assert store.load_episodes(run_id) == [episode]
    (size,) = store._connection.execute("SELECT sum(length(prompt_token_ids)) FROM columns").fetchone()
    assert size < 8 * sum(map(len, prompts)) / 5


@pytest.mark.parametrize("version", [4, 5])
def test_a_store_that_an_older_version_wrote_holds_what_was_put_into_it(version: int, tmp_path: Path) -> None:
    written = unpacked(tmp_path, version)
    with Store.open(tmp_path, create=False) as store:
        (record,) = store.runs()
        loaded = store.load_episodes(record.run_id)
        assert [[pair for pair in exact(e) if pair[1] != "None"] for e in loaded] == [[*w.items()] for w in written]
        outcomes = store.outcomes(record.run_id)
        completed = [episode for episode in loaded if episode.error is None]
        assert (outcomes.completed, outcomes.errors) == (len(completed), len(loaded) - len(completed))
        assert outcomes.steps == sum(map(len, completed))
        assert store.load_credits(record.run_id, "grpo") == {"7-101": (0.0, 0.25, 0.5)}
        ((name, credits),) = store.load_credits(record.run_id, "gae", {"lam": 0.5}).items()
        assert (name, credits[1], math.isnan(credits[0])) == ("7-101", -0.5, True)
        store.add_episode(record.run_id, walk("8-0"))
    with Store.open(tmp_path, create=False) as store:
        again = store.load_episodes(record.run_id)
        assert [exact(e) for e in again] == [exact(e) for e in [*loaded, walk("8-0")]]


def test_a_damaged_store_of_an_older_version_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    unpacked(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database, database:
        database.execute("UPDATE steps SET admissible_actions = '[1' WHERE admissible_actions IS NOT NULL")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"The episode '7-.*' cannot be read: "):
            Store.open(tmp_path, create=False)


@pytest.mark.parametrize(
    "change",
    ["UPDATE episodes SET goal = goal || '.' WHERE key = 2", "UPDATE columns SET rewards = NULL WHERE episode = 2"],
)
def test_one_damaged_episode_of_version_5_is_refused_when_it_is_read_and_no_other(tmp_path: Path, change: str) -> None:
    unpacked(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database, database:
        database.execute(change)
        ((damaged,),) = database.execute("SELECT episode_id FROM episodes WHERE key = 2")
    with Store.open(tmp_path, create=False) as store:
        (record,) = store.runs()
        played = store.episodes(record.run_id)
        for number, name in enumerate(store.episode_ids(record.run_id)):
            if name == damaged:
                with pytest.raises(StoreError, match=f"'{damaged}' cannot be read: it is no longer as it was written"):
                    played[number]
            else:
                assert played[number].episode_id == name


def test_a_store_of_an_older_version_is_read_and_written(tmp_path: Path) -> None:
    new = ("prompt_token_ids", "token_ids", "decodings")
    with Store.open(tmp_path) as store:
        run_id = start(store)
        store.add_episode(run_id, walk("7-0"))
    as_version_4(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database, database:
        for name in new:
            database.execute(f'ALTER TABLE steps DROP COLUMN "{name}"')
        database.execute("PRAGMA user_version = 1")
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(lambda _: Store.open(tmp_path, create=False), range(4)):
            opened.close()
    later = walk("7-1", token_ids=((1,), (2, 3), ()))
    with Store.open(tmp_path, create=False) as store:
        store.add_episode(run_id, later)
        assert store.load_episodes(run_id) == [walk("7-0"), later]


def test_a_column_that_is_new_needs_no_new_version(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = start(store)
        store.add_episode(run_id, walk("7-0", exact_verifier=True))
        store._connection.execute("ALTER TABLE columns DROP COLUMN exact_verifier")
        store._connection.execute("ALTER TABLE columns DROP COLUMN token_ids")
    later = walk("7-1", exact_verifier=True, token_ids=((1,), (2, 3), ()))
    with Store.open(tmp_path, create=False) as store:
        store.add_episode(run_id, later)
        assert store.load_episodes(run_id) == [walk("7-0", exact_verifier=True), later]


@pytest.mark.parametrize(
    "change",
    [
        "texts = replace(texts, 'go 1', 'go 2')",
        "texts = replace(texts, 'test/task', 'test/tusk')",
        "numbers = (SELECT numbers FROM columns WHERE episode = 3)",
        "recorded = replace(recorded, 'observations', 'replies')",
        "recorded = NULL",
        "checksum = NULL",
        "messages = (SELECT messages FROM columns WHERE episode = 3)",
        "messages = NULL",
    ],
)
def test_a_cell_that_is_another_legal_one_than_was_written_is_noticed(store: Store, change: str) -> None:
    run_id = start(store)
    played = [walk(f"7-{i}", steps=1, rewards=(i / 4,), messages=(({"content": str(i)},),)) for i in range(4)]
    store.add_episodes(run_id, [replace(each, task_id="test/task", actions=("go 1",)) for each in played])
    before = store.load_episodes(run_id)
    store._connection.execute("UPDATE columns SET texts = texts")
    assert store.load_episodes(run_id) == before
    store._connection.execute(f"UPDATE columns SET {change} WHERE episode = 2")
    with pytest.raises(StoreError, match="'7-1' cannot be read: "):
        store.load_episodes(run_id)
    with pytest.raises(StoreError, match="'7-1' cannot be read: "):
        EpisodeBatch.from_episodes(store.episodes(run_id))


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_flipped_bit_of_an_episode_is_noticed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
        run_id = start(store)
        store.add_episodes(run_id, [walk(name, messages=(({"content": "é"},),) * 3) for name in ("7", "7-1", "7-1-1")])
        table, names, where = data.draw(
            st.sampled_from(
                [
                    ("columns", ("recorded", "numbers", "texts", "messages"), "episode = 2"),
                    ("episodes", ("episode_id", "group_id"), "key = 2"),
                ]
            )
        )
        name = data.draw(st.sampled_from(names))
        ((kind, cell),) = store._connection.execute(
            f"SELECT typeof({name}), CAST({name} AS BLOB) FROM {table} WHERE {where}"
        )
        bit = data.draw(st.integers(0, 8 * len(cell) - 1))
        flipped = bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(cell))
        store._connection.execute(f"UPDATE {table} SET {name} = CAST(? AS {kind}) WHERE {where}", (flipped,))
        with pytest.raises(StoreError, match=r"restore|cannot be read"):
            store.load_episodes(run_id)


@settings(deadline=None, max_examples=15)
@given(played=st.lists(episodes(), max_size=5), key=st.sampled_from(["state", "observation"]))
def test_a_batch_read_from_a_store_is_that_of_the_episodes(played: list[Episode], key: KeyName) -> None:
    played = [replace(episode, episode_id=f"7-{number}") for number, episode in enumerate(played)]
    with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
        run_id = start(store)
        store.add_episodes(run_id, played)
        loaded = store.load_episodes(run_id)
        try:
            expected = EpisodeBatch.from_episodes(loaded, key=key)
        except CreditGymError as error:
            with pytest.raises(type(error), match=re.escape(str(error))):
                EpisodeBatch.from_episodes(store.episodes(run_id), key=key)
            return
        found = EpisodeBatch.from_episodes(store.episodes(run_id), key=key)
    for name in COLUMN_NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name, strict=True)


def test_parts_of_a_run_that_recorded_different_columns_make_one_batch(store: Store) -> None:
    run_id = start(store)
    plain = [walk(f"7-{i}", steps=i % 4) for i in range(300)]
    more = [
        replace(each, episode_id=f"8-{i}", log_belief=(-0.5,) * (len(each) + 1), roles=("solver",) * len(each))
        for i, each in enumerate(plain)
    ]
    store.add_episodes(run_id, [*plain, *more])
    found, expected = (EpisodeBatch.from_episodes(each) for each in (store.episodes(run_id), [*plain, *more]))
    for name in COLUMN_NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name, strict=True)


@pytest.mark.parametrize(
    "change",
    ["episode_id = CAST('7' AS BLOB)", "steps = -1", "steps = 'x'", "steps = 1 << 40", "success = NOT success"],
)
def test_a_row_that_no_episode_has_is_refused_before_any_is_read(store: Store, change: str) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk(f"7-{i}") for i in range(2)])
    store._connection.execute(f"UPDATE episodes SET {change} WHERE episode_id = '7-1'")
    with pytest.raises(StoreError, match=f"A row of the episodes of {run_id} is damaged"):
        store.episodes(run_id)


def test_an_episode_whose_run_is_damaged_is_missed(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk("a"), walk("b")])
    with sqlite3.connect(store.folder / "store.sqlite") as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE episodes SET run_id = ? WHERE episode_id = 'b'", (1 << 62,))
    with pytest.raises(StoreError, match="belongs to no run"):
        store.load_episodes(run_id)


def test_a_lost_or_damaged_file_is_an_error_that_names_it(store: Store) -> None:
    run_id = start(store)
    store.add_episode(run_id, walk(goal="x" * 5000))
    (file,) = (path for path in (store.folder / "blobs").rglob("*") if path.is_file())
    file.write_text("y" * 5000)
    with pytest.raises(StoreError, match=f"{file.name} is damaged"):
        store.load_episodes(run_id)
    file.unlink()
    with pytest.raises(StoreError, match=f"lost .*{file.name}"):
        store.load_episodes(run_id)


def test_episodes_are_ordered_by_number_whatever_the_order_of_arrival(store: Store) -> None:
    run_id = start(store)
    for i in (10, 2, 0, 1):
        store.add_episode(run_id, walk(f"7-{i}"))
    assert store.episode_ids(run_id) == ["7-0", "7-1", "7-2", "7-10"]
    assert [episode.episode_id for episode in store.load_episodes(run_id)] == store.episode_ids(run_id)


def test_failed_episodes_can_be_removed_to_be_played_again(store: Store) -> None:
    run_id, other = start(store), start(store)
    store.add_episodes(run_id, [walk("7-0"), walk("7-1", error="timeout")])
    store.add_episode(other, walk("7-1", error="timeout"))
    store.add_targets(run_id, "mc", {}, [TrainingTarget("7-1", 0, "s0", "go 0", 1.0)])
    store.remove_failed(run_id)
    assert store.episode_ids(run_id) == ["7-0"]
    assert store.load_credits(run_id, "mc") == {}
    store.add_episode(run_id, walk("7-1"))
    assert store.load_episodes(run_id) == [walk("7-0"), walk("7-1")]
    assert store.episode_ids(other) == ["7-1"]


def test_one_bad_episode_keeps_its_whole_call_out(store: Store) -> None:
    run_id = start(store)
    store.add_episode(run_id, walk("a"))
    with pytest.raises(StoreError, match="an episode 'a' already"):
        store.add_episodes(run_id, [walk("b"), walk("a")])
    with pytest.raises(StoreError, match="JSON"):
        store.add_episodes(run_id, [walk("c"), walk("d", messages=(({"content": object()},),) * 3)])
    with pytest.raises(StoreError, match="cannot be written"):
        store.add_episode(run_id, walk("\ud800"))
    assert store.episode_ids(run_id) == ["a"]


def test_equal_commands_in_empty_stores_give_equal_ids_and_in_one_store_different_ones(tmp_path: Path) -> None:
    ids = []
    for name in ("a", "b"):
        store = Store.open(tmp_path / name)
        group_id = store.start_group({"x": 1, "y": 2})
        ids.append([group_id, store.start_group({"y": 2, "x": 1}), start(store), start(store, group_id=group_id)])
        ids[-1].append(start(store))
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 5
    assert all(len(name.split("_")[1]) == 12 for name in ids[0])


def test_runs_and_groups_list_what_was_recorded(store: Store) -> None:
    group_id = store.start_group({"tasks": 3})
    alone, member = start(store, seed=2**64 - 1, config={"workers": 2}), start(store, group_id=group_id)
    store.finish_run(alone)
    assert [record.run_id for record in store.runs()] == [alone, member]
    assert [record.run_id for record in store.runs(group_id)] == [member]
    assert store.run(alone).seed == 2**64 - 1
    assert store.run(alone).config == {"workers": 2}
    assert (store.run(alone).status, store.run(member).status) == ("finished", "running")
    assert store.group(group_id).config == {"tasks": 3}


def test_results_are_replaced_by_name_and_listed_in_order(store: Store) -> None:
    group_id = store.start_group({})
    store.set_result(group_id, "b", {"mean": 0.1})
    store.set_result(group_id, "a", [1, None])
    store.set_result(group_id, "b", {"mean": 0.1 + 0.2})
    assert list(store.results(group_id).items()) == [("a", [1, None]), ("b", {"mean": 0.30000000000000004})]


def test_targets_come_back_beside_their_steps(store: Store) -> None:
    run_id = start(store)
    store.add_episodes(run_id, [walk("7-0", steps=2), walk("7-1", steps=0), walk("7-2", steps=1)])
    targets = [
        TrainingTarget("7-0", 0, "s0", "go 0", 0.25),
        TrainingTarget("7-0", 1, "s1", "go 1", -1.0),
        TrainingTarget("7-2", 0, "s0", "go 0", 1e-300),
    ]
    store.add_targets(run_id, "grpo", {}, [])
    store.add_targets(run_id, "grpo", {}, reversed(targets))
    store.add_targets(run_id, "grpo", {"mode": "upstream"}, targets[:1])
    assert store.load_targets(run_id, "grpo") == targets
    assert store.target_sets(run_id) == [("grpo", {"mode": "upstream"}), ("grpo", {})]
    credits = store.load_credits(run_id, "grpo", {"mode": "upstream"})
    assert credits["7-0"][0] == 0.25
    assert math.isnan(credits["7-0"][1])
    with pytest.raises(StoreError, match=r"no targets of 'mc'.*credit-gym score"):
        store.load_targets(run_id, "mc")
    with pytest.raises(StoreError, match="no episode '7-9'"):
        store.add_targets(run_id, "grpo", {}, [TrainingTarget("7-9", 0, "s0", "go", 0.0)])
    assert store.load_targets(run_id, "grpo") == targets


def test_unknown_names_suggest_known_ones(store: Store) -> None:
    run_id, group_id = start(store), store.start_group({})
    for call in (store.run, store.episode_ids, store.load_episodes, store.target_sets, store.finish_run):
        with pytest.raises(UnknownNameError, match=f"no run called .*{run_id}"):
            call(run_id[:-1])
    with pytest.raises(UnknownNameError, match=f"no group called .*{group_id}"):
        store.set_result(group_id[:-1], "a", 1)


def test_what_cannot_be_opened_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store in"):
        Store.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()

    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(tmp_path / "file" / "runs")

    garbage = tmp_path / "garbage" / "store.sqlite"
    garbage.parent.mkdir()
    garbage.write_bytes(b"not a database " * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(garbage.parent)

    foreign = tmp_path / "foreign" / "store.sqlite"
    foreign.parent.mkdir()
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE bookmarks (url)")
    before = foreign.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Store.open(foreign.parent)
    assert foreign.read_bytes() == before

    store = Store.open(tmp_path / "newer")
    store._connection.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(StoreError, match=r"newer credit_gym \(schema 99.*upgrade"):
        Store.open(tmp_path / "newer")


def test_eight_threads_lose_nothing(store: Store) -> None:
    run_id = start(store)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.add_episode(run_id, walk(f"7-{i}", goal="x" * 2000)), range(80)))
    assert store.load_episodes(run_id) == [walk(f"7-{i}", goal="x" * 2000) for i in range(80)]


@pytest.mark.slow
def test_one_new_folder_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for folder in (tmp_path / str(i) for i in range(10)):
        together = threading.Barrier(8)

        def open_together(together: threading.Barrier = together, folder: Path = folder) -> str:
            together.wait()
            with Store.open(folder) as store:
                return store.start_group({})

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(open_together) for _ in range(8)]
        assert len({future.result() for future in futures}) == 8


def _add_ten(folder: str, worker: int) -> None:
    with Store.open(folder) as store:
        run_id = start(store, seed=worker)
        for i in range(10):
            store.add_episode(run_id, walk(f"{worker}-{i}"))


@pytest.mark.slow
def test_several_processes_may_make_and_fill_one_store(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_ten, args=(str(tmp_path), worker)) for worker in range(4)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    assert [process.exitcode for process in workers] == [0] * 4
    with Store.open(tmp_path) as store:
        assert sorted(len(store.load_episodes(record.run_id)) for record in store.runs()) == [10] * 4


_WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from builders.episodes import walk
from credit_gym.store import Store
from credit_gym.store.naming import in_natural_order, natural_order
store = Store.open(sys.argv[1])
run_id = store.start_run(env_id="credit/Test-v0", agent_id="random")
print(run_id, flush=True)
for i in range(100_000):
    store.add_episode(run_id, walk(f"7-{i}", steps=20, goal=f"{i} " * 600))
    print(i, flush=True)
"""


@pytest.mark.slow
def test_kill_nine_loses_no_committed_episode_and_shows_no_partial_one(tmp_path: Path) -> None:
    moments = random.Random(7)
    for _ in range(20):
        command = [sys.executable, "-c", _WRITER, str(tmp_path), str(TESTS)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        run_id = writer.stdout.readline().strip()
        timer = moments.uniform(0.0, 0.25)
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(timer)
        writer.send_signal(signal.SIGKILL)
        printed = writer.stdout.read()
        writer.wait()
        committed = printed.count("\n")  # a number cut short by the kill has no end of line
        with Store.open(tmp_path) as store:
            loaded = store.load_episodes(run_id)
        assert len(loaded) in (committed, committed + 1)  # killed between the commit and the print
        assert loaded == [walk(f"7-{i}", steps=20, goal=f"{i} " * 600) for i in range(len(loaded))]


@given(ids=st.lists(st.one_of(st.integers(0, 120).map("7-{}".format), st.text("7-0g", max_size=4)), max_size=9))
def test_ids_that_are_counted_are_ordered_as_all_others_are(ids: list[str]) -> None:
    assert [ids[place] for place in in_natural_order(ids)] == sorted(ids, key=natural_order)
