"""Values cross between a program and its test in their own types, and no program decides its verdict."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
from typing import Any

import pytest
from builders.sandboxed import passes, run
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.team.sandbox import Limits, Result, Sandbox
from credit_gym.envs.team.sandbox_values import Shared, decode, encode

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")

IMPORTS = (
    "import array, collections, datetime, decimal, fractions, math\n"
    "from collections import *\n"
    "Point = namedtuple('Point', 'x y')\n"
)
VALUES = [
    "Counter('hello')",
    "Counter({'a': -1})",
    "Point(1, [2])",
    "[Point(1, 2), Point(3, Point(4, 5))]",
    "OrderedDict([('b', 1), ('a', 2)])",
    "defaultdict(list, {1: [2]})",
    "defaultdict(None, {1: 2})",
    "deque([1, 2, 3], maxlen=3)",
    "deque([[1], (2,)])",
    "datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, fold=1)",
    "datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))",
    "datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)",
    "datetime.date(1, 1, 1)",
    "datetime.time(1, 2, 3, tzinfo=datetime.timezone.utc)",
    "datetime.timedelta(days=-1, microseconds=1)",
    "bytearray(b'\\x00ab')",
    "array.array('d', [1.5, 2.5])",
    "decimal.Decimal('0.10')",
    "decimal.Decimal('-Infinity')",
    "fractions.Fraction(-1, 3)",
    "{1, (2, 3), frozenset({4})}",
    "frozenset()",
    "complex(-0.0, math.inf)",
    "range(10, 0, -3)",
    "slice(1, None, 2)",
    "-0.0",
    "2**63",
    "-(2**63)",
    "{'b': 1, 'a': {(1, 2): [None, True]}}",
    "int",
    "[str, Counter]",
    "'\\ud800'",
]


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES)
def test_every_value_crosses_both_ways_in_its_own_type(sandbox: Sandbox, value: str) -> None:
    source = f"{IMPORTS}def f(x): return x\ndef g(): return {value}\ndef h(x): return repr(x)\n"
    test = (
        f"{IMPORTS}v = {value}\nfor w in (f(v), g()):\n"
        "    assert w == v and repr(w) == repr(v) and type(w).__name__ == type(v).__name__, repr(w)\n"
        "assert h(v) == repr(v)"
    )
    assert run(sandbox, source, test, names=("f", "g", "h")) == (Result(True, ""),)
    assert not passes(sandbox, source, f"{IMPORTS}assert g() == 'another'", names=("g",))


def test_nan_the_order_of_a_dict_and_the_fields_of_a_tuple_are_kept(sandbox: Sandbox) -> None:
    source = f"{IMPORTS}def f(x): return x\ndef g(): return Point(1, 2)\ndef h(): return float('nan')\n"
    test = (
        "n = f(math.nan)\nassert n != n and h() != h() and math.isnan(h()) and f([math.nan]) == [math.nan]\n"
        "assert list(f({'b': 1, 'a': 2})) == ['b', 'a']\n"
        "p = g()\nassert p.x == 1 and p == (1, 2) and p._fields == ('x', 'y') and isinstance(p, tuple)\n"
        "assert p._replace(x=5) == (5, 2)"
    )
    assert run(sandbox, source, test, names=("f", "g", "h")) == (Result(True, ""),)


CHANGES = {
    "returned": ("def f(a): return a", "assert f(v) is v", "[1]"),
    "returned inside": ("def f(a): return {'it': a, 'again': a}", "r = f(v)\nassert r['it'] is v is r['again']", "[1]"),
    "inner returned": ("def f(a): return a[0]", "assert f(v) is v[0]", "[[1]]"),
    "twice one": ("def f(a, b): return a is b", "assert f(v, v) and not f(v, list(v))", "[1]"),
    "by name": ("def f(a, key): key.append(3)", "f(1, key=v)\nassert v == [1, 3]", "[1]"),
    "list": ("def f(a): a.sort()", "w = v\nf(v)\nassert v == [1, 2] and w is v", "[2, 1]"),
    "inner list": ("def f(a): a[0].append(2)", "w = v[0]\nf(v)\nassert w == [1, 2] and v[0] is w", "[[1]]"),
    "inner replaced": ("def f(a): a[0] = a[1]", "f(v)\nassert v[0] is v[1]", "[[1], [2]]"),
    "in a tuple": ("def f(a): a[0].append(2)", "f(v)\nassert v == ([1, 2],)", "([1],)"),
    "cycle": ("def f(a): a.append(a)", "f(v)\nassert v[1] is v", "[1]"),
    "cycle given": ("def f(a): return a[1] is a", "v.append(v)\nassert f(v)", "[1]"),
    "dict": ("def f(a): a.pop(1); a[3] = 4", "f(v)\nassert v == {2: 2, 3: 4}", "{1: 1, 2: 2}"),
    "set": ("def f(a): a.discard(1)", "f(v)\nassert v == {2}", "{1, 2}"),
    "bytearray": ("def f(a): a += b'x'", "f(v)\nassert v == b'ax'", "bytearray(b'a')"),
    "deque": ("def f(a): a.rotate(1)", "f(v)\nassert list(v) == [3, 1, 2]", "deque([1, 2, 3])"),
    "Counter": ("def f(a): a.update('aa')", "f(v)\nassert v == Counter(a=3)", "Counter('a')"),
    "defaultdict": ("def f(a): a[2].append(1)", "f(v)\nassert v == {2: [1]} and v[3] == []", "defaultdict(list)"),
    "OrderedDict": ("def f(a): a.move_to_end(1)", "f(v)\nassert list(v) == [2, 1]", "OrderedDict({1: 1, 2: 2})"),
    "untouched": ("def f(a): return sorted(a)", "assert f(v) == [1, 2] and v == [2, 1]", "[2, 1]"),
    "changed, then raised": (
        "def f(a):\n    a.append(2)\n    raise ValueError('no')",
        "try:\n    f(v)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'no' and v == [1, 2]",
        "[1]",
    ),
}


@pytest.mark.parametrize(("source", "test", "value"), CHANGES.values(), ids=CHANGES)
def test_an_argument_stays_the_same_object_and_sees_what_is_done_to_it(
    sandbox: Sandbox, source: str, test: str, value: str
) -> None:
    assert run(sandbox, source, f"{IMPORTS}v = {value}\n{test}") == (Result(True, ""),)


CALLBACKS = {
    "lambda": ("def f(g, x): return g(x) + 1", "assert f(lambda n: n * 2, 5) == 11"),
    "builtin function": ("def f(g, x): return list(map(g, x))", "assert f(abs, [-1, 2]) == [1, 2]"),
    "builtin type": ("def f(t, x): return isinstance(x, t), t('5')", "assert f(int, 3) == (True, 5)"),
    "method": ("def f(g): g(1); g(2)", "got = []\nf(got.append)\nassert got == [1, 2]"),
    "key function": ("def f(x, key): return sorted(x, key=key)", "assert f([3, -4], key=lambda n: n * n) == [3, -4]"),
    "library function": ("def f(g, x): return g(x)", "assert f(math.sqrt, 4) == 2.0"),
    "returned": ("def f(g): return g", "g = lambda: 1\nassert f(g) is g"),
    "back and forth": (
        "def f(g, n): return 1 if n == 0 else n * g(n - 1)",
        "assert f(lambda n: f(lambda m: 0 if m else 1, 0) * n, 4) == 12",
    ),
    "raising": (
        "def f(g):\n    try:\n        g()\n    except KeyError as e:\n        return 'caught'",
        "def g(): raise KeyError('x')\nassert f(g) == 'caught'",
    ),
    "generator": ("def f(x): return [n + 1 for n in x]", "assert f(n * n for n in range(3)) == [1, 2, 5]"),
    "iterator": ("def f(x): return next(x), list(x)", "assert f(iter([1, 2, 3])) == (1, [2, 3])"),
    "changing its argument": (
        "def f(g):\n    a = []\n    g(a)\n    return a",
        "assert f(lambda a: a.append(1)) == [1]",
    ),
    "composed": ("def f(g, h): return lambda x: g(h(x))", "assert f(lambda x: x + 1, lambda x: x * 2)(5) == 11"),
    "class of the test": ("def f(c): return c(2)", "class C(int): pass\nassert f(C) == 2"),
}


@pytest.mark.parametrize(("source", "test"), CALLBACKS.values(), ids=CALLBACKS)
def test_a_program_can_call_what_the_test_hands_over(sandbox: Sandbox, source: str, test: str) -> None:
    assert run(sandbox, source, test) == (Result(True, ""),)


def test_a_program_can_only_call_what_it_is_handed(sandbox: Sandbox) -> None:
    source = """
def f(g):
    link = g._link
    found = []
    for kind, plain in (("get", [0, "__globals__"]), ("operate", [0, "repr"]), ("load", ["x = 1"]), ("call", [1])):
        try:
            found.append(link.ask(kind, *plain))
        except Exception as error:
            found.append(type(error).__name__)
    return found
"""
    names = "['ProgramError', 'ProgramError', 'ProgramError', 'IndexError']"
    assert run(sandbox, source, f"assert f(lambda: 77) == {names}, f(lambda: 77)") == (Result(True, ""),)


@pytest.mark.slow
@pytest.mark.parametrize("size", [5 << 20, 20 << 20])
def test_values_of_many_mebibytes_cross(size: int) -> None:
    with Sandbox(workers=1, limits=Limits(seconds=20)) as box:
        source = f"def f(x): return x + 'a'\ndef g(x): return len(x)\ndef h(): return b'a' * {size // 4}\n"
        test = f"v = 'b' * {size}\nassert f(v) == v + 'a' and g(v) == {size} and len(h()) == {size // 4}"
        assert run(box, source, test, names=("f", "g", "h")) == (Result(True, ""),)


@pytest.mark.slow
@pytest.mark.parametrize("test", ["f(3, '')", "f(0, 'a' * (70 << 20))"])
def test_a_value_that_is_too_large_says_so(test: str) -> None:
    with Sandbox(workers=1, limits=Limits(seconds=20, memory_mb=1024)) as box:
        (result,) = run(box, "def f(n, x): return 'a' * (n * 30_000_000)\n", test)
        assert not result.passed
        assert "67108864 that may pass between a program and its test" in result.error


def test_arrays_cross_with_their_types_and_shapes() -> None:
    source = """
import numpy as np
def f(x): return x
def g(): return np.zeros((0, 3)), np.array([[1 + 2j]]), np.array(["a", "bc"]), np.array([b"a\\x01"]), np.float64("nan")
def h(x): x[0] = 5
"""
    test = """
import numpy as np
for v in (np.arange(6, dtype=np.int8).reshape(2, 3), np.array([0.5, np.inf, np.nan]), np.array([True]), np.eye(2)):
    assert f(v) is v
    w = f((v, 1))[0].copy()
    assert np.array_equal(w, v, equal_nan=v.dtype.kind == "f") and w.dtype == v.dtype and w.shape == v.shape
a, b, c, d, e = g()
assert a.shape == (0, 3) and b[0, 0] == 1 + 2j and list(c) == ["a", "bc"] and d[0] == b"a\\x01" and e != e
v = np.arange(3)
h(v)
assert list(v) == [5, 1, 2]
"""
    with Sandbox(workers=1, packages=("numpy",), limits=Limits(memory_mb=1024)) as box:
        assert run(box, source, test, names=("f", "g", "h")) == (Result(True, ""),)


PROTOCOL = """
import gc, types
for thing in gc.get_objects():
    if isinstance(thing, dict) and "Program" in thing and "Remote" in thing:
        Program = thing["Program"]
"""
OVERRIDES = {
    "set": "Program._names = lambda self, names: {'f': f, 'set': lambda x: 1}",
    "sorted": "Program._names = lambda self, names: {'f': f, 'sorted': lambda x: 1}",
    "abs": "Program._names = lambda self, names: {'f': f, 'abs': lambda x: 0}",
    "__builtins__": "Program._names = lambda self, names: {'f': f, '__builtins__': {'set': f, 'abs': f, 'sorted': f}}",
    "len": "Program._names = lambda self, names: {'f': f, 'len': lambda x: 1}",
    "math": "Program._names = lambda self, names: {'f': f, 'math': f}",
}


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_a_program_reports_the_names_that_are_asked_for_and_no_other(sandbox: Sandbox, override: str) -> None:
    source = f"{PROTOCOL}def f(*x): return -7\n{override}\n"
    tests = (
        "assert set([f(2), 1]) == set((4, 5))",
        "assert sorted([f(2)]) == sorted([4])",
        "assert abs(f(2) - 5) < 1e-6",
        "assert len([f(2), 1]) == len([4])",
        "assert math.isclose(f(2), 5)",
    )
    results = run(sandbox, source, *tests)
    assert [result.passed for result in results] == [False] * 5
    assert passes(sandbox, source, "assert f(2) == -7")


LIAR = """
class Liar:
    def _yes(self, *a, **k): return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = _yes
    __hash__ = None
    def __ne__(self, other): return False
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mul__ = __mod__ = __float__ = __int__ = __abs__ = __index__ = __sub__
    def __getattr__(self, name): return self._yes
    def __iter__(self): return iter([self])
    def __len__(self): return 1
def f(x): return {returned}
"""
RETURNED = ["Liar()", "[Liar()]", "(Liar(), Liar())", "{1: Liar()}", "type('float', (Liar,), {})()", "Liar"]
QUESTIONS = [
    "f(2) < 1e-6", "1e-6 > f(2)", "f(2) <= 1", "f(2) > 1", "4 in f(2)", "f(2) == 4", "4 == f(2)", "not f(2) != 4",
    "abs(f(2) - 4) < 1e-6", "f(2) == [4]", "f(2) == (4, 5)", "f(2) == {1: 4}", "f(2) in (4, 5)", "f(2).startswith('x')",
    "f(2).isdigit()", "f(2).issubset({4})", "f(2).__eq__(4) is True", "f(2).__contains__(4)", "math.isclose(f(2), 4)",
    "sorted(f(2)) == [4]", "set(f(2)) == {4}", "list(f(2)) == [4]", "max(f(2), 4) == 4 and min(f(2), 4) == f(2)",
    "isinstance(f(2), int)", "f(2)[0] < 4", "4 in f(2)[0]", "f(2)[1] < 4",
]  # fmt: skip


@pytest.mark.parametrize("returned", RETURNED)
def test_an_object_of_the_program_answers_no_comparison(sandbox: Sandbox, returned: str) -> None:
    source = LIAR.replace("{returned}", returned)
    results = run(sandbox, source, *(f"assert {question}" for question in QUESTIONS))
    assert [question for question, result in zip(QUESTIONS, results, strict=True) if result.passed] == []


def test_objects_of_the_program_are_compared_by_the_test(sandbox: Sandbox) -> None:
    source = """
class Held:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return True
    def __lt__(self, other): return True
def f(x): return Held(x)
"""
    assert passes(sandbox, source, "a = f([1])\nassert a == a and a == f([1]) and a != f([2]) and a in [f(2), f([1])]")
    wrong = (
        "f(2) == f(3)",
        "f(2) in [f(3)]",
        "[f(2)] == [f(3)]",
        "not f(2) != f(3)",
        "f(2) < f(3)",
        "sorted([f(2), f(3)])",
    )
    for question in wrong:
        assert not passes(sandbox, source, f"assert {question}"), question


def test_a_stream_of_the_program_is_searched_by_the_test(sandbox: Sandbox) -> None:
    source = "def f(x):\n    yield 1\n    yield x\n"
    assert passes(sandbox, source, "assert 4 in f(4)", "assert list(f(4)) == [1, 4]")
    assert not passes(sandbox, source, "assert 5 in f(4)")


@pytest.mark.slow
def test_what_a_program_makes_up_on_the_wire_is_no_value(sandbox: Sandbox) -> None:
    made_up = [
        '{"value":{"namedtuple":["Liar",["__eq__"],[1]]}}', '{"value":{"type":"Remote"}}', '{"value":{"call":0}}',
        '{"value":{"ref":9}}', '{"value":{"remote":"0"}}', '{"value":{"numpy":["O",[1],[1]]}}', '{"value":{"x":1}}',
        "[]", '["call"]', "7", '{"raise":["AssertionError"]}', '{"raise":["SystemExit","0"]}', '{"raise":7}',
        '{"value":4,"states":[["list",[1]]]}',
    ]  # fmt: skip
    for text in made_up:
        source = f"""
import gc, os, socket
def f(x):
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket):
            data = {text.encode()!r}
            thing.sendall(len(data).to_bytes(4, "big") + data)
            os._exit(0)
"""
        assert not passes(sandbox, source, "assert f(2) == 4", "assert f(2) in (4, 5)"), text


PLAIN = {
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, slice, type,
    collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque, decimal.Decimal,
    fractions.Fraction, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone,
}  # fmt: skip
TAGS = st.sampled_from([
    "int", "bytes", "complex", "Fraction", "Decimal", "range", "slice", "tuple", "frozenset", "date", "timedelta",
    "timezone", "time", "datetime", "namedtuple", "type", "ref", "Counter", "OrderedDict", "defaultdict", "dict", "set",
    "bytearray", "deque", "numbers", "numpy", "remote", "call",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TAGS, inner, min_size=1, max_size=1),
    max_leaves=9,
)


def refuse(*_: Any) -> Any:
    raise TypeError("no value")


@given(JSON)
def test_whatever_arrives_is_a_builtin_value_or_an_error(data: Any) -> None:
    shared = Shared()
    try:
        value = decode(data, shared, refuse)
    except Exception:  # noqa: BLE001 - any: the tester takes every one for a failure
        return
    for kind in map(type, (value, *shared.values)):
        assert kind in PLAIN or kind.__module__ in ("numpy", "array") or kind.__bases__ == (tuple,)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.decimals(allow_nan=False) | st.fractions()
)
KEYS = SCALARS | st.datetimes() | st.timedeltas() | st.dates() | st.complex_numbers(allow_nan=False)
ANY = st.recursive(
    KEYS | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.lists(inner).map(collections.deque)
        | st.lists(KEYS).map(collections.Counter)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(ANY)
def test_encoding_is_json_and_decoding_undoes_it(value: Any) -> None:
    data = json.loads(json.dumps(encode(value, Shared(), refuse)))
    back = decode(data, Shared(), refuse)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, (set, frozenset, dict, tuple, list, collections.deque))
