"""The sandbox's supervisor: a script of its own that shuts itself in, then forks two processes for every test.

It is started with a socket as its standard input and its options as its argument. One request is one message with one
socket in it, over which the parent hands the test to the process that runs it. The supervisor itself never sees a test
or a program, so the memory that a program inherits from it holds neither. It uses the standard library alone.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_LIBC = ctypes.CDLL(None, use_errno=True)
_DEVNULL = os.open(os.devnull, os.O_RDWR)  # opened here, for inside there is no /dev
_NOBODY = 65534
_FREE_USERS = 0x60000000  # user ids that no system hands out; the supervisor's process id is added
_NEIGHBOURS = 256  # processes that others of the same user may start during a test
_NOT_CONFINED = 70  # exit status of a process that could not be shut in

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
)  # fmt: skip
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_SYS_MOUNT_SETATTR = 442  # the same on every architecture
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 0x1, 0x2, 0x4
_CAPABILITY_VERSION = 0x20080522
_PLACES = ("/mnt", "/srv", "/media", "/var/tmp", "/tmp", "/opt", "/home")  # where the new root is built, out of sight
_PRELOADED = (  # what programs import most, loaded once for all of them
    "bisect", "cmath", "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "math", "operator", "random", "statistics", "string", "textwrap",
    "threading", "typing",
)  # fmt: skip


def main() -> None:
    """Shut this process in, say so, and serve requests until the parent hangs up."""
    options = json.loads(sys.argv[1])
    parent = socket.socket(fileno=os.dup(0))
    owner = os.pidfd_open(os.getppid())
    calls, fence = _import_beside("sandbox_call"), _import_beside("sandbox_fence")
    sys.path.extend(options["library_paths"])
    try:
        for name in (*_PRELOADED, *options["packages"]):
            importlib.import_module(name)
        readable = options["readable"]
        family = (
            _enter_namespaces(readable, fence) if options["isolation"] == "namespaces" else _Family(readable, fence)
        )
    except (OSError, ImportError) as error:
        parent.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        return
    parent.send(b'{"error": null}')
    with suppress(BrokenPipeError):  # nobody waits for the answer any more
        _supervise(parent, owner, calls, options, family)


def _import_beside(name: str) -> Any:
    """Import a module that lies beside this script as a part of its package, of which nothing else is loaded."""
    folder, package = Path(__file__).parent, "credit_gym.envs.team"
    parents = package.split(".")
    for depth in range(1, len(parents) + 1):
        stub = types.ModuleType(".".join(parents[:depth]))
        stub.__path__ = [str(folder)] if depth == len(parents) else []
        sys.modules[stub.__name__] = stub
    return importlib.import_module(f"{package}.{name}")


class _Namespaces:
    """Every process is the first of its own PID namespace: when it dies, the kernel kills all it has started."""

    user = _NOBODY

    def __init__(self, readable: list[str], fence: Any) -> None:
        self._fence = fence
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._scratch = "/scratch" if any(folder.startswith("/tmp/") for folder in readable) else "/tmp"
        _build_root(readable, self._scratch)

    def fork(self) -> int:
        _check(_LIBC.unshare(_NEWPID))
        pid = os.fork()
        if pid:
            _check(_LIBC.setns(self._own, _NEWPID))
        return pid

    def enter(self, limits: dict[str, int]) -> None:
        _check(_LIBC.unshare(_NEWNS | _NEWIPC))
        size = f"size={limits['file_mb']}m,nr_inodes=4096,mode=1777"
        _mount("tmpfs", self._scratch, "tmpfs", _MS_NOSUID | _MS_NODEV, size)
        os.chdir(self._scratch)

    def processes(self, most: int) -> int:
        """The limit on processes: they are counted for each user of a namespace, and this one has its own."""
        return most

    def fence(self) -> None:
        self._fence.forbid_calls(shared_system=False)

    def sweep(self) -> None:
        """The kernel has done it."""


class _Family:
    """Without namespaces: a process group that none of it can leave, a folder, and orphans that come to the supervisor.

    Where root starts it, its user is nobody else's either, so that its processes are counted alone.
    """

    def __init__(self, readable: list[str], fence: Any) -> None:
        _check(_LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        _check(_LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))  # no process of the same user may look into this one
        self._fence, self._readable, self._folder = fence, readable, ""
        self._is_root = os.geteuid() == 0
        self.user = next((user for user in (_FREE_USERS + os.getpid(), _NOBODY) if _can_become(user)), _NOBODY)
        if self._is_root and not _readable_by(self.user, os.__file__):
            raise OSError(f"user {self.user}, as whom programs run when root starts them, cannot read {os.__file__}")

    def fork(self) -> int:
        self._folder = self._folder or tempfile.mkdtemp(prefix="credit-gym-")
        return os.fork()

    def enter(self, limits: dict[str, int]) -> None:
        if self._is_root:
            os.chown(self._folder, self.user, self.user)
        os.chdir(self._folder)

    def processes(self, most: int) -> int:
        """The limit on processes; where others of the same user are counted with them, those come on top."""
        if self._is_root and self.user != _NOBODY:
            return most
        everybody = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        return most + everybody + _NEIGHBOURS

    def fence(self) -> None:
        self._fence.leave_only(self._readable, self._folder)
        self._fence.forbid_calls(shared_system=True)

    def sweep(self) -> None:
        """Wait for the end of all that was killed, and remove the folder."""
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        with suppress(OSError):
            _open_up(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = ""


def _supervise(
    parent: socket.socket, owner: int, calls: Any, options: dict[str, Any], family: _Namespaces | _Family
) -> None:
    limits = options["limits"]
    while parent.fileno() in _wait({parent.fileno(): select.POLLIN, owner: select.POLLIN}):
        message, handles, _, _ = socket.recv_fds(parent, 1, 1)
        if not message:
            return
        tester_parent = socket.socket(fileno=handles[0])
        tester_end, program_end = socket.socketpair()
        program = _spawn(family, limits, [program_end], calls.serve_program)
        tester = _spawn(family, limits, [tester_parent, tester_end], calls.run_test)
        for connection in (tester_parent, tester_end, program_end):
            connection.close()
        ended = os.pidfd_open(tester)
        awaited = {ended: select.POLLIN, owner: select.POLLIN, parent.fileno(): 0}  # 0: its end alone
        in_time = ended in _wait(awaited, options["seconds"])
        os.close(ended)
        for pid in (program, tester):
            with suppress(ProcessLookupError):  # it has not got as far as a group of its own
                os.killpg(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)  # a child that has ended is still there until it is waited for
            _, status = os.waitpid(pid, 0)
        family.sweep()
        broken = os.WIFEXITED(status) and os.WEXITSTATUS(status) == _NOT_CONFINED  # the tester's: no program can set it
        parent.send(json.dumps({"timeout": not in_time, "broken": broken}).encode())


def _spawn(
    family: _Namespaces | _Family, limits: dict[str, int], sockets: list[socket.socket], task: Callable[..., None]
) -> int:
    """Fork a confined process that does a task with nothing open but its sockets; return its id."""
    pid = family.fork()
    if pid:
        return pid
    status = _NOT_CONFINED
    try:
        _close_all_but(sockets)
        os.setsid()  # a signal to the group must not reach the supervisor
        family.enter(limits)
        _confine(limits | {"processes": family.processes(limits["processes"])}, family.user)
        family.fence()
        status = 0
        task(*sockets)
    finally:
        os._exit(status)


def _wait(events: dict[int, int], seconds: float | None = None) -> set[int]:
    """Wait for one of the descriptors; return those that are ready, none after so many seconds."""
    poll = select.poll()
    for handle, wanted in events.items():
        poll.register(handle, wanted)
    return {handle for handle, _ in poll.poll(None if seconds is None else seconds * 1000)}


def _confine(limits: dict[str, int], user: int) -> None:
    """Limit what this process and its children may use, and give up every privilege."""
    megabyte = 1 << 20
    for kind, value in (
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_mb"] * megabyte),
        (resource.RLIMIT_FSIZE, limits["file_mb"] * megabyte),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    if os.geteuid() == 0:  # the limit on processes does not bind root
        _become(user)
    _check(_LIBC.capset(ctypes.byref((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)), (ctypes.c_uint32 * 6)()))
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(_LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))  # last, since a change of user forgets it


def _close_all_but(sockets: list[socket.socket]) -> None:
    for standard in range(3):
        os.dup2(_DEVNULL, standard)
    keep = sorted(connection.fileno() for connection in sockets)
    for low, high in zip([2, *keep], [*keep, 1 << 16], strict=True):
        os.closerange(low + 1, high)


def _enter_namespaces(readable: list[str], fence: Any) -> _Namespaces:
    """Leave the machine's users, processes, network and files behind; only the given folders stay, read-only.

    Returns in a forked process, the first of a new PID namespace; the process that called waits for it and exits.
    """
    user, group = os.geteuid(), os.getegid()
    ids = f"{user} {user} 1", f"{group} {group} 1"
    if user == 0:
        ids = f"{ids[0]}\n{_NOBODY} {_NOBODY} 1", f"{ids[1]}\n{_NOBODY} {_NOBODY} 1"
    _unshare_with_ids(_NEWUSER | _NEWNS | _NEWNET | _NEWIPC | _NEWUTS | _NEWPID, *ids)
    first = os.fork()
    if first:
        _wait_and_exit(first)
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    with suppress(OSError):  # one door less; where it cannot be closed, what is behind it gives no privilege here
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    return _Namespaces(readable, fence)


def _unshare_with_ids(flags: int, users: str, groups: str) -> None:
    """Enter a new user namespace; a process that stays outside writes its id maps, as it may write longer ones."""
    entered_read, entered_write = os.pipe()
    me = os.getpid()
    outside = os.fork()
    if not outside:
        status = 1
        try:
            os.close(entered_write)
            if os.read(entered_read, 1):
                with suppress(OSError):
                    Path(f"/proc/{me}/setgroups").write_text("deny" if os.geteuid() else "allow")
                Path(f"/proc/{me}/gid_map").write_text(groups)
                Path(f"/proc/{me}/uid_map").write_text(users)
                status = 0
        finally:
            os._exit(status)
    os.close(entered_read)
    failure = 0 if _LIBC.unshare(flags) == 0 else ctypes.get_errno()
    if not failure:
        os.write(entered_write, b"!")
    os.close(entered_write)
    _, status = os.waitpid(outside, 0)
    if failure or status:
        raise OSError(failure, os.strerror(failure) if failure else "the user namespace takes no id map")


def _build_root(readable: list[str], empty: str) -> None:
    """Make a root that holds nothing but the given folders and an empty one, and nothing writable."""
    place = next(p for p in _PLACES if os.path.isdir(p) and not any(r.startswith(f"{p}/") for r in readable))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", place, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for folder in readable:
        os.makedirs(place + folder, exist_ok=True)
        _mount(folder, place + folder, None, _MS_BIND | _MS_REC)
    os.makedirs(place + empty)
    attributes = (ctypes.c_uint64 * 4)(_ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    path = place.encode()
    _check(_LIBC.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, ctypes.byref(attributes), 32))
    os.chdir(place)
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"no pivot_root is known for {os.uname().machine}")
    _check(_LIBC.syscall(number, b".", b"."))
    _check(_LIBC.umount2(b".", _MNT_DETACH))
    os.chdir("/")


def _wait_and_exit(pid: int) -> NoReturn:
    os.closerange(0, 1 << 10)  # the parent must see the end of the connection when the first process ends
    _, status = os.waitpid(pid, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _can_become(user: int) -> bool:
    return _succeeds(lambda: _become(user))


def _readable_by(user: int, path: str) -> bool:
    def look() -> None:
        _become(user)
        os.close(os.open(path, os.O_RDONLY))

    return _succeeds(look)


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _succeeds(attempt: Callable[[], None]) -> bool:
    """Whether something raises nothing, in a process of its own."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            attempt()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def _open_up(folder: str) -> None:
    """Let this user into a folder and all in it again, so that they can be removed; links are not followed."""
    os.chmod(folder, 0o700)
    for path, inner, _ in os.walk(folder):
        for name in inner:
            if not os.path.islink(os.path.join(path, name)):
                os.chmod(os.path.join(path, name), 0o700)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _check(_LIBC.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]))


def _check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
