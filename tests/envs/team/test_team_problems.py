"""Problem files in their published form, the gates in front of them, and the generated problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.team.env import MultiAgentCode, MultiAgentMath
from credit_gym.envs.team.generated import SPLITS, code_problems, math_problems
from credit_gym.envs.team.overlap import find_overlaps, normalised_words, require_disjoint
from credit_gym.envs.team.problems import CodeProblem, MathProblem
from credit_gym.envs.team.sources import read_problems, reasoning_gym_problems
from credit_gym.errors import CreditGymError, ManifestError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:Programs run without")

ROWS: dict[str, dict[str, Any]] = {
    "gsm8k": {
        "question": "A hen lays 3 eggs a day. How many in 400 days?",
        "answer": "It lays 3*400 = <<3*400=1200>>1200 eggs.\n#### 1,200",
    },
    "math": {
        "problem": "What is half of one?",
        "level": "Level 1",
        "type": "Prealgebra",
        "solution": "It is $\\boxed{\\frac{1}{2}}$.",
    },
    "cmath": {"grade": 3, "question": "三加四是多少？", "golden": "7"},
    "mbpp": {
        "task_id": 901,
        "text": "Write a function to add the areas of two squares.",
        "code": "class Square(object):\r\n  def __init__(self, s):\r\n    self.s = s\r\n"
        "def areas(a, b):\r\n  return a.s**2 + b.s**2",
        "test_list": ["assert areas(Square(1), Square(2)) == 5", "assert math.isclose(areas(x, Square(0)), 9)"],
        "test_setup_code": "x = Square(3)",
        "challenge_test_list": ["assert areas(Square(0), Square(0)) == 0"],
    },
    "humaneval": {
        "task_id": "Test/7",
        "prompt": 'from typing import List\n\n\ndef largest(numbers: List[int]) -> int:\n    """The largest."""\n',
        "entry_point": "largest",
        "canonical_solution": "    return max(numbers)\n",
        "test": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 3, 2]) == 3\n",
    },
}
RIGHT = {
    "gsm8k": "#### 1200",
    "math": "\\boxed{0.5}",
    "cmath": "答案是7",
    "mbpp": "class Square:\n    def __init__(self, s): self.s = s\ndef areas(a, b):\n    return a.s ** 2 + b.s ** 2\n",
    "humaneval": "    return sorted(numbers)[-1]\n",
}


def write(path: Path, *rows: object) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("name", ROWS)
def test_a_published_row_is_recognised_and_graded(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS[name])
    kind = MultiAgentCode if name in ("mbpp", "humaneval") else MultiAgentMath
    env = kind("solo", problems=path, split="test")
    assert env.num_tasks == 1
    observation, info = env.reset(seed=0)
    assert env.problems[0].question in observation
    assert info["task"]["split"] == "test"
    assert info["admissible_actions"] == info["expert_actions"] == []
    assert env.step(RIGHT[name])[1] == 1.0
    env.reset(seed=0)
    _, reward, _, _, info = env.step("\\boxed{8}")
    assert (reward, info["verifier"], info["success"]) == (0.0, 0.0, False)


def test_what_each_format_gives(tmp_path: Path) -> None:
    read = {name: read_problems(write(tmp_path / name, row)).problems[0] for name, row in ROWS.items()}
    assert read["gsm8k"] == MathProblem("gsm8k-train-1", "train", ROWS["gsm8k"]["question"], "1,200")
    assert isinstance(read["math"], MathProblem)
    assert read["math"].answer == "\\frac{1}{2}"
    mbpp = read["mbpp"]
    assert isinstance(mbpp, CodeProblem)
    assert (mbpp.id, mbpp.names, mbpp.setup, len(mbpp.tests)) == (
        "mbpp-train-901",
        ("Square", "areas"),
        "x = Square(3)",
        3,
    )
    assert "challenge" not in mbpp.question
    assert "assert areas(Square(1), Square(2)) == 5" in mbpp.question
    humaneval = read["humaneval"]
    assert isinstance(humaneval, CodeProblem)
    assert humaneval.tests[0].endswith("check(largest)\n")


@pytest.mark.parametrize(
    ("file", "name", "row", "split"),
    [
        ("test.jsonl", "gsm8k", {}, "test"),
        ("train.jsonl", "gsm8k", {}, "train"),
        ("gsm8k_TEST-00000-of-00001.jsonl", "gsm8k", {}, "test"),
        ("contest.jsonl", "gsm8k", {}, "train"),  # no word of it is a split
        ("train_and_test.jsonl", "gsm8k", {"split": "test"}, "test"),
        ("train.jsonl", "gsm8k", {"split": "socratic"}, "socratic"),
        ("math500.jsonl", "math", {"unique_id": "test/algebra/2.json"}, "test"),
        ("cmath_dev.jsonl", "cmath", {}, "dev"),
        ("mbpp.jsonl", "mbpp", {"task_id": 11}, "test"),
        ("mbpp.jsonl", "mbpp", {"task_id": 600}, "validation"),
        ("mbpp.jsonl", "mbpp", {"task_id": 974}, "train"),
        ("mbpp.jsonl", "mbpp", {"task_id": 2}, "prompt"),
        ("mbpp.jsonl", "mbpp", {"task_id": 9_999_999}, "train"),
        ("HumanEval.jsonl", "humaneval", {"task_id": "HumanEval/3"}, "test"),
        ("mine.jsonl", "humaneval", {}, "train"),
    ],
)
def test_a_file_says_which_split_it_is(file: str, name: str, row: Any, split: str, tmp_path: Path) -> None:
    path = write(tmp_path / file, {**ROWS[name], **row})
    problem = read_problems(path).problems[0]
    assert problem.split == split
    assert split in problem.id
    assert read_problems(path, split="mine").problems[0].split == "mine"
    kind = MultiAgentCode if name in ("mbpp", "humaneval") else MultiAgentMath
    assert kind(problems=path).reset(seed=0)[1]["task"]["split"] == split


BAD = {
    "no JSON": ("gsm8k", "{", "it is no JSON"),
    "no object": ("gsm8k", "[1]", "no JSON object"),
    "no question": ("gsm8k", {**ROWS["gsm8k"], "question": " "}, "'question' is missing or empty"),
    "no marked answer": ("gsm8k", {**ROWS["gsm8k"], "answer": "1200"}, "no line with ####"),
    "no box": ("math", {**ROWS["math"], "solution": "It is a half."}, "no .boxed answer"),
    "no tests": ("mbpp", {**ROWS["mbpp"], "test_list": []}, "'test_list' must be a list"),
    "an empty test": ("mbpp", {**ROWS["mbpp"], "test_list": ["assert True", ""]}, "none of them empty"),
    "nothing to test": ("mbpp", {**ROWS["mbpp"], "code": "x x"}, "defines no function"),
    "no prompt": ("humaneval", {**ROWS["humaneval"], "prompt": None}, "'prompt' is missing or empty"),
}


def test_a_line_that_is_no_text_costs_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS["gsm8k"], ROWS["gsm8k"])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n\xff\xfe\n", 1))
    with pytest.warns(UserWarning, match="1 bad rows are left out, first: rows.jsonl, line 2: it cannot be read"):
        assert MultiAgentMath(problems=path).num_tasks == 2
    path.write_text("[1]\n[2]\n")
    with pytest.raises(ManifestError, match=r"holds no problem \(rows.jsonl, line 1: it is no JSON object\)"):
        MultiAgentMath(problems=path)


@pytest.mark.parametrize(("name", "row", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_row_is_named_or_left_out(name: str, row: object, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS[name], row, ROWS[name])
    with pytest.raises(ManifestError, match=rf"rows.jsonl, line 2: .*{sentence}"):
        read_problems(path)
    found = read_problems(path, bad_rows="skip")
    assert (len(found.problems), len(found.skipped)) == (2, 1)
    kind = MultiAgentCode if name in ("mbpp", "humaneval") else MultiAgentMath
    with pytest.warns(UserWarning, match="1 bad rows are left out, first: rows.jsonl, line 2"):
        assert kind(problems=path).num_tasks == 2
    with pytest.raises(ManifestError, match=rf"rows.jsonl, line 2: .*{sentence}"):
        kind(problems=path, bad_rows="refuse")


def test_an_empty_or_missing_file_a_wrong_count_or_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        read_problems(tmp_path / "missing.jsonl")
    with pytest.raises(ManifestError, match="holds no problem"):
        read_problems(write(tmp_path / "empty.jsonl"))
    path = write(tmp_path / "rows.jsonl", ROWS["gsm8k"])
    with pytest.raises(ManifestError, match="1 good problems, not the expected 1319"):
        read_problems(path, expected_rows=1319)
    assert len(read_problems(path, expected_rows=1).problems) == 1
    with pytest.raises(ManifestError, match="the other environment"):
        MultiAgentCode(problems=path)
    with pytest.raises(ManifestError, match="no known format"):
        read_problems(write(tmp_path / "odd.jsonl", {"a": 1}))
    with pytest.raises(UnknownNameError, match="gsm8k"):
        read_problems(path, format="gsm9k")
    with pytest.raises(UnknownNameError, match="skip"):
        read_problems(path, bad_rows="mend")  # type: ignore[arg-type]
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_problems(tmp_path / "binary")


@pytest.mark.slow
def test_reasoning_gym_serves_problems_and_the_same_seed_the_same_ones() -> None:
    pytest.importorskip("reasoning_gym")
    problems = reasoning_gym_problems("chain_sum", "train", 5, seed=3)
    assert problems == reasoning_gym_problems("chain_sum", "train", 5, seed=3)
    env = MultiAgentMath("solo", problems="reasoning_gym:chain_sum", num_problems=5, problem_seed=3)
    env.reset(seed=0, options={"task": 2})
    assert env.step(f"\\boxed{{{problems[2].answer}}}")[1] == 1.0
    with pytest.raises(UnknownNameError, match="chain_sum"):
        reasoning_gym_problems("chain_sums", "train", 1)


# The overlap gate

LONG = "A farmer has twelve cows and fourteen sheep in the north field and buys seven more goats on a rainy Monday"


def test_overlap_sees_through_case_spacing_and_punctuation() -> None:
    assert normalised_words("Ａ  Hen, lays 3-4 eggs!") == ("a", "hen", "lays", "3", "4", "eggs")
    (overlap,) = find_overlaps({"t": "How many eggs?"}, {"h": "how  MANY eggs"})
    assert overlap == ("t", "h", 1.0)
    assert find_overlaps({"t": "How many eggs?"}, {"h": "how many hens"}) == []


def test_overlap_sees_a_problem_inside_another_and_not_a_shared_phrase() -> None:
    (overlap,) = find_overlaps({"t": f"Listen: {LONG}. How many animals are there?"}, {"h": LONG})
    assert overlap == ("t", "h", 1.0)
    changed = LONG.replace("fourteen", "fifteen").replace("seven", "eight")
    assert find_overlaps({"t": changed}, {"h": LONG}) == []


@pytest.mark.slow
@given(st.lists(st.text("abc ", min_size=1), min_size=1, max_size=6), st.integers(1, 4))
def test_every_text_overlaps_with_itself(texts: list[str], n: int) -> None:
    problems = {str(number): text for number, text in enumerate(texts)}
    found = {(overlap.train, overlap.held_out) for overlap in find_overlaps(problems, problems, n=n)}
    assert {(id, id) for id in problems} <= found


def test_the_gate_refuses_held_out_problems_that_are_played(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", ROWS["gsm8k"])
    other = {**ROWS["gsm8k"], "question": "How many legs have 3 hens?", "answer": "#### 6"}
    with pytest.raises(CreditGymError, match=r"1 held-out problems overlap .* gsm8k-held-out-2 with gsm8k-train-1"):
        MultiAgentMath(problems=train, held_out=write(tmp_path / "eval.jsonl", other, ROWS["gsm8k"]))
    assert MultiAgentMath(problems=train, held_out=write(tmp_path / "clean.jsonl", other)).num_tasks == 1
    with pytest.raises(CreditGymError, match="share in"):
        require_disjoint({}, {}, share=0.0)


# The generated problems


@pytest.mark.parametrize("make", [math_problems, code_problems])
def test_generated_problems_are_fixed_by_their_seed_and_their_splits_differ(make: Any) -> None:
    make.cache_clear()
    first = {split: make(split, 50) for split in SPLITS}
    make.cache_clear()
    assert first == {split: make(split, 50) for split in SPLITS}
    assert make("train", 50, 1) != first["train"]
    assert make("train", 20) == first["train"][:20]
    assert len({problem.id for problems in first.values() for problem in problems}) == 150


def test_generated_word_problems_of_the_splits_do_not_overlap() -> None:
    texts = {split: {p.id: p.question.split("\n")[0] for p in math_problems(split, 200)} for split in SPLITS}
    require_disjoint(texts["train"], texts["test"], share=1.0)
    require_disjoint(texts["train"], texts["eval"], share=1.0)


@given(st.sampled_from(SPLITS), st.integers(0, 99))
def test_the_facts_of_a_word_problem_lead_to_its_answer_and_a_slip_does_not(split: str, number: int) -> None:
    problem = math_problems(split, 100)[number]
    draft: Any = problem.draft
    names = list(draft.truth)
    assert draft.truth[names[-1]] == problem.answer
    assert draft.derive(draft.truth) == draft.truth
    assert all(int(value) > 0 for value in draft.truth.values())
    for name in names:
        slip = draft.slip(name, draft.truth[name])
        assert slip != draft.truth[name]
        assert draft.derive({name: slip})[names[-1]] != problem.answer
        assert draft.stated([f"{name} = 1 * 2 = {slip}, {name} = 3 + 4"]) == {name: slip}
        assert draft.stated([f"{name} = {draft.truth[name]}", f"so `{name} = {slip}`."])[name] == slip


@pytest.mark.parametrize("problem", code_problems("train", 12), ids=lambda p: p.id)
def test_the_tests_of_a_programming_problem_tell_every_single_slip(problem: CodeProblem) -> None:
    env = MultiAgentCode("solo")
    draft: Any = problem.draft
    assert env.grade(problem, draft.answer(draft.truth)).success
    for name in draft.truth:
        slip = draft.slip(name, draft.truth[name])
        assert draft.stated([f"{name} = {slip}."]) == {name: slip}
        assert not env.grade(problem, draft.answer({**draft.truth, name: slip})).success
