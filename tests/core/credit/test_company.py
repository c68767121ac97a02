"""Who stood in a state is whoever was there, counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from hypothesis import given

from credit_gym.credit.company import company
from credit_gym.data.batch import EpisodeBatch


@given(batch=batches())
def test_steps_keep_company_if_they_share_group_and_state(batch: EpisodeBatch) -> None:
    found = company(batch)
    together = found.node[:, None] == found.node[None, :]
    same = (batch.state[:, None] == batch.state) & (batch.step_group[:, None] == batch.step_group)
    assert (together == same).all()
    assert found.action.tolist() == batch.action.tolist()


def test_the_numbers_are_those_worked_out_by_hand() -> None:
    batch = batch_of([Run((0, 1, 2), (0, 0)), Run((0, 1, 3), (0, 1), success=False), Run((0, 3), (1,), success=False)])
    found = company(batch)
    assert found.mean_return == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 2, 1 / 3])
    assert found.value == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 2, 1 / 3])
    assert found.next_value == pytest.approx([1 / 2, 0, 1 / 2, 0, 0])


@given(batch=batches())
def test_the_pooled_value_is_what_a_step_earns_and_leads_to_on_the_average(batch: EpisodeBatch) -> None:
    found = company(batch)
    for node in np.unique(found.node):
        here = found.node == node
        expected = np.mean(batch.reward[here] + found.next_value[here])
        assert found.value[here] == pytest.approx(expected, rel=1e-6, abs=1e-6 * (1 + np.abs(batch.reward).sum()))
