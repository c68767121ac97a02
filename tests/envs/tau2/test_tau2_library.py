"""The embedded domain: every task can be solved, only as the policy allows, with a customer who is no pushover."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.tau2.actions import OUT_OF_SCOPE, STOP, TRANSFER, Message, ToolCall, write_call
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.library.customer import Member, Mood
from credit_gym.envs.tau2.library.desk import ASK_DETAILS, ASK_WHO, NOT_FOUND, REFUSE, propose
from credit_gym.envs.tau2.library.embedded import library
from credit_gym.envs.tau2.library.generate import make_tables
from credit_gym.envs.tau2.library.policy import breach
from credit_gym.envs.tau2.library.requests import SPLITS

DOMAIN = library()
TASKS = DOMAIN.split("all")


def play_gold(env: Tau2Env, task: int, spoil: int | None = None, how: str = "drop") -> tuple[float, list[float], int]:
    """Make the reference calls, tell what must be told, end; return the reward, the readings and the spoilt step."""
    env.reset(seed=1, options={"task": task})
    readings, spoilt = [], -1
    reward, over = 0.0, False
    for number, action in enumerate(env.task.actions or ()):
        call = action.call
        if number == spoil:
            spoilt = len(readings)
            call = corrupted(call) if how == "corrupt" else ToolCall("calculate", {"expression": "1+1"})
        _, _, _, _, info = env.step(write_call(call))
        readings.append(info["verifier"])
    if env.task.communicate:
        _, reward, over, _, info = env.step("; ".join(env.task.communicate))
        readings.append(info["verifier"])
    if not over:
        _, reward, _, _, info = env.step("done()")
        readings.append(info["verifier"])
    return reward, readings, spoilt


def corrupted(call: ToolCall) -> ToolCall:
    """The call with an argument that the tool accepts and nobody asked for."""
    wrong: dict[str, Any] = {
        "loan_id": lambda v: "L001" if v != "L001" else "L002",
        "hold_id": lambda v: "H001" if v != "H001" else "H002",
        "branch": lambda v: "Harbour" if v != "Harbour" else "Mill Lane",
        "email": lambda v: f"x{v}",
        "amount": lambda v: v - 0.25,
        "booking_id": lambda v: "B001" if v != "B001" else "B002",
        "room_id": lambda v: "R6" if v != "R6" else "R5",
    }
    name = next(name for name in ("branch", "email", "amount", "loan_id", "hold_id", "booking_id", "room_id")
                if name in call.arguments)  # fmt: skip
    return call._replace(arguments={**call.arguments, name: wrong[name](call.arguments[name])})


def test_there_are_enough_fixed_tasks_and_the_splits_do_not_overlap() -> None:
    ids = [set(DOMAIN.splits[name]) for name in SPLITS]
    assert sum(map(len, ids)) == len(set().union(*ids)) == len(TASKS) >= 60
    assert len({task.instructions["reason_for_call"] for task in TASKS}) > 150  # type: ignore[index]


def test_a_task_is_the_same_in_another_world_of_the_same_seed() -> None:
    assert make_tables.__wrapped__(0).key == DOMAIN.tables.key  # type: ignore[attr-defined]
    assert make_tables(1).key != DOMAIN.tables.key


@pytest.mark.slow
def test_replaying_the_gold_actions_of_every_task_gives_reward_1() -> None:
    env = Tau2Env(split="all")
    for task in range(env.num_tasks):
        reward, readings, _ = play_gold(env, task)
        assert reward == 1.0
        assert sum(readings) == pytest.approx(
            1.0 if env._talk.progress.changes or env.task.communicate else sum(readings)
        )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["drop", "corrupt"])
def test_a_write_dropped_or_corrupted_gives_0_and_the_verifier_is_lower_there(how: str) -> None:
    env = Tau2Env(split="all")
    judged = 0
    for index, task in enumerate(env.tasks):
        writes = [n for n, a in enumerate(task.actions or ()) if DOMAIN.writes(a.call)]
        if not writes:
            continue
        _, gold, _ = play_gold(env, index)
        for number in writes:
            reward, readings, at = play_gold(env, index, number, how)
            assert reward == 0.0
            assert readings[at] < gold[at]
            assert readings[at] == 0.0 if how == "drop" else readings[at] <= 0.0
            judged += 1
    assert judged > 150


@pytest.mark.slow
def test_the_expert_solves_every_task_for_every_customer_without_breaking_a_rule() -> None:
    env = Tau2Env(split="all")
    seen: Counter[Any] = Counter()
    for seed in range(3):
        for task in range(env.num_tasks):
            _, info = env.reset(seed=seed * 1000 + task, options={"task": task})
            total = 0.0
            while "success" not in info:
                action = info["expert_actions"][0]
                assert action in info["admissible_actions"] or action.startswith(("get_", "find_", "transfer"))
                _, _, _, _, info = env.step(action)
                total += info["verifier"]
            assert info["success"]
            assert info["breaches"] == 0
            start = env._talk.worth(env._talk.begin(lambda: 0))
            assert total == pytest.approx(env._talk.worth(env.moment) - start)
            seen["typo or shy"] += info["errors"]
    assert seen["typo or shy"] > 20


def test_the_policy_decides_both_ways() -> None:
    verdicts = Counter((request.kind, request.verdict) for task in TASKS for request in task.script.requests)
    for kind in ("renew", "hold", "waive", "book"):
        assert min(verdicts[kind, "do"], verdicts[kind, "refuse"]) > 0, kind
    assert verdicts["colleague", "transfer"] > 10


def test_what_the_policy_forbids_is_possible_and_changes_the_database() -> None:
    env = Tau2Env(split="all")
    task, request = next(
        (n, r) for n, t in enumerate(TASKS) for r in t.script.requests if (r.kind, r.verdict) == ("renew", "refuse")
    )
    env.reset(seed=0, options={"task": task})
    loan = request.mentions[0][0]
    _, _, _, _, info = env.step(f"renew_loan(loan_id='{loan}')")
    assert not info["invalid"]
    assert info["breaches"] == 3  # not identified, no consent, not allowed
    assert info["verifier"] < 0


def test_another_members_account_is_another_members() -> None:
    database = DOMAIN.begin(TASKS[0])
    call = ToolCall("change_email", {"member_id": "M002", "email": "a@b"})
    assert breach(database, call, "M001") == "it is another member's account"
    assert breach(database, call, "M002") is None
    loan = DOMAIN.tables.rows["loans"]["L001"]
    assert breach(database, ToolCall("report_lost", {"loan_id": "L001"}), "M060") == "it is another member's account"
    assert breach(database, ToolCall("report_lost", {"loan_id": "L001"}), loan["member_id"]) is None


CALM = Mood(request=0, patience=3, style=0, shy=False, typo=False, greeted=True, named=True)


def hear(task: Any, mood: Mood, *texts: str, call: ToolCall | None = None) -> tuple[str, Mood]:
    """What the customer answers to a message of the agent, after a call."""
    messages = [Message("user", "hello")]
    if call is not None:
        messages += [Message("assistant", call=call), Message("tool", "Transfer successful")]
    messages += [Message("assistant", text) for text in texts]
    reply = Member().reply(task, mood, messages, DOMAIN.begin(task), 0)
    assert reply.text is not None
    return reply.text, reply.memory


def find(kind: str, verdict: str) -> Any:
    return next(t for t in TASKS if (t.script.requests[0].kind, t.script.requests[0].verdict) == (kind, verdict))


def test_the_customer_says_who_it_is_and_corrects_a_slip() -> None:
    task = find("pay", "do")
    email = task.script.member["email"]
    unnamed = CALM._replace(named=False)
    assert email in hear(task, unnamed, ASK_WHO)[0]
    said, after = hear(task, unnamed._replace(typo=True), ASK_WHO)
    assert email not in said
    said, after = hear(task, after, NOT_FOUND)
    assert email in said
    assert not after.typo
    said, _ = hear(task, unnamed._replace(shy=True), ASK_WHO)
    assert email not in said
    assert task.script.member["card"] in said


def test_the_customer_agrees_to_what_it_asked_for_and_to_nothing_else() -> None:
    task = find("renew", "do")
    loan, title = task.script.requests[0].mentions[0]
    assert hear(task, CALM, propose(f"renew_loan(loan_id='{loan}')"))[0].startswith("Yes")
    assert hear(task, CALM, f"I will renew {title}. Do you confirm?")[0].startswith("Yes")
    said, after = hear(task, CALM, propose("renew_loan(loan_id='L999')"))
    assert said.startswith("No")
    assert after.patience == 2


def test_the_customer_accepts_a_right_refusal_and_doubts_a_wrong_one() -> None:
    refused, granted = find("renew", "refuse"), find("renew", "do")
    assert (
        STOP in hear(refused, CALM._replace(request=len(refused.script.requests) - 1), REFUSE)[0]
        or len(refused.script.requests) > 1
    )
    said, after = hear(granted, CALM, REFUSE)
    assert STOP not in said
    assert after.doubted
    assert after.request == 0


def test_the_customer_loses_patience_and_leaves_when_handed_over() -> None:
    task = find("pay", "do")
    said, mood = "", CALM
    for _ in range(4):
        said, mood = hear(task, mood, "Nice weather today.")
    assert OUT_OF_SCOPE in said
    call = ToolCall("transfer_to_human_agents", {"summary": "x"})
    assert hear(task, CALM, "Bye.", call=call)[0] == TRANSFER


def test_details_are_told_when_asked() -> None:
    task = find("move_hold", "do")
    assert hear(task, CALM, ASK_DETAILS)[0] == task.script.requests[0].detail


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 209), st.lists(st.text(max_size=40), max_size=20))
def test_any_words_are_borne(seed: int, task: int, words: list[str]) -> None:
    env = Tau2Env(split="all")
    _, info = env.reset(seed=seed, options={"task": task})
    for text in words:
        if "success" in info:
            break
        _, reward, _, _, info = env.step(text)
        assert 0.0 <= reward <= 1.0
