"""The walls of the sandbox: what hostile programs cannot reach, and what they cannot use up."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from builders.sandboxed import RIGHT, passes, processes_that_carry, run

from credit_gym.envs.team.sandbox import Result, Sandbox

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def test_a_class_walk_reaches_a_shell_that_is_not_there(shut: Sandbox) -> None:
    source = """
def f(x):
    for kind in object.__subclasses__():
        if kind.__name__ == "_wrap_close":
            system = kind.__init__.__globals__["system"]
            system("touch /tmp/left-behind /var/tmp/left-behind; kill -9 -1")
    return x + 1
"""
    assert passes(shut, source)
    assert not Path("/tmp/left-behind").exists()
    assert not Path("/var/tmp/left-behind").exists()


def test_files_outside_are_neither_seen_nor_written(shut: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    os.chmod(tmp_path, 0o777)
    source = f"""
import os
def attempt(path, mode):
    try:
        with open(path, mode) as file:
            return file.read() if mode == "r" else bool(file.write("x"))
    except OSError as error:
        return type(error).__name__
def f(x):
    there = [attempt(p, "r") for p in ({str(secret)!r}, "/etc/passwd", "/proc/self/environ", "/proc/1/cmdline")]
    written = [attempt(p, "w") for p in ({str(secret)!r}, "/usr/lib/left", "/left", os.__file__)]
    return there, written, sorted(os.listdir("/")), sorted(os.environ)
"""
    test = """
there, written, root, variables = f(0)
assert set(there) == {"FileNotFoundError"}, there
assert set(written) <= {"FileNotFoundError", "OSError", "PermissionError"}, written
assert not {"home", "proc", "work", "etc", "dev", "sys", "var", "run"} & set(root), root
assert not {name for name in variables if "KEY" in name or "TOKEN" in name or name == "PATH"}, variables
"""
    assert run(shut, source, test) == (Result(True, ""),)
    assert secret.read_text() == "key"


def test_there_is_no_network(shut: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        source = f"""
import socket
def f(x):
    try:
        socket.create_connection(("127.0.0.1", {port}), timeout=0.3).sendall(b"hello")
    except OSError as error:
        return "refused"
    return "connected"
"""
        assert passes(shut, source, "assert f(0) == 'refused'")
        with pytest.raises(TimeoutError):
            server.accept()


def test_privileges_are_gone(shut: Sandbox) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    tries = [libc.unshare(0x10000000), libc.mount(b"x", b"/tmp", b"tmpfs", 0, None), libc.umount2(b"/tmp", 2)]
    tries += [libc.sethostname(b"x", 1), libc.chroot(b"/tmp")]
    try:
        os.setuid(0)
        tries.append(os.getuid() if libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0 else -1)
    except OSError:
        tries.append(-1)
    try:
        os.kill(-1, 9)
    except OSError:
        pass
    return tries
"""
    assert run(shut, source, "assert set(f(0)) == {-1}, f(0)") == (Result(True, ""),)


@pytest.mark.slow
def test_an_infinite_loop_ends_in_time(sandbox: Sandbox) -> None:
    (result,) = run(sandbox, "def f(x):\n    while True: pass\n", "assert f(1) == 2")
    assert not result.passed
    assert "longer than" in result.error


def test_a_fork_bomb_is_contained(sandbox: Sandbox) -> None:
    source = """
import os, ctypes
ctypes.CDLL(None).prctl(15, b"bomb-of-test")
def f(x):
    count = 0
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
                continue
            count += 1
        except OSError:
            if count > 100:
                break
            count += 1
    while True:
        pass
"""
    results = run(sandbox, source, "assert f(1) == 2")
    assert not results[0].passed
    assert processes_that_carry("bomb-of-test") == []
    assert passes(sandbox, RIGHT)


def test_children_that_leave_the_session_die_with_the_test(sandbox: Sandbox) -> None:
    source = """
import os, time, ctypes
def f(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"orphan-of-test")
            time.sleep(1000)
        os._exit(0)
    time.sleep(0.1)
    return x + 1
"""
    assert passes(sandbox, source, "assert f(1) == 2")
    assert processes_that_carry("orphan-of-test") == []


def test_a_gigabyte_is_refused(sandbox: Sandbox) -> None:
    source = "def f(x):\n    block = bytearray(1 << 30)\n    return x + 1\n"
    (result,) = run(sandbox, source, "assert f(1) == 2")
    assert not result.passed
    assert "MemoryError" in result.error
    caught = "def f(x):\n    try:\n        bytearray(1 << 30)\n    except MemoryError:\n        return x + 1\n"
    assert passes(sandbox, caught)


def test_a_hundred_megabytes_of_output_go_nowhere(sandbox: Sandbox) -> None:
    source = """
import sys
line = "x" * 999_999
def f(x):
    for _ in range(50):
        print(line)
        sys.stderr.write(line)
    return x + 1
"""
    assert passes(sandbox, source)


def test_a_large_file_is_refused(sandbox: Sandbox) -> None:
    source = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def f(x):
    try:
        with open("left-large", "wb") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
    except OSError:
        return "refused"
"""
    assert passes(sandbox, source, "assert f(0) == 'refused'")
