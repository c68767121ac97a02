"""What a process of the sandbox may not ask of the kernel: a filter of system calls, and Landlock.

The filter refuses what reaches past the process: keyrings, other processes' memory, kernel programs, io_uring, sockets
(one to the machine's host knows no namespace). Without namespaces it also refuses shared memory that outlives its
maker, new user namespaces, signals to others and a say in when they run, and answers calls that leave the process group
with a success that did nothing: one signal to the group ends all of it. Landlock (where the kernel has it) then leaves
the given folders to read, the own one to write, and nothing else.

This module is imported by the sandbox's supervisor before it shuts itself in: it uses the standard library alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import NamedTuple

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # flags of clone

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # its audit number, its column below
_CALLS = {  # system call: its number on x86_64, on aarch64
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "socket": (41, 198), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "unshare": (272, 97), "setns": (308, 268), "clone3": (435, 435), "clone": (56, 220), "setsid": (112, 157),
    "setpgid": (109, 154), "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "prlimit64": (302, 261),
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "ioprio_set": (251, 30), "tgkill": (234, 131),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "fcntl": (72, 25), "ioctl": (16, 29),
}  # fmt: skip
_EVERYWHERE = (
    "add_key", "request_key", "keyctl", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "bpf",
    "perf_event_open", "userfaultfd", "io_uring_setup", "socket",
)  # fmt: skip
_SHARED_SYSTEM = (
    "shmget", "semget", "msgget", "mq_open", "unshare", "setns", "tkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "pidfd_send_signal", "setpriority", "sched_setscheduler", "sched_setparam", "sched_setattr",
    "ioprio_set", "migrate_pages", "move_pages",
)  # fmt: skip
_SENDS_SIGNALS = {"fcntl": (1, (8, 10, 15)), "ioctl": (1, (0x8901, 0x8902))}  # F_SETOWN and its like, by argument

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_LANDLOCK_VERSION, _PATH_BENEATH = 1, 1
_READ = 0x1 | 0x4 | 0x8  # execute, read a file, read a folder
_BASE_RIGHTS, _LATER_RIGHTS = 0x1FFF, ((2, 0x2000), (3, 0x4000), (5, 0x8000))
_NETWORK, _SIGNALS_AND_SOCKETS = 0x3, 0x3


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint32))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Step(NamedTuple):
    code: int
    value: int
    yes: int = 0
    no: int = 0


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has, 0 for none."""
    return max(0, int(_LIBC.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)))


def forbid_calls(*, shared_system: bool) -> None:
    """Filter the system calls of this process and of all it starts; it must not be able to gain privileges.

    Args:
        shared_system: whether there are no namespaces, so that more must be refused.

    Raises:
        OSError: the kernel has no filters, or the machine's calls are not known here.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter of system calls is known for {machine}")
    architecture, column = _ARCHITECTURES[machine]
    steps = [
        *(_Step(_LOAD, _ARCH_AT), _Step(_EQUAL, architecture, yes=1), _refuse(errno.EPERM)),
        *(_Step(_LOAD, _NUMBER_AT), _Step(_AT_LEAST, _X32, no=1), _refuse(errno.EPERM)),
    ]

    def add(call: str, *then: _Step) -> None:
        steps.extend((_Step(_EQUAL, _CALLS[call][column], no=len(then)), *then))

    for call in _EVERYWHERE:
        add(call, _refuse(errno.EPERM))
    if shared_system:
        for call in _SHARED_SYSTEM:
            add(call, _refuse(errno.EPERM))
        for call in ("setsid", "setpgid"):
            add(call, _refuse(0))
        add("clone3", _refuse(errno.ENOSYS))  # its flags cannot be seen; who asks falls back to clone
        add("clone", _argument(0), _Step(_ANY_BIT, _NEW_NAMESPACES, no=1), _refuse(errno.EPERM), _ALLOWED)
        mine = (0, os.getpid())
        for call in ("prlimit64", "sched_setaffinity", *(() if landlock_version() >= 6 else ("kill", "tgkill"))):
            add(call, *_if_argument(0, mine, _ALLOWED, _refuse(errno.EPERM)))
        for call, (place, values) in _SENDS_SIGNALS.items():
            add(call, *_if_argument(place, values, _refuse(errno.EPERM), _ALLOWED))
    steps.append(_ALLOWED)
    program = (_Instruction * len(steps))(*(_Instruction(step.code, step.yes, step.no, step.value) for step in steps))
    _check(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Filter(len(steps), program)), 0, 0))


def leave_only(readable: list[str], writable: str) -> None:
    """Give up all files but those of the given folders, and signals and sockets to others, as far as the kernel can.

    Raises:
        OSError: the kernel has Landlock and refuses.
    """
    version = landlock_version()
    if not version:
        return
    rights = _BASE_RIGHTS
    for since, bits in _LATER_RIGHTS:
        rights |= bits if version >= since else 0
    handled = (ctypes.c_uint64 * 3)(rights, _NETWORK, _SIGNALS_AND_SOCKETS)
    size = 8 * (1 + (version >= 4) + (version >= 6))
    rules = _check(_LIBC.syscall(_LANDLOCK_CREATE, ctypes.byref(handled), ctypes.c_size_t(size), 0))
    for folder, allowed in ((writable, rights), *((path, _READ) for path in readable)):
        try:
            handle = os.open(folder, os.O_PATH)
        except PermissionError:  # nothing in it can be read either
            continue
        rule = _PathRule(allowed, handle)
        _check(_LIBC.syscall(_LANDLOCK_ADD, rules, _PATH_BENEATH, ctypes.byref(rule), 0))
        os.close(handle)
    _check(_LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0))
    os.close(rules)


_ALLOWED = _Step(_RETURN, _ALLOW)


def _refuse(number: int) -> _Step:
    """Answer with an error; with 0, answer that it is done."""
    return _Step(_RETURN, _ERRNO | number)


def _argument(place: int) -> _Step:
    return _Step(_LOAD, _ARGUMENTS_AT + 8 * place)  # the low half: both machines are little-endian


def _if_argument(place: int, values: tuple[int, ...], then: _Step, otherwise: _Step) -> list[_Step]:
    tests = [_Step(_EQUAL, value, yes=len(values) - number) for number, value in enumerate(values)]
    return [_argument(place), *tests, otherwise, then]


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
