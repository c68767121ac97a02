"""The sandbox gives the right verdict, cannot be fooled, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders.sandboxed import RIGHT, SECONDS, passes, processes_that_carry, run

from credit_gym.envs.team.sandbox import Limits, Program, Result, Sandbox
from credit_gym.errors import CreditGymError

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")

ORDINARY = {
    "property": """
class Square:
    def __init__(self, side):
        self._side = side
    @property
    def area(self):
        return self._side ** 2
def f(x):
    return Square(x).area
""",
    "super and staticmethod": """
class A:
    def g(self, x):
        return x
class B(A):
    def g(self, x):
        return super().g(x) * self.h(x)
    @staticmethod
    def h(x):
        return x
def f(x):
    return B().g(x)
""",
    "generators": """
def squares():
    n = 0
    while True:
        yield n * n
        n += 1
def f(x):
    for n, square in enumerate(squares()):
        if n == x:
            return square
""",
    "exceptions": """
def f(x):
    try:
        return 1 // 0
    except ZeroDivisionError:
        pass
    try:
        raise NotImplementedError
    except NotImplementedError:
        return x ** 2
""",
    "hash, bytes, comprehension, closures": """
import functools, math, itertools
def f(x):
    assert isinstance(hash("a"), int) and bytes([1]) == b"\\x01"
    return functools.reduce(lambda a, b: a + b, itertools.repeat(x, x), 0)
""",
    "files of its own": """
def f(x):
    with open("scratch", "w") as file:
        file.write(str(x * x))
    return int(open("scratch").read())
""",
    "threads": """
import threading
def f(x):
    out = []
    thread = threading.Thread(target=lambda: out.append(x * x))
    thread.start()
    thread.join()
    return out[0]
""",
    "recursion and a main guard": """
def f(x, n=None):
    n = x if n is None else n
    return 0 if n == 0 else x + f(x, n - 1)
if __name__ == "__main__":
    print(input())
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_programs_pass(sandbox: Sandbox, source: str) -> None:
    assert passes(sandbox, source, "assert f(3) == 9", "assert f(7) == 49")
    assert not passes(sandbox, source, "assert f(3) == 10")


def test_each_test_is_judged_alone_and_against_a_fresh_copy(sandbox: Sandbox) -> None:
    source = "calls = []\ndef f(x):\n    calls.append(x)\n    return len(calls)\n"
    results = run(sandbox, source, "assert f(0) == 1", "assert f(0) == 2", "assert f(0) == 1; assert f(0) == 2")
    assert [result.passed for result in results] == [True, False, True]
    assert results[1].error == "An assertion does not hold."


def test_a_supervisor_that_was_killed_while_it_was_idle_is_replaced() -> None:
    with Sandbox(workers=1) as own:
        assert passes(own, "def f(x): return x", "assert f(1) == 1", names=("f",))
        (supervisor,) = own._pool._idle
        os.kill(supervisor._process.pid, signal.SIGKILL)
        supervisor._process.wait()
        assert passes(own, "def f(x): return x", "assert f(2) == 2", names=("f",))


def test_it_stops_at_the_first_failure_when_asked(sandbox: Sandbox) -> None:
    program = Program(RIGHT, ("assert f(1) == 2", "assert f(1) == 3", "assert f(1) == 2"), ("f",))
    assert [r.passed for r in sandbox.run(program, stop_at_failure=True)] == [True, False]


FAKES = {
    "always-equal object": """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __len__(self): return 1
def f(x): return Equal()
""",
    "always-equal int": """
class Equal(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(x): return Equal(77)
""",
    "sys.exit": "import sys\ndef f(x):\n    sys.exit(0)\n",
    "sys.exit while loading": "import sys\nsys.exit(0)\n",
    "os._exit": "import os\ndef f(x):\n    os._exit(0)\n",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\ndef f(x):\n    return 77\n",
    "patched builtins": """
import builtins
builtins.AssertionError = type("Calm", (Exception,), {})
builtins.abs = builtins.all = builtins.len = lambda *a: True
builtins.compile = builtins.exec = lambda *a, **k: None
def f(x): return 77
""",
    "patched protocol": """
import sys
calls = sys.modules.get("sandbox_call")
if calls:
    calls.encode = lambda *a, **k: True
    calls.json.dumps = lambda *a, **k: '{"error":null}'
def f(x): return 77
""",
    "its own word on the socket": """
import gc, socket
def f(x):
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket):
            thing.sendall((14).to_bytes(4, "big") + b'{"error":null}')
    return 77
""",
    "an answer for every call": """
import os
for number in range(1, 64):
    try:
        os.write(number, (14).to_bytes(4, "big") + b'{"error":null}')
    except OSError:
        pass
def f(x): return 77
""",
    "raises what the test might catch": "def f(x):\n    raise StopIteration\n",
    "huge answer": "def f(x): return 'a' * 100_000_000\n",
    "deep answer": "def f(x):\n    y = []\n    for _ in range(100_000): y = [y]\n    return y\n",
    "no program": "this is not Python",
    "empty": "",
    "null byte": "def f(x): return x + 1\0",
    "lone surrogate": "def f(x): return '\ud800'",
}


@pytest.mark.parametrize("source", FAKES.values(), ids=FAKES)
def test_a_pass_cannot_be_faked(sandbox: Sandbox, source: str) -> None:
    results = run(sandbox, source)
    assert [result.passed for result in results] == [False, False]
    assert all(result.error for result in results)
    assert passes(sandbox, RIGHT)  # and the next program is none the worse


def test_the_tests_are_not_in_the_memory_of_the_program(sandbox: Sandbox) -> None:
    """The expected value is nowhere to be found: neither in objects nor in the frames above."""
    source = """
import gc, sys
def f(x):
    frame, seen = sys._getframe().f_back, []
    while frame:
        seen.append(repr(frame.f_locals))
        frame = frame.f_back
    seen += [repr(thing) for thing in gc.get_objects() if isinstance(thing, (dict, list, tuple)) and thing is not seen]
    return any("".join(map(chr, range(122, 109, -1))) in text for text in seen)
"""
    marked = "assert f(0) is False  # zyxwvutsrqpon"
    assert passes(sandbox, source, marked, marked.replace("0", "1"))


VALUES = [
    "None", "True", "-3", "2**200", "-(16**2000)", "1.5", "float('inf')", "'text \\u00e9'", "b'\\x00\\xff'", "2 - 3j",
    "[1, [2, (3, 4)]]", "{1: 'a', (2, 3): {4}}", "{1, 2}", "frozenset({1})", "range(2, 9, 3)", "()", "{}", "set()",
    "__import__('fractions').Fraction(1, 3)", "__import__('decimal').Decimal('0.10')",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_plain_values_cross_both_ways_unchanged(sandbox: Sandbox, value: str) -> None:
    test = f"v = {value}\nassert f(v) == v and type(f(v)) is type(v)\nassert g() == v"
    assert run(sandbox, f"def f(x): return x\ndef g(): return {value}\n", test, names=("f", "g")) == (Result(True, ""),)


def test_a_test_can_use_objects_iterators_and_changes_of_the_program(sandbox: Sandbox) -> None:
    source = """
import itertools
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
    def __eq__(self, other): return (self.a, self.b) == (other.a, other.b)
    def __len__(self): return 2
    def __getitem__(self, key): return (self.a, self.b)[key]
def total(pairs): return sum(p.a * p.b for p in pairs)
def reverse(items): items.reverse()
def count(): return itertools.count()
def fails(): raise ValueError("no")
LIMIT = 10
"""
    test = """
pair = Pair(1, 2)
assert pair == Pair(1, 2) and not pair == Pair(2, 1) and pair != (1, 2) and len(pair) == 2 and pair[1] == 2
pair.a = 5
assert pair.a == 5 and total([pair, Pair(1, 1)]) == 11 and LIMIT == 10
items = [1, 2, 3]
reverse(items)
assert items == [3, 2, 1]
assert [x for x, _ in zip(count(), range(4))] == [0, 1, 2, 3]
try:
    fails()
except ValueError as error:
    assert str(error) == "no"
else:
    assert False
assert math.isclose(total([Pair(1, 0.5)]), 0.5)
"""
    names = ("Pair", "total", "reverse", "count", "fails", "LIMIT")
    assert run(sandbox, source, test, names=names) == (Result(True, ""),)


def test_only_the_named_things_of_a_program_reach_the_test(sandbox: Sandbox) -> None:
    source = "def f(x): return 0.0\ndef abs(x): return 0\nclass math:\n    isclose = staticmethod(lambda *a: True)\n"
    assert not passes(sandbox, source, "assert abs(f(1) - 5) < 1e-6", "assert math.isclose(f(1), 5)")
    assert passes(sandbox, "def sum(a, b): return a + b\n", "assert sum(10, 15) == 25", names=("sum",))


@pytest.mark.filterwarnings("ignore:Without namespaces")
def test_programs_are_deterministic(sandbox: Sandbox) -> None:
    source = "import random\ndef f(x): return list(set('abcdefgh')), random.random(), hash('a')\n"
    with Sandbox(workers=1, isolation=sandbox._wanted) as other:
        results = {run(box, source, "assert f(0) == 0, f(0)")[0].error for box in (sandbox, other)}
        assert len(results) == 1


def test_numpy_is_there_when_asked_for() -> None:
    source = "import numpy as np\ndef f(x): return np.arange(x), np.float32(0.5), np.int64(x), np.eye(2).sum()\n"
    test = "a, b, c, d = f(3)\nassert list(a) == [0, 1, 2] and b == 0.5 and c == 3 and d == 2.0"
    with Sandbox(workers=1, packages=("numpy",), limits=Limits(memory_mb=1024)) as scientific:
        assert run(scientific, source, test) == (Result(True, ""),)
    with Sandbox(workers=1) as plain:
        assert "No module named 'numpy'" in run(plain, source, test)[0].error


@pytest.mark.slow
def test_threads_share_a_pool_and_close_leaves_no_process() -> None:
    before = set(processes_that_carry("sandbox_child.py"))  # another sandbox of these tests may be open
    with Sandbox(workers=2, limits=Limits(seconds=SECONDS)) as box:
        programs = [Program(f"def f(x): return x + {n}", (f"assert f(1) == {n + 1}",), ("f",)) for n in range(24)]
        assert all(r[0].passed for r in box.run_many(programs))
        new = set(processes_that_carry("sandbox_child.py")) - before
        own = {pid for pid in new if _is_below(int(pid), os.getpid())}
        assert own != set()
    deadline = time.monotonic() + 5  # the kernel ends a PID namespace when it gets round to it
    while (left := set(processes_that_carry("sandbox_child.py")) & own) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == set()


def _is_below(pid: int, ancestor: int) -> bool:
    """Whether a process descends from another; sandboxes of tests that run beside this one do not."""
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == ancestor


def test_a_killed_owner_leaves_no_process(sandbox: Sandbox) -> None:
    code = (
        "from credit_gym.envs.team.sandbox import *\n"
        f"box = Sandbox(isolation={sandbox.isolation!r}, limits=Limits(seconds=1.0))\n"
        "print(box.isolation, flush=True)\n"
        "box.run(Program('while True: pass', ('f()',), ('f',)))\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline().decode().strip() == sandbox.isolation
    own, deadline = set[str](), time.monotonic() + 15
    while not own and time.monotonic() < deadline:
        time.sleep(0.05)
        own = {pid for pid in processes_that_carry("sandbox_child.py") if _is_below(int(pid), owner.pid)}
    assert own != set()
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 15
    while (left := set(processes_that_carry("sandbox_child.py")) & own) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == set()


def test_results_are_remembered_by_content(sandbox: Sandbox) -> None:
    program = Program("def f(x): return x + 41", ("assert f(1) == 42",), ("f",))
    first = sandbox.run(program)
    begun = time.process_time()
    for _ in range(100):
        assert sandbox.run(program) == first
    assert time.process_time() - begun < 0.5


def test_a_forked_process_starts_its_own_workers(sandbox: Sandbox) -> None:
    assert passes(sandbox, RIGHT)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if passes(sandbox, RIGHT, "assert f(10) == 11") else 2
            sandbox.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert passes(sandbox, RIGHT, "assert f(11) == 12")


def test_bad_options_are_refused_in_a_sentence() -> None:
    with pytest.raises(CreditGymError, match="isolation"):
        Sandbox(isolation="chroot")  # type: ignore[arg-type]
    with pytest.raises(CreditGymError, match="at least 1"):
        Sandbox(workers=0)
    with pytest.raises(CreditGymError, match="pip install"):
        Sandbox(packages=("no_such_package_here",))
