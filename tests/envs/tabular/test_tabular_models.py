"""The stochastic family and the diagnostic suite: what they are made of, and how hard they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.agents.learning.tabular import table_success
from credit_gym.envs.tabular.build import Action, Outcome, State, Task, build_model
from credit_gym.envs.tabular.diagnostic import DIAGNOSTIC_TASKS, diagnostic_model
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.envs.tabular.sketch import CONTROLS
from credit_gym.envs.tabular.stochastic import SLIPS, stochastic_model
from credit_gym.errors import ManifestError, UnknownNameError
from credit_gym.exact import oracle
from credit_gym.scorers import score

MODELS = {"stochastic": stochastic_model()} | {task: diagnostic_model(task) for task in DIAGNOSTIC_TASKS}

# task: (behaviour, ceiling, outcome_only, branch_aware, combined), of the published prototype of the suite
ROWS = {
    "selfloop": (1.0, 1.0, 0.02, 1.0, 1.0),
    "backcycle": (0.86, 1.0, 0.30, 1.0, 1.0),
    "ring": (0.30, 1.0, 0.57, 1.0, 1.0),
    "rare": (0.61, 1.0, 0.03, 1.0, 1.0),
    "decoy": (0.19, 1.0, 0.54, 0.17, 1.0),
    "decoydead": (0.43, 1.0, 0.76, 0.11, 0.99),
    "regress": (0.74, 1.0, 0.03, 0.0, 0.0),
    "keydoor": (0.35, 1.0, 0.0, 0.0, 0.0),
    "lucky": (0.26, 0.86, 0.05, 0.05, 0.71),
    "slip": (0.21, 1.0, 0.22, 0.94, 1.0),
    "rejoin": (0.80, 1.0, 0.71, 1.0, 1.0),
    "allfail": (0.01, 0.57, 0.13, 0.56, 0.56),
    "alias": (0.92, 0.50, 0.09, 0.19, 0.19),
    "confound": (0.35, 1.0, 0.03, 1.0, 1.0),
}
REPAIRED_BY_POOLING = [task for task in DIAGNOSTIC_TASKS if task not in ("allfail", "alias", "lucky")]


@pytest.mark.parametrize("name", MODELS)
def test_the_behaviour_is_a_distribution_over_the_admissible_slots(name):
    model = MODELS[name]
    assert np.allclose(model.behaviour.sum(axis=2), ~model.terminal)
    assert (model.behaviour[:, ~model.admissible] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_every_live_state_can_be_reached_and_every_task_solved(name):
    model = MODELS[name]
    seen = np.zeros(model.num_states, dtype=bool)
    seen[model.start] = seen[model.start_alternative] = True
    while True:
        after = np.zeros_like(seen)
        after[model.successor[(model.probability > 0) & seen[:, None, None]]] = True
        if (after <= seen).all():
            break
        seen |= after
    assert seen[~model.terminal].all()
    assert (oracle.ceiling(model) > 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_tasks_share_no_states_and_texts_name_one_key(name):
    model = MODELS[name]
    assert (model.task[model.successor] == model.task[:, None, None])[model.probability > 0].all()
    keys = {}
    for key, text in zip(model.key.tolist(), model.observations, strict=True):
        assert keys.setdefault(text, key) == key


def test_stochastic_floors_have_the_moves_of_the_family():
    model = stochastic_model(100, 3)
    floors = np.array([name.split("/")[1].startswith("floor") for name in model.state_names]) & ~model.terminal
    works = model.probability[..., 0]
    for state in np.flatnonzero(floors):
        after = model.successor[state][model.admissible[state]]
        signal = model.signal[state][model.admissible[state], 0]
        progress = signal == 1
        assert progress.sum() == 1
        assert np.isclose(1 - works[state][model.admissible[state]][progress], SLIPS).any()
        assert 1 <= ((after[:, 0] == state) & ~progress).sum() <= 4  # up to three loops, and "back" on the ground floor
        assert (signal == -1).sum() <= 1
        assert 2 <= progress.size <= 7


def test_stochastic_horizon_is_ten_steps_a_floor():
    model = stochastic_model(50, 1)
    floors = np.array([int(goal.split("floor ")[1].split()[0]) for goal in model.goals])
    assert set(floors.tolist()) == {2, 3, 4, 5}
    assert (model.horizon == 10 * floors).all()


@pytest.mark.slow
def test_texts_do_not_betray_the_right_action():
    """Over many tasks, the optimal action is as often in each slot, and under each control, as any other."""
    model = stochastic_model(800, 5)
    best = oracle.optimal_actions(model)
    floors = np.array(["floor" in name for name in model.state_names]) & ~model.terminal
    width = model.admissible.sum(axis=1)
    four = floors & (width == 4)
    counts = best[four, :4].sum(axis=0)
    assert abs(counts - counts.mean()).max() < 4 * np.sqrt(counts.mean())
    chosen = np.bincount(model.action_id[best & floors[:, None]], minlength=len(CONTROLS))
    expected = chosen.sum() / len(CONTROLS)
    assert abs(chosen - expected).max() < 4.5 * np.sqrt(expected)


@given(seed=st.integers(0, 2**40), small=st.integers(1, 3), more=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a_task_does_not_depend_on_the_size_of_its_suite(seed, small, more):
    short, long = stochastic_model(small, seed), stochastic_model(small + more, seed)
    states, slots = short.admissible.shape
    assert short.observations == long.observations[:states]
    assert np.array_equal(short.behaviour, long.behaviour[:, :states, :slots])


def test_behaviour_mixes_the_prior_with_uniform_exploration():
    greedy, mixed, uniform = (stochastic_model(5, 0, exploration) for exploration in (0.0, 0.5, 1.0))
    assert np.allclose(mixed.behaviour, 0.5 * greedy.behaviour + 0.5 * uniform.behaviour)
    assert np.allclose(uniform.behaviour[0], oracle.uniform_policy(uniform))


def test_the_careful_agent_of_confound_never_falls():
    model = diagnostic_model("confound")
    careful = oracle.success_probability(model, model.behaviour[0], evaluation=False)
    assert (careful > 0.95).all()


def test_alias_shows_one_text_in_two_worlds_that_want_opposite_actions():
    model = diagnostic_model("alias")
    best = oracle.optimal_actions(model)
    twins = [np.flatnonzero(model.key == key) for key in np.unique(model.key[~model.terminal])]
    assert all(len(pair) == 2 for pair in twins)
    for light, dark in twins:
        assert model.observations[light] == model.observations[dark]
        assert not (best[light] & best[dark]).any()
    assert np.allclose(oracle.ceiling(model), 0.5)


def test_an_unknown_diagnostic_task_is_named_with_its_neighbours():
    with pytest.raises(UnknownNameError, match="did you mean decoy"):
        diagnostic_model("decoi")


def test_build_model_names_a_target_that_does_not_exist():
    act = Action("go", (Outcome(1.0, "nowhere"),), (1.0,))
    task = Task(name="t", goal="g", states=(State("a", "A", (act,)),), start="a", horizon=3)
    with pytest.raises(ManifestError, match="action 'go' of state 'a' leads to 'nowhere'"):
        build_model([task])


@pytest.mark.parametrize("exploration", [-0.5, 1.5])
def test_exploration_outside_the_unit_interval_is_refused(exploration):
    with pytest.raises(ManifestError, match="exploration must lie in"):
        stochastic_model(1, 0, exploration)


@pytest.mark.slow
def test_stochastic_rows():
    """15 suites of 20 tasks, 64 episodes each: behaviour .586, ceiling 1, outcome-only in [.15, .37]."""
    models = [stochastic_model(20, suite) for suite in range(15)]
    behaviour = np.mean([oracle.behaviour_success(model) for model in models])
    assert behaviour == pytest.approx(0.586, abs=0.03)
    assert np.mean([oracle.ceiling(model) for model in models]) > 0.995
    tables = {"outcome_only": [], "branch_aware": [], "combined": [], "crbc": []}
    lengths = []
    for suite, model in enumerate(models):
        batch = sample_batch(model, seed=suite)
        lengths.append(batch.num_steps / model.num_tasks)
        for name, successes in tables.items():
            successes.append(table_success(model, batch, score(batch, name), seed=suite).mean())
    assert np.mean(lengths) == pytest.approx(679, abs=40)
    assert 0.15 < np.mean(tables["outcome_only"]) < 0.37
    assert min(np.mean(tables[name]) for name in ("branch_aware", "combined", "crbc")) > 0.985


@pytest.mark.slow
@pytest.mark.parametrize("task", DIAGNOSTIC_TASKS)
def test_diagnostic_rows(task):
    """Each disease is as bad as it was published to be, for the behaviour and for three scorers."""
    models = [diagnostic_model(task, suite_seed=suite) for suite in range(5)]
    batches = [sample_batch(model, seed=suite) for suite, model in enumerate(models)]

    def table(name):
        pairs = zip(models, batches, strict=True)
        return np.mean([table_success(model, batch, score(batch, name)).mean() for model, batch in pairs])

    behaviour, ceiling, *rows = ROWS[task]
    assert np.mean([oracle.behaviour_success(model) for model in models]) == pytest.approx(behaviour, abs=0.1)
    if task != "allfail":  # its ceiling is one of coverage
        assert np.mean([oracle.ceiling(model) for model in models]) == pytest.approx(ceiling, abs=0.01)
    for name, row in zip(("outcome_only", "branch_aware", "combined"), rows, strict=True):
        assert table(name) == pytest.approx(row, abs=0.25), name
    if task in REPAIRED_BY_POOLING:
        assert min(table("crbc"), table("adaptive_q")) > 0.98


@pytest.mark.parametrize("task", ["regress", "keydoor"])
def test_a_misleading_verifier_defeats_the_combined_scorer(task):
    model = diagnostic_model(task)
    batch = sample_batch(model, seed=1)
    assert table_success(model, batch, score(batch, "combined")).max() < 0.05
    assert table_success(model, batch, score(batch, "adaptive_q")).min() > 0.99
