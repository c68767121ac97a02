"""The graders accept what is right in any form, nothing that is merely close, and end in time in any thread."""

from __future__ import annotations

import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.team.grade_code import complete, extract_program, grade_code
from credit_gym.envs.team.grade_math import (
    Answer,
    extract_answer,
    grade_math,
    grade_math_many,
    plain_number,
    strip_chat_tokens,
)
from credit_gym.envs.team.sandbox import Sandbox
from credit_gym.errors import UnknownNameError

CLOSE = [  # (reference, answer): what the published grader accepts though it is wrong
    ("18", "17.6"),
    ("100", "199/2"),
    ("100", r"\frac{385}{4}"),
    ("0.25", "0.26"),
    ("1/2", "0.51"),
    (r"\pi", "3.14"),
    (r"\sqrt{2}", "1.42"),
]
FAR = [("100", "96"), (r"\frac{1}{2}", r"\frac{51}{100}"), ("1/2", "51/100")]
NUMBERS = [
    ("1234", "1,234"),
    ("1234", "1{,}234"),
    (r"\frac{1}{2}", "0.5"),
    ("0.5", "1/2"),
    (r"\frac34", r"\dfrac{3}{4}"),
    ("-0.75", r"-\frac{3}{4}"),
    ("72", "72.00"),
    ("5", r"\$5"),
    ("5", "$5$"),
    ("50", r"50\%"),
    ("12", r"12\text{ cm}^2"),
    ("12", "12 apples"),
    ("90", r"90^\circ"),
    ("007", "7"),
]
NOT_NUMBERS_ALIKE = [
    ("0.5", "50%"),
    (r"\frac13", "0.333333"),
    (r"\frac13", "0." + "3" * 60),
    ("0.1", "0.1000000000000001"),
]
SYMBOLS = [
    (r"x^2+2x+1", r"(x+1)^2"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
    (r"\frac{7}{2}", r"3\frac{1}{2}"),
    ("3", "x = 3"),
    ("1,2", "2, 1"),
    (r"\{1,2\}", r"\{2,1\}"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3,\pi/2)"),
    ("[1,2)", "[1, 2)"),
    ("[1,2]", r"x \in [1,2]"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ("y=2x+1", "2x-y+1=0"),
    (r"\text{Monday}", "Monday"),
    ("x<3", r"(-\infty,3)"),
    (r"\sqrt{0.25}", r"\sqrt{\frac14}"),
]
DIFFERENT_SYMBOLS = [
    (r"x^2+2x+1", r"(x+1)^3"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "1,2"),
    ("1,2", "(1,2)"),
    ("[1,2]", "(1,2)"),
    ("[1,2)", "[1,2]"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}"),
    (r"\sqrt{2}", "1.4142135623730950488016887242096980785696718753769480731766797379907324784621070388503875"),
    (r"\frac{\pi}{4}", "0.785398163397448309615660845819875721"),
    (r"\text{Monday}", "Tuesday"),
    ("5", "2+3"),  # the sum that makes it
    ("3628800", "10!"),
    ("2", r"\int_0^2 1 dx"),
]


def boxed(answer: str) -> str:
    return f"So we get\n\\boxed{{{answer}}}."


@pytest.mark.parametrize(("reference", "answer"), [*CLOSE, *FAR, *NOT_NUMBERS_ALIKE, *DIFFERENT_SYMBOLS])
def test_what_is_not_the_same_value_is_rejected(reference: str, answer: str) -> None:
    assert not grade_math(boxed(answer), reference).correct


@pytest.mark.parametrize(("reference", "answer"), [*NUMBERS, *SYMBOLS])
def test_the_same_value_in_another_form_is_accepted(reference: str, answer: str) -> None:
    assert grade_math(boxed(answer), reference).correct


@pytest.mark.parametrize("reference", sorted({pair[0] for pair in [*NUMBERS, *SYMBOLS, *DIFFERENT_SYMBOLS, *CLOSE]}))
def test_every_reference_is_equal_to_itself(reference: str) -> None:
    assert grade_math(boxed(reference), reference).correct


@pytest.mark.parametrize(("reference", "answer"), CLOSE)
def test_the_published_leniency_is_there_when_asked_for(reference: str, answer: str) -> None:
    grade = grade_math(boxed(answer), reference, mode="upstream")
    assert (grade.correct, grade.decided_by) == (True, "tolerance")


@pytest.mark.parametrize(("reference", "answer"), FAR)
def test_the_published_grader_rejects_these_too(reference: str, answer: str) -> None:
    assert not grade_math(boxed(answer), reference, mode="upstream").correct


EXTRACTIONS = [
    (r"\boxed{7}", Answer("7", "boxed")),
    (r"first \boxed{1}, then \boxed{\frac{1}{2}}", Answer(r"\frac{1}{2}", "boxed")),
    ("#### 5\nno: \\boxed{7}", Answer("7", "boxed")),
    (r"\boxed{7} and \boxed{8", Answer("7", "boxed")),
    (r"\boxed{\{1\}}", Answer(r"\{1\}", "boxed")),
    ("a\n#### 1,234\n", Answer("1,234", "hashes")),
    ("#### 1\n#### 2", Answer("2", "hashes")),
    ("The answer is: **42**.", Answer("42", "anchor")),
    ("Final answer: $.5$", Answer(".5", "anchor")),
    ("所以答案是12。", Answer("12", "anchor")),
    ("\\boxed{7}<|im_end|>", Answer("7", "boxed")),
    ("The answer is 7<|im_end|>", Answer("7", "anchor")),
    ("5 + 7 = 12", Answer("", "none")),  # the last line is no answer
    ("", Answer("", "none")),
]


@pytest.mark.parametrize(("message", "answer"), EXTRACTIONS)
def test_the_answer_is_found_by_its_mark_and_the_mark_is_recorded(message: str, answer: Answer) -> None:
    assert extract_answer(message) == answer


def test_the_box_decides_between_two_marks() -> None:
    assert grade_math("#### 5 \n \\boxed{7}", "7").method == "boxed"
    assert not grade_math("#### 5 \n \\boxed{7}", "5").correct
    assert grade_math("12", "12")._asdict() == {"correct": False, "answer": "", "method": "none", "decided_by": "none"}


@given(st.fractions(max_denominator=10**6))
def test_a_plain_number_is_exact(value: Fraction) -> None:
    assert plain_number(f"{value.numerator}/{value.denominator}") == value
    assert plain_number(f"\\frac{{{value.numerator}}}{{{value.denominator}}}") == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_decimal_is_exact(value: object) -> None:
    assert plain_number(str(value)) == Fraction(str(value))


@given(st.text())
def test_any_text_is_graded_and_only_a_marked_answer_can_be_right(text: str) -> None:
    grade = grade_math(text, "12345678901234567890")
    assert grade.correct is False or "12345678901234567890" in text


@given(st.integers(), st.integers())
def test_integers_are_equal_only_to_themselves(left: int, right: int) -> None:
    assert grade_math(boxed(str(left)), str(right)).correct == (left == right)


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile", ["100000000!", r"\int_0^1 x^{x^x} dx", "(" * 1500 + ")" * 1500, "9^9^9^9^9", "{" * 999]
)
def test_an_expression_that_takes_for_ever_ends_in_time_in_a_thread(hostile: str) -> None:
    grade_math(boxed(r"\sqrt{3}"), r"\sqrt{4}")  # the worker is up
    grades = []
    thread = threading.Thread(target=lambda: grades.append(grade_math(boxed(hostile), r"\sqrt{7}", seconds=0.3)))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert [grade.correct for grade in grades] == [False]
    assert grade_math(boxed(r"\sqrt{9}"), r"\sqrt{3^2}").correct  # and the next one is graded


def test_many_answers_are_graded_in_order() -> None:
    pairs = [(boxed(str(n)), str(n // 2 * 2)) for n in range(40)]
    assert [grade.correct for grade in grade_math_many(pairs)] == [n % 2 == 0 for n in range(40)]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="default"):
        grade_math("x", "x", mode="lenient")  # type: ignore[arg-type]


PROGRAM = "def add(a, b):\n    return a + b\n"
MESSAGES = {
    "python fence": (f"Here:\n```python\n{PROGRAM}```\nand\n```python\nadd(1, 2)\n```", "python"),
    "python after another": (f"```text\nplan\n```\n```py\n{PROGRAM}```", "python"),
    "plain fence": (f"```\n{PROGRAM}```", "fence"),
    "unclosed fence": (f"```python\n{PROGRAM}", "python"),
    "unclosed fence and chat token": (f"```python\n{PROGRAM}<|im_end|>", "python"),
    "raw": (PROGRAM, "raw"),
    "raw and chat token": (f"{PROGRAM}<|im_end|>\n", "raw"),
    "raw and end of text": (f"<|im_start|>{PROGRAM}<|endoftext|></s>", "raw"),
}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(workers=2)


@pytest.mark.filterwarnings("ignore:Programs run without")
@pytest.mark.parametrize(("message", "method"), MESSAGES.values(), ids=MESSAGES)
def test_a_program_is_found_wherever_it_stands(sandbox: Sandbox, message: str, method: str) -> None:
    tests = ("assert add(1, 2) == 3", "assert add(-1, 1) == 0")
    grade = grade_code(message, tests, names=("add",), sandbox=sandbox)
    assert grade == (True, 2, 2, method, "", True)


def test_all_or_a_share_of_the_tests(sandbox: Sandbox) -> None:
    tests = ("assert add(1, 2) == 4", "assert add(1, 2) == 3", "assert add(0, 0) == 0")
    everything = grade_code(PROGRAM, tests, names=("add",), sandbox=sandbox)
    assert (everything.correct, everything.passed, everything.total) == (False, 0, 3)
    share = grade_code(PROGRAM, tests, names=("add",), sandbox=sandbox, reward="fraction")
    assert (share.correct, share.passed, share.total) == (False, 2, 3)
    assert share.error == "An assertion does not hold."


def test_an_opening_is_completed_or_replaced(sandbox: Sandbox) -> None:
    opening = 'def double(x):\n    return 2 * x\n\n\ndef quadruple(x):\n    """Four times x."""\n'
    test = ("def check(candidate):\n    assert candidate(3) == 12\n    assert double(2) == 4\n\ncheck(quadruple)",)
    names = ("quadruple", "double")
    for message in (
        "    return double(double(x))\n",
        "```python\ndef quadruple(x):\n    return double(double(x))\n```",
        f"```python\n{opening}    return 4 * x\n```",
    ):
        assert grade_code(message, test, names=names, sandbox=sandbox, opening=opening).correct
    assert not grade_code("    return x\n", test, names=names, sandbox=sandbox, opening=opening).correct
    assert complete("def f():", "def fg():\n    pass", "f") == "def f():\ndef fg():\n    pass"


@given(st.text(), st.sampled_from(["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>", "<｜end▁of▁sentence｜>"]))
def test_chat_tokens_go_and_nothing_else(text: str, token: str) -> None:
    if strip_chat_tokens(text) == text:
        assert strip_chat_tokens(f"{token}{text}{token}") == text
    assert strip_chat_tokens("a <b> | c<|d e|> [x]") == "a <b> | c<|d e|> [x]"


@given(st.text())
def test_any_message_has_a_program(message: str) -> None:
    assert extract_program(message).method in {"python", "fence", "raw"}
