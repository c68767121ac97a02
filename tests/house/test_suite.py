"""What the suite promises of itself: it cannot hang, and it passes wherever it is started from."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
INTERRUPTED = "agents/rollout/test_runner_async.py::test_control_c_leaves_at_once_although_a_server_never_answers"
_HANGS = """
import threading

def test_that_waits_for_ever():
    threading.Event().wait()
"""


@pytest.mark.slow
def test_a_test_that_waits_for_ever_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_hanging.py"
    file.write_text(_HANGS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1", str(file)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "Timeout" in ended.stdout


def test_every_test_has_a_time_limit(request: pytest.FixtureRequest) -> None:
    usual = float(request.config.getini("timeout"))
    assert 0 < usual <= 600
    slow = [item for item in request.session.items if item.get_closest_marker("slow")]
    assert all(usual < item.get_closest_marker("timeout").args[0] <= 3600 for item in slow)


def test_whoever_sends_an_interrupt_lets_it_interrupt() -> None:
    senders = [file for file in TESTS.rglob("test_*.py") if "SIG" + "INT" in file.read_text()]
    assert senders
    lets = ("control_c", "signal.SIG" + "INT, signal.SIG_DFL")  # in this process, and in one that is started
    assert [file.name for file in senders if not any(way in file.read_text() for way in lets)] == []


@pytest.mark.slow
def test_an_interrupt_is_tested_where_the_shell_ignores_it_too() -> None:
    command = ["sh", "-c", f"trap '' INT; exec {sys.executable} -m pytest -q -p no:cacheprovider {INTERRUPTED}"]
    subprocess.run(command, cwd=TESTS, capture_output=True, timeout=120, check=True)
