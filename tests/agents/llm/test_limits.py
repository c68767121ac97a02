"""Retries, rates and budgets: what stands between an agent and a server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from builders.fake_backends import PASSING, REQUEST, Fake, alone, together, used
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.llm.budget import Budget, Budgeted, BudgetedBatch
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.prices import Price, known_price
from credit_gym.agents.llm.rate_limit import Limited, Pace
from credit_gym.agents.llm.response_cache import Cached
from credit_gym.agents.llm.retry import Retrying
from credit_gym.agents.llm.server import ServerError
from credit_gym.errors import BackendError, BudgetError

WORST = 36 + 2 * 32 + 100  # every byte a token, a generous template, the longest answer


class Clock:
    """Time that passes only in sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


# Retries


def test_a_failure_that_passes_is_retried_and_the_answer_returned():
    fake, clock = Fake(PASSING, PASSING, used()), Clock()
    assert alone(Retrying(fake, 2, sleep=clock.sleep)) == used()
    assert len(fake.asked) == 3


def test_retries_are_counted_and_the_last_failure_is_raised():
    fake, clock = Fake(PASSING), Clock()
    with pytest.raises(ServerError, match="It failed"):
        alone(Retrying(fake, 4, sleep=clock.sleep))
    assert (len(fake.asked), len(clock.slept)) == (5, 4)


@pytest.mark.parametrize("error", [ServerError.of("No."), BackendError("No."), BudgetError("No."), ValueError("No.")])
def test_what_will_not_pass_is_not_retried(error):
    fake = Fake(error)
    with pytest.raises(type(error), match="No"):
        alone(Retrying(fake, 4))
    assert len(fake.asked) == 1


@given(seed=st.integers(0, 2**64 - 1))
def test_waits_are_jittered_within_an_exponential_envelope_and_fixed_by_the_seed(seed):
    slept = []
    for _ in range(2):
        clock = Clock()
        with pytest.raises(ServerError):
            alone(Retrying(Fake(PASSING), 9, base=0.5, longest=60.0, sleep=clock.sleep), replace(REQUEST, seed=seed))
        slept.append(clock.slept)
    assert slept[0] == slept[1]
    assert all(0.0 <= wait <= min(0.5 * 2**k, 60.0) for k, wait in enumerate(slept[0]))


@pytest.mark.slow
def test_jitter_is_full():
    """Uniform on [0, base]: mean 1/2 within four standard errors."""
    first = []
    for seed in range(400):
        clock = Clock()
        alone(Retrying(Fake(PASSING, used()), 1, base=1.0, sleep=clock.sleep), replace(REQUEST, seed=seed))
        first += clock.slept
    assert abs(sum(first) / 400 - 0.5) < 4 / (12 * 400) ** 0.5


@pytest.mark.parametrize(("asked", "least", "most"), [(7.0, 7.0, 7.5), (1e9, 60.0, 60.0), (0.0, 0.0, 0.5)])
def test_the_servers_wish_is_honoured_up_to_our_patience(asked, least, most):
    clock = Clock()
    busy = ServerError.of("Busy.", retryable=True, retry_after=asked)
    alone(Retrying(Fake(busy, used()), 1, sleep=clock.sleep))
    assert least <= clock.slept[0] <= most


# Rates


@given(
    per_minute=st.floats(1, 1e4),
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_no_minute_sees_more_than_the_rate(per_minute, gaps):
    now = 0.0
    pace = Pace(per_minute, lambda: now)
    starts = []
    for gap in gaps:
        now += gap
        starts.append(now + pace.take(1))
    assert starts == sorted(starts)
    for first, start in enumerate(starts):
        within = sum(start <= other < start + 60.0 - 1e-6 for other in starts[first:])
        assert within <= per_minute + 1


def test_requests_wait_for_their_minute():
    clock = Clock()
    limited = Limited(Fake(used()), requests_per_minute=60, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        alone(limited)
    assert clock.now == pytest.approx(4.0)


def test_tokens_wait_for_their_minute_and_the_true_count_replaces_the_guess():
    """A guess of 36/4 + 100 = 109 tokens; the server says 15, so the next request waits for 15 tokens' time."""
    clock = Clock()
    limited = Limited(Fake(used()), tokens_per_minute=60, clock=clock, sleep=clock.sleep)
    alone(limited)
    alone(limited)
    assert clock.slept == [pytest.approx(15.0)]


def test_half_a_usage_does_not_replace_the_guess():
    clock = Clock()
    fake = Fake(Completion(text="q", usage={"prompt_tokens": 3.0}))
    limited = Limited(fake, tokens_per_minute=60, clock=clock, sleep=clock.sleep)
    assert [alone(limited).text for _ in range(2)] == ["q", "q"]
    assert clock.slept == [pytest.approx(109.0)]


def test_no_more_requests_run_at_a_time_than_agreed():
    running = most = 0

    class Slow(Fake):
        async def complete(self, request, /):
            nonlocal running, most
            running += 1
            most = max(most, running)
            for _ in range(3):
                await asyncio.sleep(0)
            running -= 1
            return used()

    together(Limited(Slow(), concurrency=7), [REQUEST] * 50)
    assert most == 7


# Budgets


@pytest.mark.parametrize("concurrency", [1, 50])
def test_a_token_cap_holds_to_the_request(concurrency):
    """Requests that use their worst case: the cap fits nineteen of them, so nineteen of fifty are sent."""
    fake, clock = Fake(used(WORST - 100, 100)), Clock()
    budget = Budget(max_tokens=20 * WORST - 1)
    budgeted = Budgeted(Limited(fake, concurrency=concurrency), budget, sleep=clock.sleep)
    outcomes = together(budgeted, [REQUEST] * 50)
    assert len(fake.asked) == 19
    assert sum(isinstance(outcome, BudgetError) for outcome in outcomes) == 31
    assert budget.tokens == 19 * WORST


@given(
    cap=st.integers(0, 4000),
    usages=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=60),
)
def test_a_cap_is_never_passed_and_is_used_up_to_one_worst_case(cap, usages):
    fake, clock = Fake(*[used(float(prompt), float(completion)) for prompt, completion in usages]), Clock()
    budget = Budget(max_tokens=cap)
    outcomes = together(Budgeted(fake, budget, sleep=clock.sleep), [REQUEST] * len(usages))
    assert budget.tokens <= cap
    assert len(fake.asked) == sum(isinstance(outcome, Completion) for outcome in outcomes)
    if any(isinstance(outcome, BudgetError) for outcome in outcomes):
        assert budget.tokens + WORST > cap, "it gave up while the next request still fitted"


def test_a_cost_cap_holds_to_the_request():
    price = Price(1.0, 10.0)  # dollars per million: the worst case is (100 + 1000) / 1e6
    budget = Budget(max_cost=4.5 * 1100 / 1e6)
    fake = Fake(used(100.0, 100.0))
    outcomes = together(Budgeted(fake, budget, price, sleep=Clock().sleep), [REQUEST] * 50)
    assert len(fake.asked) == 4
    assert outcomes[0].usage["dollars"] == pytest.approx(1100 / 1e6)
    assert budget.dollars == pytest.approx(4400 / 1e6)
    (refusal,) = {str(outcome) for outcome in outcomes if isinstance(outcome, BudgetError)}
    assert refusal == (
        "The cap of $0.00495 would not hold: $0.0044 are spent and the next request may cost $0.0011; it was not sent. "
        "Raise max_cost to go on."
    )


@pytest.mark.parametrize(
    ("outcome", "spent"),
    [
        (used(3.0, 4.0), 7.0),
        (Completion(text="no usage"), WORST),
        (Completion(text="half a usage", usage={"prompt_tokens": 3.0}), 3.0 + 100),
        (Completion(text="half a usage", usage={"completion_tokens": 3.0}), WORST - 100 + 3),
        (ServerError.of("Refused.", status=500), 0.0),
        (ServerError.of("Timed out.", billable=True), WORST),
        (ValueError("who knows"), WORST),
    ],
)
def test_what_may_have_been_charged_counts_as_spent(outcome, spent):
    budget = Budget()
    together(Budgeted(Fake(outcome), budget), [REQUEST])
    assert budget.tokens == spent


def test_an_interrupted_request_counts_as_spent_and_frees_its_reservation():
    class Hanging(Fake):
        async def complete(self, request, /):
            await asyncio.Event().wait()

    budget = Budget(max_tokens=2 * WORST)

    async def interrupted():
        task = asyncio.create_task(Budgeted(Hanging(), budget).complete(REQUEST))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    assert budget.tokens == WORST
    assert alone(Budgeted(Fake(used()), budget)) == used()


def test_a_retry_is_paid_for_again():
    budget = Budget()
    fake = Fake(ServerError.of("Broke.", retryable=True, billable=True), used(1.0, 1.0))
    alone(Retrying(Budgeted(fake, budget), 1, sleep=Clock().sleep))
    assert budget.tokens == WORST + 2


def test_the_worst_case_counts_every_byte():
    budget = Budget(max_tokens=64 + 30 + 100 - 1)
    with pytest.raises(BudgetError, match="0 are spent and the next request may take 194"):
        alone(
            Budgeted(Fake(used()), budget), Request(messages=({"role": "user", "content": "€" * 10},), max_tokens=100)
        )


def test_the_worst_case_counts_tools_and_calls():
    budget = Budget()
    tool = {"type": "function", "function": {"name": "go", "description": "x" * 1000}}
    call = {"id": "1", "type": "function", "function": {"name": "go", "arguments": '{"a": "%s"}' % ("y" * 1000)}}
    chat = (*REQUEST.messages, {"role": "assistant", "content": None, "tool_calls": [call]})
    together(Budgeted(Fake(ValueError()), budget), [replace(REQUEST, messages=chat, tools=(tool,))])
    assert WORST + 2000 < budget.tokens < WORST + 2300


def test_a_budget_holds_for_threads():
    budget = Budget(max_tokens=1000)

    def spend(_):
        try:
            while not budget.reserve(7, 0.0):
                pass
        except BudgetError:
            return 0
        budget.settle(7, 0.0, used_tokens=7, used_dollars=0.0)
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(400))) == 1000 // 7
    assert budget.tokens == 7 * (1000 // 7)


def test_a_batch_is_asked_whole_or_not_at_all():
    class Model:
        name = "hf:m"
        asked = 0

        def complete(self, requests, /):
            self.asked += len(requests)
            return [used(1.0, 1.0) for _ in requests]

    model = Model()
    capped = BudgetedBatch(model, Budget(max_tokens=3 * WORST))
    assert len(capped.complete([REQUEST] * 3)) == 3
    with pytest.raises(BudgetError):
        capped.complete([REQUEST] * 3)
    assert capped.complete([REQUEST] * 2) == [used(1.0, 1.0)] * 2
    assert model.asked == 5


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("openai:gpt-4o", True),
        ("openai:gpt-4o-2024-11-20", True),
        ("openai:gpt-4o-mini", True),
        ("anthropic:claude-sonnet-4-5-20250929", True),
        ("anthropic:claude-3-5-haiku-latest", True),
        ("openai:gpt-4o-audio-preview", False),
        ("openai:gpt-5.5", False),
        ("anthropic:claude-sonnet-4-9", False),
        ("anthropic:gpt-4o", False),
        ("openai:gpt-4o@http://127.0.0.1:1/v1", False),
        ("hf:models/tiny", False),
    ],
)
def test_only_a_model_of_the_table_on_its_own_server_has_a_price(name, known):
    assert (known_price(name) is not None) == known


def test_a_small_model_is_not_charged_as_its_big_sister():
    assert known_price("openai:gpt-4o-mini") != known_price("openai:gpt-4o")


def test_every_layer_has_the_backends_name_and_closes_it(tmp_path):
    fake = Fake(used())
    layers = [Limited(fake), Budgeted(fake, Budget()), Retrying(fake), Cached(fake, tmp_path)]
    assert {layer.name for layer in layers} == {"fake:m"}
    for layer in layers:
        fake.closed = False
        asyncio.run(layer.close())
        assert fake.closed
