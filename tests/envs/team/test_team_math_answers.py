"""An answer is found in whatever a model writes around it, and what is not the reference stays wrong."""

from __future__ import annotations

import json
import random
import time
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.team.grade_math import extract_answer, grade_math

_PUBLISHED = Path(__file__).parents[4] / "shared/data/gsm8k/train_head.jsonl"

RIGHT = [  # (message, reference)
    ("The answer is 12 because 3*5=15.", "12"),
    ("**Answer**: 73", "73"),
    ("**Answer:** 73", "73"),
    ("__Answer__: 73", "73"),
    ("_Answer:_ 73", "73"),
    ("**Final Answer**\n\n73", "73"),
    ("## Answer: 73", "73"),
    ("## Final answer\n\n**73**", "73"),
    ("- **Answer:** $73$", "73"),
    ("| Answer | 73 |", "73"),
    ("The answer is 73 metres long.", "73 m"),
    ("The answer is 73 in total.", "73"),
    ("The answer is `73`", "73"),
    ("So, the final answer is 73 :)", "73"),
    ("So, the final answer is 73 ✅", "73"),
    ("The answers are 5 and 7.", "5,7"),
    ("Final Answer: The final answer is $73$. I hope it is correct.", "73"),
    ("Answer: $x = 5$ or $x = 7$", "5,7"),
    ("The answer is 12. Let me know if it helps!", "12"),
    ("The answer is 12, as shown above. Have a nice day!", "12"),
    (r"\boxed{(x,y)=(1,2)}", "(1,2)"),
    (r"\boxed{x=1, y=2}", "(1,2)"),
    (r"\boxed{y=2, x=1}", "(1,2)"),
    (r"\boxed{x=1 or x=2}", "1,2"),
    (r"$\boxed{1}$ and $\boxed{2}$", "1,2"),
    (r"\boxed{\text{13}}", "13"),
    (r"\boxed{\mbox{13}}", "13"),
    (r"\boxed{\mathrm{13}}", "13"),
    (r"\boxed{\textbf{13}}", "13"),
    (r"\boxed{\boldsymbol{13}}", "13"),
    (r"\boxed{\boxed{13}}", "13"),
    (r"\boxed{3 km/h}", "3"),
    (r"\boxed{3\text{ km}/\text{h}}", "3"),
    (r"\boxed{3 kilometres per hour}", r"3\text{ km/h}"),
    (r"\boxed{5 \text{ cm}^2}", "5 square centimeters"),
    (r"\boxed{2\sqrt{3} \text{ cm}}", r"2\sqrt{3}"),
    (r"\boxed{\$1,200.50}", "1200.5"),
    (r"\boxed{1 200 €}", "1200"),
    (r"\boxed{3 million dollars}", "3000000"),
    (r"\boxed{18元}", "18"),
    ("答案是：18个。", "18"),
    ("Ответ: 18", "18"),
    ("**18**", "18"),
    ("So she sells the rest.\n\n**18**", "18"),
    ("$18$", "18"),
    ("The answer is 18 (eggs).", "18"),
    ("So the answer is 18!", "18"),
    ("The answer is therefore 18.", "18"),
    ("The answer is that she sells 18 eggs.", "18"),
    (r"\boxed 18", "18"),
    ("\x08oxed{18}", "18"),  # what is left of \boxed where JSON read \b as a backspace
    (r"\boxed{\mathbf{18}}", "18"),
    ("Answer: She makes $18 every day.", "18"),
    ("#### $18 per day", "18"),
    ("#### Step 1: eggs\n16 - 7\n#### Step 2: money\n9 * 2\nThe answer is 18.", "18"),
    ("x = 2,125", "2125"),
    (r"\(2,125\)", "2125"),
    (r"\boxed{x = 2,125}", "2125"),
    (r"\boxed{\(2,125\)}", "2125"),
    (r"The answer is \(2,125\).", "2125"),
    ("The answer is x = 2,125.", "2125"),
    (r"\boxed{70 000}", "70000"),
    (r"\boxed{70\,000}", "70000"),
    ("\\boxed{70\u202f000}", "70000"),
    (r"\boxed{70'000}", "70000"),
    (r"\boxed{1.234.567,5}", "1234567.5"),
    (r"\boxed{12,34,567}", "1234567"),
    (r"\boxed{3,14}", "3.14"),
    (r"\boxed{１８}", "18"),
    (r"\boxed{3 \times 10^{4}}", "30000"),
    (r"\boxed{0.\overline{3}}", r"\frac13"),
    (r"\boxed{0.1(6)}", r"\frac16"),
    (r"\boxed{3 1/2}", r"\frac72"),
    (r"\boxed{3\frac12}", "3.5"),
    (r"\boxed{3½}", "3.5"),
    (r"\boxed{½}", r"\frac12"),
    (r"\boxed{x = 3 \cdot 5 = 15}", "15"),
    (r"\boxed{3*5 = 15}", "15"),
    (r"\boxed{\text{Area} = 15 \text{ cm}^2}", "15"),
    (r"\boxed{2516_{8}}", "2516_8"),
    (r"\boxed{2516}", "2516_8"),
    (r"\boxed{2^{-99}}", r"\frac{1}{2^{99}}"),
    (r"\boxed{abc}", "abc"),
    (r"\boxed{1,234, 5,678}", "1234, 5678"),
    (r"\boxed{\text{(C)}}", "C"),
    ("The answer is Monday, because Sunday is over.", "Monday"),
]

WRONG = [
    (r"\boxed{-\frac{1}{2^{99}}}", r"\frac{1}{2^{99}}"),
    (r"\boxed{2^{-98}}", r"\frac{1}{2^{99}}"),
    (r"\boxed{-2^{-9999}}", "2^{-9999}"),
    (r"\boxed{\frac{-\pi}{2^{99}}}", r"\frac{\pi}{2^{99}}"),
    (r"\boxed{x - 10^{-40}}", "x"),
    (r"\boxed{\left(1,-\frac{1}{2^{99}}\right)}", r"\left(1,\frac{1}{2^{99}}\right)"),
    (r"\boxed{\begin{pmatrix}1\\-2^{-99}\end{pmatrix}}", r"\begin{pmatrix}1\\2^{-99}\end{pmatrix}"),
    (r"\boxed{x < -2^{-99}}", "x < 2^{-99}"),
    (r"\boxed{2516_9}", "2516_8"),
    (r"\boxed{5_2}", "5"),
    (r"\boxed{5_{99}}", "5"),
    (r"\boxed{5_1}", "5"),
    (r"\boxed{19_{8}}", "19"),
    (r"\boxed{2516_{16}}", "2516_8"),
    (r"\boxed{2517_8}", "2516_8"),
    ("The answer is 12 because 3*5=15.", "15"),
    ("The answer is 12 because 3*5=15.", "3"),
    ("The answer is 12 or 15.", "12"),
    ("The answer is 12 or 15.", "15"),
    (r"\boxed{12} or \boxed{15}", "15"),
    ("The answer is 12. Wait, that is wrong: 15.", "12"),
    ("The answer is not 12.", "12"),
    ("The answer is between 12 and 15.", "12"),
    ("The answer is 12 plus 3.", "12"),
    ("The answer is 12 times 3.", "12"),
    ("The answer is twice 12.", "12"),
    ("The answer is 12 hundred.", "12"),
    ("The answer is 12 and a half.", "12"),
    ("The answer is less than 12.", "12"),
    ("The answer is half of 12 eggs.", "12"),
    ("The answer is the square root of 12.", "12"),
    ("The answer is the square of 12.", "12"),
    ("Answer: I do not know. Maybe 12?", "12"),
    ("Answer: She had 12 eggs and sold 3.", "12"),
    ("Answer: She had 12 eggs and sold 3.", "3"),
    ("#### 2. Add the eggs", "2"),
    (r"\boxed{BCA}", "ABC"),
    (r"\boxed{\text{BCA}}", "ABC"),
    (r"\boxed{\angle BCA}", r"\angle ABC"),
    (r"\boxed{D}", r"\text{(C)}"),
    (r"\boxed{4=5}", "5"),
    (r"\boxed{x = 4 = 5}", "5"),
    (r"\boxed{2 \cdot 3 = 5}", "5"),
    (r"\boxed{5 m}", "5 km"),
    (r"\boxed{5m}", "5 km"),
    (r"\boxed{5}", "5m"),
    ("The answer is 5 m long.", "5 km"),
    ("The answer is 5 square metres of lawn.", "5 m"),
    (r"The answer is |\frac{3}{4}|+1.", r"\frac{3}{4}"),
    (r"\boxed{\frac{\pi}{4} million}", r"\frac{\pi}{4}"),
    (r"\boxed{5 \text{ cm}}", r"5 \text{ cm}^2"),
    (r"\boxed{5 km}", r"5\text{ km/h}"),
    (r"\boxed{\$5}", "5 cents"),
    (r"\boxed{5 apples}", "5 pears"),
    (r"\boxed{5 \text{ minutes}}", "5 hours"),
    (r"\boxed{2 hundred}", "2"),
    (r"\boxed{3万}", "3"),
    (r"\boxed{0.333...}", r"\frac13"),
    (r"\boxed{3,14}", "3,41"),
    (r"\boxed{1,2}", "1.2, 5"),
    (r"\boxed{1.2}", "1,2"),
    (r"\boxed{3 7/2}", "6.5"),
    (r"\boxed{(2,1)}", "(1,2)"),
    (r"\boxed{x=2, y=1}", "(1,2)"),
    (r"\boxed{0}", "2x-y+1=0"),
    (r"\boxed{y=5}", "x=5"),
    (r"\boxed{5 x}", "5"),
    (r"\boxed{5i}", "5"),
    (r"\boxed{> 5}", "5"),
    ("Answer:\n```\n12\n15\n```", "12"),
    ("Answer:\n$$\n12\n+1\n$$", "12"),
    ("Answer:\n\\[\n12\n\\cdot 2\n\\]", "12"),
    ("| Name | Answer |\n|---|---|\n| a | 12 |\n| b | 15 |", "12"),
    ("| Answer | Points |\n|---|---|\n| 12 | 15 |", "15"),
    ("Answer: ❌ 12", "12"),
    ("Answer: ➖12", "12"),
    ("`Answer`: not 12", "12"),
    ("`Answer`: 12 or 15", "12"),
    ("`Answer`: 12 + 1", "12"),
    ('{"answer": -12}', "12"),
    ('{"answer": [12, 15]}', "12"),
    ('{"answer": 12, "sure": 15}', "15"),
    ("<answer>12 or 15</answer>", "12"),
    ("<answer>12</answer>\n<sure>15</sure>", "15"),
    ("Answer — -12", "12"),
    ("Answer –12", "12"),
    ("Answer → 12 → 15", "12"),
    ("Answer:\n- 12", "12"),
    ("### How to check the answer\n12", "12"),
    ("### 12. Answer\n15", "12"),
    ("The `answer` is not 12", "12"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("message", "reference"), RIGHT)
def test_the_answer_is_found_and_equal(message: str, reference: str) -> None:
    assert grade_math(message, reference).correct, grade_math(message, reference)


@pytest.mark.parametrize(("message", "reference"), WRONG)
def test_what_is_close_to_it_is_not_equal(message: str, reference: str) -> None:
    assert not grade_math(message, reference).correct, grade_math(message, reference)


FORMATS: dict[str, Callable[[str], str]] = {
    "box": lambda n: f"So \\boxed{{{n}}}.",
    "box in dollars": lambda n: f"Thus $\\boxed{{{n}}}$.",
    "box with a unit": lambda n: f"\\boxed{{{n} \\text{{ eggs}}}}",
    "box with money": lambda n: f"\\boxed{{\\${n}}}",
    "box of text": lambda n: f"\\boxed{{\\text{{{n}}}}}",
    "box without braces": lambda n: f"\\boxed {n}",
    "box with a name": lambda n: f"\\boxed{{x = {n}}}",
    "hashes": lambda n: f"2+3=5\n#### {n}",
    "hashes and money": lambda n: f"#### ${n}",
    "hashes and bold": lambda n: f"#### **{n}**",
    "sentence": lambda n: f"The answer is {n}.",
    "sentence and thanks": lambda n: f"The answer is {n}. Let me know if you have questions!",
    "sentence and reason": lambda n: f"The answer is {n}, because 977+2=979.",
    "sentence and remark": lambda n: f"The answer is {n} (eggs).",
    "sentence and exclamation": lambda n: f"So the answer is {n}!",
    "sentence with money": lambda n: f"Answer: She makes ${n} every day.",
    "sentence in mathematics": lambda n: f"The final answer is $x = {n}$.",
    "label in bold": lambda n: f"**Answer**: {n}",
    "label and bold": lambda n: f"**Final Answer:** **{n}**",
    "label in backticks": lambda n: f"`Answer`: {n}",
    "label and backticks": lambda n: f"`answer`: `{n}`",
    "label in underscores": lambda n: f"**_Answer_**: _{n}_",
    "label in quotes": lambda n: f'{{"answer": "{n}", "sure": true}}',
    "label in TeX": lambda n: f"\\textbf{{Answer:}} {n}",
    "label in HTML": lambda n: f"<b>Answer:</b> <strong>{n}</strong>",
    "label in brackets": lambda n: f"[ANSWER]{n}[/ANSWER]",
    "tags": lambda n: f"It is 12.\n<answer>{n}</answer>",
    "label above": lambda n: f"**Final answer:**\n\n***{n}***",
    "numbered heading": lambda n: f"### 5. Final Answer\n{n}",
    "underlined heading": lambda n: f"Answer\n======\n\n{n}",
    "display": lambda n: f"**Final Answer**\n\n\\[\n{n}\n\\]",
    "block": lambda n: f"### Answer\n```text\n{n}\n```\nDone.",
    "table": lambda n: f"| Step | Answer |\n|---|:---:|\n| 12 | **{n}** |",
    "picture": lambda n: f"### ✅ Answer\n👉 {n}",
    "heading": lambda n: f"## Answer\n\n{n} eggs",
    "bold alone": lambda n: f"**{n}**",
    "mathematics alone": lambda n: f"\\({n}\\)",
    "assignment alone": lambda n: f"x = {n}",
}


def wrong_answers(number: int, draw: random.Random) -> Iterator[str]:
    """Answers that are not a number, one of each kind of mistake."""
    digits = list(str(abs(number)))
    yield str(-number) if number else "1"
    yield str(number + 1)
    yield str(number - 1)
    yield str(number * 10 or 10)
    yield str(number * 2 or 2)
    yield f"{number}.5"
    yield f"{number}.0{draw.randint(1, 9)}"
    yield f"{2 * number + 1}/2"
    yield f"{number} thousand" if number else "3"
    yield f"1{digits[0]}{''.join(digits)}"
    swapped = [*digits[:-2], *digits[-2:][::-1]]
    if swapped != digits and int("".join(swapped)) != abs(number):
        yield "".join(swapped)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", FORMATS.values(), ids=FORMATS)
@given(number=st.integers(-(10**7), 10**7), seed=st.integers(0, 999))
def test_every_format_carries_the_right_number_and_no_other(wrap: Callable[[str], str], number: int, seed: int) -> None:
    assert grade_math(wrap(str(number)), str(number)).correct
    assert grade_math(wrap(f"{number:,}"), str(number)).correct
    for wrong in wrong_answers(number, random.Random(seed)):
        assert not grade_math(wrap(wrong), str(number)).correct, wrong


@pytest.mark.skipif(not _PUBLISHED.exists(), reason="the published problems are not here")
@pytest.mark.slow
def test_published_solutions_are_right_in_every_format_and_wrong_ones_in_none() -> None:
    for row in map(json.loads, _PUBLISHED.read_text().splitlines()):
        assert grade_math(row["answer"], extract_answer(row["answer"]).text).correct
        reference = extract_answer(row["answer"]).text
        number = int(reference.replace(",", ""))
        for name, wrap in FORMATS.items():
            assert grade_math(wrap(reference), reference).correct, (name, reference)
            for wrong in wrong_answers(number, random.Random(number)):
                assert not grade_math(wrap(wrong), reference).correct, (name, wrong, reference)


@given(st.permutations("ABCDE"))
def test_letters_in_another_order_are_another_answer(letters: list[str]) -> None:
    assert grade_math(f"\\boxed{{{''.join(letters)}}}", "ABCDE").correct == (letters == list("ABCDE"))


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_tuple_keeps_its_order_and_a_set_has_none(numbers: list[int], draw: random.Random) -> None:
    moved = draw.sample(numbers, len(numbers))
    inside, other = (",".join(map(str, side)) for side in (numbers, moved))
    assert grade_math(f"\\boxed{{({other})}}", f"({inside})").correct == (moved == numbers)
    assert grade_math(f"\\boxed{{\\{{{other}\\}}}}", f"\\{{{inside}\\}}").correct


@given(st.integers(1, 8**6), st.integers(2, 36))
def test_a_numeral_in_another_base_is_another_answer(value: int, base: int) -> None:
    digits = f"{value:o}"
    assert grade_math(f"\\boxed{{{digits}_{{{base}}}}}", f"{digits}_8").correct == (base == 8)


HOSTILE = [
    r"\boxed{", "}", "{", r"\boxed ", "The answer is ", "answer:", "answer: \n", "####", "#### 1. a\n", "$", "*", "**",
    "=", " ", "1,", "1 ", "1/", "1.", r"\text{", r"\text{a", "(", "x=", r"\frac", r"\frac{1}", "^{", "and ", "1 or ",
    "½", "²", "|", "a_", "_", "\\\\", r"\(", "$1$ ", "answer is **", "\u00a0", "The answer is 1 e", "\\\\[", "\n",
    "\t", "答案", ". ", "1e", r"\times 10^", "<answer>", "`answer`: ",
    "| Answer |\n|---|\n", "Answer:\n$$\n", "-- ", "###",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("opening", ["", "The answer is ", r"\boxed{", "#### ", "**", "x = 1"])
def test_a_megabyte_of_anything_is_read_at_once(opening: str, piece: str) -> None:
    for text in (opening + piece * (1_000_000 // len(piece)), opening + piece * (3900 // len(piece)) + "}"):
        taken = (timeit.timeit(partial(extract_answer, text), timer=time.process_time, number=1) for _ in range(3))
        assert any(seconds < 0.2 for seconds in taken)


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
def test_any_answer_is_graded_in_bounded_time(piece: str) -> None:
    begun = time.process_time()  # what takes its worker too long is killed, or this test would not end
    grade_math(f"\\boxed{{{piece * (3900 // len(piece))} }}", "12", seconds=0.5)
    assert time.process_time() - begun < 1.0
