"""The study of lists: judgements are well formed, agreement is counted as it says, and what is lacking is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from builders.small_wordnet import write_wordnet

from credit_gym.baselines.studies.published_lists import Agreement, agreement, judgements
from credit_gym.envs.information.twenty_questions import noun_grammar


def test_there_are_three_hundred_judgements_of_questions_that_can_be_read() -> None:
    judged = judgements()
    assert len(judged) == 300
    assert {judgement for _, judgement, _ in judged} == {"yes", "no", "depends"}
    assert set(Counter(noun for noun, _, _ in judged).values()) == {2}
    assert all(text.endswith("?") for _, _, text in judged)


def test_agreement_counts_what_was_judged_and_takes_what_is_unknown_for_wrong() -> None:
    judged = [
        ("tiger", "yes", "Is it an animal?"), ("tiger", "no", "Is it a mammal?"), ("tiger", "depends", "Is it a pet?"),
        ("flurb", "yes", "Is it alive?"), ("tiger", "no", "Flurb?"), ("hammer", "no", "Is it alive?"),
    ]  # fmt: skip
    found = agreement(noun_grammar(), judged)
    assert found == {"all": Agreement(2, 5), "yes": Agreement(1, 2), "no": Agreement(1, 3)}


def test_wilson_s_interval() -> None:
    assert Agreement(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Agreement(10, 10).interval == pytest.approx((0.7225, 1.0), abs=1e-4)


@pytest.mark.slow
def test_the_command_prints_shares_and_agreement_or_says_what_it_lacks(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("dog\npoodle\nflurb\n")
    command = [sys.executable, "-m", "credit_gym.baselines.studies.published_lists", "--nouns", str(words)]
    folder = write_wordnet(tmp_path / "dict")
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "WORDNET_DIR": str(folder)})
    assert done.returncode == 0, done.stderr
    assert "1 of 3 (33.3 %)" in done.stdout
    assert "2 of 3 (66.7 %)" in done.stdout
    assert "below 0.9" in done.stdout
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "WORDNET_DIR": ""})
    assert done.returncode == 2
    assert "wordnet-base" in done.stderr
    assert "Traceback" not in done.stderr
