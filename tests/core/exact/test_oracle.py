"""Exact values: hand-worked chains, the loop lemma, and agreement with Monte-Carlo rollouts."""

from __future__ import annotations

import numpy as np
import pytest

from credit_gym.envs.tabular.build import Action, Outcome, State, Task, build_model
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.envs.tabular.stochastic import stochastic_model
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel


def act(text: str, prior: float, *outcomes: tuple[float, str]) -> Action:
    return Action(text, tuple(Outcome(p, target) for p, target in outcomes), (prior,))


def one_state(loop: float, progress: float, fatal: float, horizon: int) -> TabularModel:
    """One decision: loop (stay), progress (win), fatal (lose), with the given behaviour."""
    actions = [act("loop", loop, (1.0, "s")), act("go", progress, (1.0, "won"))]
    if fatal:
        actions.append(act("die", fatal, (1.0, "lost")))
    states = (
        State("s", "here", tuple(actions)),
        State("won", "won", success=True),
        State("lost", "lost"),
    )
    return build_model([Task(name="t", goal="", states=states, start="s", horizon=horizon)])


def test_values_of_a_two_step_chain_by_hand() -> None:
    model = one_state(loop=0.5, progress=0.25, fatal=0.25, horizon=2)
    exact = oracle.policy_values(model, model.mean_behaviour)
    # One step left: V = 1/4. Two left: Q(loop) = 1/4, Q(go) = 1, Q(die) = 0; V = 1/8 + 1/4.
    assert exact.v[1, 0] == 0.25
    assert exact.q[2, 0].tolist() == [0.25, 1.0, 0.0]
    assert exact.v[2, 0] == 0.375
    assert oracle.success_probability(model, model.mean_behaviour).tolist() == [0.375]


def test_behaviour_advantage_is_the_visit_average_by_hand() -> None:
    model = one_state(loop=0.5, progress=0.25, fatal=0.25, horizon=2)
    # Visits: d_0 = 1 with 2 steps left, d_1 = 1/2 with 1 left. A_2 = Q_2 - 3/8, A_1 = Q_1 - 1/4 with Q_1 = (0, 1, 0).
    expected = (1.0 * (np.asarray([0.25, 1, 0]) - 0.375) + 0.5 * (np.asarray([0.0, 1, 0]) - 0.25)) / 1.5
    np.testing.assert_allclose(oracle.behaviour_advantage(model)[0], expected)


@pytest.mark.parametrize(("progress", "fatal"), [(0.6, 0.1), (0.2, 0.3), (0.5, 0.0)])
def test_loop_lemma(progress: float, fatal: float) -> None:
    """Spec 3.2 (1): as the horizon grows, A(loop) -> 0 and Q(progress) - V -> V' f / (p + f)."""
    model = one_state(1 - progress - fatal, progress, fatal, horizon=400)
    exact = oracle.policy_values(model, model.mean_behaviour)
    assert abs(exact.q[400, 0, 0] - exact.v[400, 0]) < 1e-9
    np.testing.assert_allclose(exact.q[400, 0, 1] - exact.v[400, 0], fatal / (progress + fatal), atol=1e-9)


def test_optimal_values_discount_each_loop_once() -> None:
    q = oracle.optimal_values(one_state(0.5, 0.25, 0.25, horizon=5), discount=0.9)[0]
    np.testing.assert_allclose(q, [0.9, 1.0, 0.0])


def test_optimal_actions_are_those_that_win_soonest() -> None:
    assert oracle.optimal_actions(one_state(0.5, 0.25, 0.25, horizon=5))[0].tolist() == [False, True, False]


def test_ceiling_uses_only_observed_actions() -> None:
    model = one_state(0.5, 0.25, 0.25, horizon=3)
    assert oracle.ceiling(model).tolist() == [1.0]
    observed = np.zeros_like(model.admissible)
    observed[0, [0, 2]] = True
    assert oracle.ceiling(model, observed).tolist() == [0.0]
    # An unseen state is played uniformly: 1/3 wins now, 1/3 stays: 1/3 + 1/9 + 1/27.
    np.testing.assert_allclose(oracle.ceiling(model, np.zeros_like(observed)), [1 / 3 + 1 / 9 + 1 / 27])


def test_ceiling_of_two_states_that_look_alike_is_one_action_for_both() -> None:
    def room(name: str, right: str) -> State:
        wrong = {"left": "right", "right": "left"}[right]
        # The slots must agree between rooms that look alike.
        outcome = {right: "won", wrong: "lost"}
        return State(name, "a room", tuple(act(t, 0.5, (1.0, outcome[t])) for t in ("left", "right")))

    states = (room("a", "left"), room("b", "right"), State("won", "won", success=True), State("lost", "lost"))
    task = Task(name="t", goal="", states=states, start="a", start_alternative="b", start_split=0.3, horizon=1)
    model = build_model([task, Task(name="u", goal="", states=states, start="b", horizon=1)])
    np.testing.assert_allclose(oracle.ceiling(model), [0.7, 1.0])


def test_dynamic_programming_agrees_with_monte_carlo() -> None:
    model = stochastic_model(num_tasks=6, suite_seed=3)
    exact = oracle.success_probability(model, model.mean_behaviour, evaluation=False)
    n = 4000
    batch = sample_batch(model, episodes_per_task=n, seed=11)
    rate = batch.success.reshape(-1, n).mean(axis=1)
    z = (rate - exact) / np.sqrt(np.maximum(exact * (1 - exact), 1e-12) / n)
    assert np.abs(z).max() < 4


def test_behaviour_advantages_average_to_zero_under_the_behaviour() -> None:
    model = stochastic_model(num_tasks=10)
    mean = (model.mean_behaviour * oracle.behaviour_advantage(model)).sum(axis=1)
    np.testing.assert_allclose(mean, 0.0, atol=1e-12)


def test_visits_of_every_time_and_what_has_ended_sum_to_one() -> None:
    model = stochastic_model(num_tasks=1)
    occupied = oracle.visits(model, model.mean_behaviour).sum(axis=1)
    assert occupied[0] == 1.0
    assert (np.diff(occupied) <= 1e-12).all()


def test_annotate_gives_each_step_its_exact_advantage() -> None:
    model = stochastic_model(num_tasks=3)
    batch = oracle.annotate(sample_batch(model, episodes_per_task=8, seed=1), model)
    exact = oracle.behaviour_advantage(model)
    texts = {
        (model.observations[s], model.action_names[i]): exact[s, a]
        for s in range(model.num_states)
        for a, i in enumerate(model.action_id[s])
        if i >= 0
    }
    expected = [
        texts[batch.state_vocabulary[s], batch.action_vocabulary[a]]
        for s, a in zip(batch.state, batch.action, strict=True)
    ]
    np.testing.assert_allclose(batch.require("advantage"), expected)
