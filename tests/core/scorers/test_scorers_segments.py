"""Credit by segments of an episode: milestones of a verifier, and GAE on two levels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
from builders.batches import NAN, Run, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_gym  # noqa: F401 (registers the environments)
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import score
from credit_gym.wrappers import RecordEpisodes

drawn = settings(max_examples=80, deadline=None, derandomize=True)


def line(steps: int, *, group: int = 0, **changes: Any) -> Run:
    """An episode through states that nobody else visits again within it."""
    return Run(path=list(range(steps + 1)), actions=[0] * steps, group=group, **changes)


def rows(batch: EpisodeBatch, column: Any) -> list[list[Any]]:
    """A column of steps, episode by episode."""
    return [part.tolist() for part in np.split(np.asarray(column), batch.offsets[1:-1])] if batch.num_episodes else []


class TestMilestone:
    # A rises at steps 1 and 3; B at step 0, and at step 2 only regains what it lost at step 1. g = 1/2.
    BATCH = batch_of([line(4), line(3, success=False)], verifier=[0.0, 1.0, 0.0, 1.0, 1.0, -1.0, 1.0])

    def test_the_worked_vector(self) -> None:
        # r = (1/2, 1 | 1/2, 1) and (1 | 0, 0): means 5/6 and 3/8. Returns 1 and 0.
        expected = [0.5 - 1 / 3, 0.5 + 1 / 6, 0.5 + 1 / 8, 0.5 + 5 / 8, -0.5 + 1 / 6, -0.5 - 3 / 8, -0.5 - 3 / 8]
        np.testing.assert_allclose(score(self.BATCH, "milestone", discount=0.5), expected, rtol=1e-12)

    def test_the_worked_vector_of_the_published_code(self) -> None:
        # A^E over steps: (4 x 1 + 3 x 0) / 7; r is 10 times as large. The lone step keeps its return, and 0 of r.
        lone = line(1, group=4)
        batch = batch_of([line(4), line(3, success=False), lone], verifier=[*self.BATCH.verifier.tolist(), 1.0])
        won, lost = 3 / 7, -4 / 7
        segment = 10 * np.array([-1 / 3, 1 / 6, 1 / 8, 5 / 8, 1 / 6, -3 / 8, -3 / 8])
        expected = [*(np.array([won] * 4 + [lost] * 3) + segment), 1.0]
        np.testing.assert_allclose(score(batch, "milestone", discount=0.5, mode="upstream"), expected, rtol=1e-12)
        assert score(batch, "milestone")[-1] == 0.0

    def test_scaled_both_terms_are_standard_scores(self) -> None:
        first = np.array([0.5, 1.0, 1.0])
        second = np.array([0.5, 1.0, 0.0, 0.0])
        z = [*((first - first.mean()) / first.std()), *((second - second.mean()) / second.std())]
        expected = [1 + z[0], 1 + z[1], 1 + z[3], 1 + z[4], -1 + z[2], -1 + z[5], -1 + z[6]]
        np.testing.assert_allclose(score(self.BATCH, "milestone", discount=0.5, scale=True), expected, rtol=1e-12)

    def test_losing_and_regaining_earns_no_milestone(self) -> None:
        honest, farmer = [1.0, 0.0, 0.0, 0.0], [1.0, -1.0, 1.0, -1.0]
        batch = batch_of([line(4, success=False)] * 2, verifier=[*honest, *farmer])
        credit = score(batch, "milestone")
        np.testing.assert_allclose(credit[:4], credit[4:], atol=1e-12)

    def test_a_coarser_rise_makes_fewer_milestones(self) -> None:
        batch = batch_of([line(3), line(3, success=False)], verifier=[0.25, 0.25, 2.0, 0.25, 0.25, 0.0])
        # Only the step of 2 counts: r = (1/4, 1/2, 1), (0, 0, 0) in one segment of mean 7/24.
        expected = 0.5 + np.array([1 / 4, 1 / 2, 1.0]) - 7 / 24
        np.testing.assert_allclose(score(batch, "milestone", rise=1.0, discount=0.5)[:3], expected, rtol=1e-12)

    def test_where_there_is_no_progress_the_outcome_is_left(self) -> None:
        batch = replace(self.BATCH, verifier=np.where(np.arange(7) == 2, NAN, -1.0))
        np.testing.assert_allclose(score(batch, "milestone"), score(batch, "grpo", scale=False), atol=1e-12)

    @drawn
    @given(batch=batches(require={"verifier"}))
    def test_it_is_the_published_formula(self, batch: EpisodeBatch) -> None:
        """Reverse decay within segments that end in a milestone, 10 times, less the mean of the segment's number."""
        small = replace(batch, reward=np.clip(batch.reward, -2.0, 1.0))
        keys, rewards = [], []
        for group, readings in zip(small.group.tolist(), rows(small, small.verifier), strict=True):
            progress = highest = 0.0
            reached = []
            for reading in readings:
                progress += 0.0 if np.isnan(reading) else reading
                reached.append(progress > highest + 1e-6)
                highest = max(highest, progress)
            for t in range(len(readings)):
                ends = [m for m in range(t, len(readings)) if reached[m]]
                rewards.append(10.0 * 0.9 ** (ends[0] - t) if ends else 0.0)
                keys.append((group, sum(reached[:t])))
        members = defaultdict(list)
        for key, reward in zip(keys, rewards, strict=True):
            members[key].append(reward)
        expected = [reward - np.mean(members[key]) for key, reward in zip(keys, rewards, strict=True)]
        credit = score(small, "milestone", discount=0.9, mode="upstream")
        episode_part = score(small, "gigpo", weight=0.0, scale=False, mode="upstream")
        np.testing.assert_allclose(credit - episode_part, expected, atol=1e-9)


# Rewards 0 1 | 0 2, values 1 2 | 3 4 (and 9 after the end). g = lam = lam_high = 1/2.
RUN = line(4, rewards=[0.0, 1.0, 0.0, 2.0])
COLUMNS = {"value": [1.0, 2.0, 3.0, 4.0, 9.0], "segment": [5, 5, 2, 2]}
HALF = {"discount": 0.5, "lam": 0.5, "lam_high": 0.5}


class TestHiper:
    def test_the_worked_vector(self) -> None:
        # d = (0 + 1 - 1, 1 + 3/2 - 2, 0 + 2 - 3, 2 - 4) = (0, 1/2, -1, -2).
        # low = (0 + 1/4 x 1/2, 1/2, -1 + 1/4 x -2, -2) = (1/8, 1/2, -3/2, -2).
        # D_0 = 0 + 1/2 x 1 + 1/4 x 3 - 1 = 1/4, D_1 = 0 + 1/2 x 2 - 3 = -2; high = (1/4 + 1/4 x 1/2 x -2, -2).
        batch = batch_of([RUN], **COLUMNS)
        low = np.array([1 / 8, 1 / 2, -3 / 2, -2.0])
        np.testing.assert_allclose(score(batch, "hiper", weight=0.0, **HALF), low, rtol=1e-12)
        np.testing.assert_allclose(score(batch, "hiper", **HALF), [*low[:2], low[2] - 2, low[3]], rtol=1e-12)

    def test_a_truncated_episode_is_worth_what_its_last_state_is_and_upstream_nothing(self) -> None:
        # d_3 = 2 + 1/2 x 9 - 4 = 5/2; D_1 = -1 + 1/2 x 5/2 = 1/4; high_0 = 1/4 + 1/8 x 1/4.
        batch = batch_of([replace(RUN, truncated=True)], **COLUMNS)
        expected = [1 / 8 + 9 / 32, 1 / 2, -1 + 5 / 8 + 1 / 4, 5 / 2]
        np.testing.assert_allclose(score(batch, "hiper", **HALF), expected, rtol=1e-12)
        ended = score(batch_of([RUN], **COLUMNS), "hiper", **HALF)
        np.testing.assert_array_equal(score(batch, "hiper", mode="upstream", **HALF), ended)

    def test_penalties_are_taken_from_the_rewards(self) -> None:
        batch = batch_of([RUN], **COLUMNS, invalid=[True, False, False, True])
        fined = replace(batch, reward=np.array([-0.25, 0.9, 0.0, 1.65]))  # 0.1 for steps 1 and 3, 0.25 for 0 and 3
        found = score(batch, "hiper", keep_penalty=0.1, invalid_penalty=0.25, **HALF)
        np.testing.assert_allclose(found, score(fined, "hiper", **HALF), rtol=1e-12)

    @drawn
    @given(batch=batches(require={"value"}), discount=st.sampled_from((0.0, 0.5, 1.0)))
    def test_one_segment_is_gae_and_a_segment_a_step_is_gae_above_surprises(
        self, batch: EpisodeBatch, discount: float
    ) -> None:
        whole = replace(batch, segment=np.zeros(batch.num_steps, dtype=np.int64))
        gae = score(batch, "gae", discount=discount, lam=0.75)
        np.testing.assert_allclose(score(whole, "hiper", discount=discount, lam=0.75, weight=0.0), gae, rtol=1e-12)
        each = replace(batch, segment=np.arange(batch.num_steps))
        high = score(each, "hiper", discount=discount, lam_high=0.75)
        surprise = score(each, "hiper", discount=discount, weight=0.0)
        np.testing.assert_allclose(high - surprise, gae, rtol=1e-9, atol=1e-6)

    def test_segments_follow_milestones_where_none_were_recorded(self) -> None:
        runs = [RUN, replace(RUN, success=False)]
        values = {"value": [*COLUMNS["value"], 2.0, 0.0, 1.0, 1.0, 0.0]}
        verifier = [0.0, 1.0, 0.0, 0.0, 1.0, -1.0, 1.0, NAN]  # milestones at step 1 of the first and 0 of the second
        by_verifier = score(batch_of(runs, **values, verifier=verifier), "hiper")
        told = [0, 0, 1, 1, 0, 1, 1, 1]
        np.testing.assert_array_equal(by_verifier, score(batch_of(runs, **values, segment=told), "hiper"))
        half = batch_of(runs, **values, verifier=verifier, segment=[-1] * 4 + [0, 0, 0, 1])
        expected = score(batch_of(runs, **values, segment=[0, 0, 1, 1, 0, 0, 0, 1]), "hiper")
        np.testing.assert_array_equal(score(half, "hiper"), expected)

    def test_a_step_without_a_segment_goes_on_with_the_one_before(self) -> None:
        values = COLUMNS["value"]
        gappy = score(batch_of([RUN], value=values, segment=[-1, 3, -1, 4]), "hiper")
        np.testing.assert_array_equal(gappy, score(batch_of([RUN], value=values, segment=[3, 3, 3, 4]), "hiper"))

    @drawn
    @given(batch=batches(require={"segment"}))
    def test_the_numbers_of_segments_are_names(self, batch: EpisodeBatch) -> None:
        renamed = np.where(batch.segment < 0, -1, 2**40 - 7 * batch.segment)
        found = score(replace(batch, segment=renamed), "hiper")
        np.testing.assert_array_equal(found, score(batch, "hiper"))

    @drawn
    @given(batch=batches(require={"value", "segment"}), discount=st.sampled_from((0.5, 0.9, 1.0)))
    def test_it_is_the_published_formula(self, batch: EpisodeBatch, discount: float) -> None:
        """The two recursions of hierarchical advantage estimation over one value, in plain loops."""
        value = np.nan_to_num(batch.value, nan=0.5)
        small = replace(batch, reward=np.clip(batch.reward, -2.0, 1.0), value=value, verifier=None)
        expected: list[float] = []
        for e, (rewards, told) in enumerate(zip(rows(small, small.reward), rows(small, small.segment), strict=True)):
            steps = len(rewards)
            v = value[small.offsets[e] + e : small.offsets[e + 1] + e + 1]
            last = 0.0 if small.terminated[e] else v[-1] if steps else 0.0
            known, starts = -1, []
            for t, number in enumerate(told):
                if t == 0 or (number >= 0 and known >= 0 and number != known):
                    starts.append(t)
                known = number if number >= 0 else known
            low, high, following = [0.0] * steps, [0.0] * steps, 0.0
            for start, stop in reversed(list(pairwise([*starts, steps]))):
                boot = last if stop == steps else v[stop]
                ahead = 0.0
                for t in range(stop - 1, start - 1, -1):
                    after = boot if t == stop - 1 else v[t + 1]
                    low[t] = ahead = rewards[t] + discount * after - v[t] + discount * 0.8 * ahead
                earned = sum(discount ** (t - start) * rewards[t] for t in range(start, stop))
                span = discount ** (stop - start)
                following = earned + span * boot - v[start] + span * 0.6 * following
                high[start] = following
            expected += [a + 2.0 * b for a, b in zip(low, high, strict=True)]
        credit = score(small, "hiper", discount=discount, lam=0.8, lam_high=0.6, weight=2.0)
        np.testing.assert_allclose(credit, expected, atol=1e-9)

    def test_what_an_environment_says_of_sub_goals_is_credited(self) -> None:
        env = RecordEpisodes(Planned(gym.make("credit/Stochastic-v0")))
        _, info = env.reset(seed=0)
        ended = False
        while not ended:
            _, _, terminated, truncated, info = env.step(info["admissible_actions"][0])
            ended = terminated or truncated
        (played,) = env.episodes
        assert played.segments == tuple([-1, 1, 1, 2, 2, 3, 3, 4, 4, 5][t % 10] for t in range(len(played)))
        bare = EpisodeBatch.from_episodes([replace(played, segments=None)])
        told = replace(bare, segment=np.array(played.segments))
        found = [target.credit for target in build_targets([played], "hiper", lam=0.5)]
        assert found == score(told, "hiper", lam=0.5).tolist()


class Planned(gym.Wrapper[str, str, str, str]):
    """Says a sub-goal of every two steps; nothing of the first."""

    def reset(self, **options: Any) -> Any:
        self._steps = 0
        return super().reset(**options)

    def step(self, action: str) -> Any:
        *seen, info = super().step(action)
        self._steps += 1
        at = (self._steps - 1) % 10
        return *seen, ({**info, "segment": (at + 1) // 2} if at else info)
