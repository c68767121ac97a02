from __future__ import annotations

import math

import pytest

from credit_gym.baselines.claims.claim import Cell, Claim, Measured, Verdict, judge, near, overlap
from credit_gym.report.table import Table

TABLES = [
    Table("Success of 5 seeds", ("scorer", "success"), (("grpo", "0.24 ± 0.02"), ("crbc", 0.99))),
    Table(
        "Difference to grpo",
        ("game", "credit", "ratio", "after"),
        (
            ("Climb", "grpo", "1.00 [1.00, 1.00]", "0.611"),
            ("Climb", "crbc", "never [0.45, never]", "0.674 (+0.063 [+0.041, +0.085])"),
            ("Walk", "crbc", None, "–"),
        ),
    ),
]


def of(*cells: Cell, holds: object = lambda *_: True) -> Claim:
    return Claim("it works", "1.0", cells, holds=holds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        (Cell("Success", "grpo", "success"), (0.24, 0.22, 0.26)),
        (Cell("5 seeds", "crbc", "success"), (0.99, math.nan, math.nan)),
        (Cell("Difference", ("Climb", "grpo"), "ratio"), (1.0, 1.0, 1.0)),
        (Cell("Difference", ("Climb", "crbc"), "ratio"), (math.inf, math.nan, math.inf)),
        (Cell("Difference", ("Climb", "crbc"), "after", difference=True), (0.063, 0.041, 0.085)),
        (Cell("Difference", ("Climb", "crbc"), "after"), (0.674, math.nan, math.nan)),
    ],
)
def test_a_claim_is_judged_by_the_numbers_of_its_cells(cell: Cell, numbers: tuple[float, ...]) -> None:
    seen: list[Measured] = []
    for holds, verdict in ((True, Verdict.REPRODUCED), (False, Verdict.NOT_REPRODUCED)):
        judged = judge(of(cell, holds=lambda ours, says=holds: seen.append(ours) or says), TABLES)
        assert judged.verdict == verdict
    assert seen[0] == pytest.approx(numbers, nan_ok=True)


@pytest.mark.parametrize(
    "cell",
    [
        Cell("Success", "nobody", "success"),
        Cell("Success", "grpo", "failure"),
        Cell("Nothing", "grpo", "success"),
        Cell("Difference", ("Walk", "crbc"), "ratio"),
        Cell("Difference", ("Walk", "crbc"), "after"),
        Cell("Difference", ("Climb", "grpo"), "after", difference=True),
    ],
)
def test_a_claim_whose_number_is_missing_is_not_judged(cell: Cell) -> None:
    assert judge(of(Cell("Success", "grpo", "success"), cell), TABLES).verdict == Verdict.NOT_MADE


def test_what_is_shown_beside_a_claim_is_what_the_tables_say() -> None:
    cells = (
        Cell("Success", "grpo", "success"),
        Cell("Difference", ("Climb", "crbc"), "after", "gain", difference=True),
    )
    assert judge(of(*cells), TABLES).ours == "grpo: 0.24 ± 0.02; gain: +0.063 [+0.041, +0.085]"
    limited = Claim("it works", "1.0", cells[:1], holds=lambda ours: near(ours, 0.25), wants="tiny models")
    assert judge(limited, TABLES)[1:] == ("grpo: 0.24 ± 0.02 (tiny models)", Verdict.REPRODUCED)


def test_what_cannot_be_tested_says_what_it_would_take() -> None:
    assert judge(Claim("it works", "0.9", wants="a large model"), TABLES)[1:] == ("a large model", Verdict.NOT_TESTABLE)


def test_intervals_overlap_where_they_share_a_number() -> None:
    assert overlap(Measured(0.2, 0.1, 0.3), Measured(0.4, 0.3, 0.5))
    assert not overlap(Measured(0.2, 0.1, 0.29), Measured(0.4, 0.3, 0.5))
