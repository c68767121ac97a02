# ruff: noqa: E501 - one program a line
"""Programs that reach for the system: its keys, files, processes, time and memory."""

from __future__ import annotations

from builders.red_team.attack import Attack, forgers, intruders

_DEAD = "def f(x): return -1\n"

EXITS = forgers("exits", {
    "sys.exit(0)": "def f(x): sys.exit(0)\n",
    "sys.exit while it loads": f"{_DEAD}sys.exit(0)\n",
    "os._exit": "def f(x): os._exit(0)\n",
    "os._exit while it loads": f"{_DEAD}os._exit(0)\n",
    "os._exit(70), the supervisor's own": "def f(x): os._exit(70)\n",
    "atexit": f"import atexit\natexit.register(os._exit, 0)\n{_DEAD}",
    "os.abort": "def f(x): os.abort()\n",
    "another program instead": "def f(x): os.execv('/usr/bin/true', ['true'])\n",
    "a fork that answers, a parent that leaves": "def f(x):\n    if os.fork(): os._exit(0)\n    return -1\n",
    "GeneratorExit": "def f(x): raise GeneratorExit\n",
    "KeyboardInterrupt": "def f(x): raise KeyboardInterrupt\n",
    "an exception that is its own text": "class E(Exception):\n    __str__ = lambda s: os._exit(0)\ndef f(x): raise E\n",
})  # fmt: skip

SIGNALS = intruders("signals", {
    "SIGTERM to its group": "signal.signal(15, signal.SIG_IGN); os.kill(0, 15)",
    "SIGINT to its group": "signal.signal(2, signal.SIG_IGN); os.kill(0, 2)",
    "SIGTERM to its parent": "parent = os.getppid()\nif parent: os.kill(parent, 15)\nreturn parent != 0",
    "SIGKILL to its parent": "parent = os.getppid()\nif parent: os.kill(parent, 9)\nreturn parent != 0",
    "SIGSTOP to its parent": "parent = os.getppid()\nif parent: os.kill(parent, 19)\nreturn parent != 0",
    "a queued signal": "info = ctypes.create_string_buffer(128)\nreturn call((129, 138), os.getppid() or 99999, 15, info) == 0",
    "tkill": "return call((200, 130), os.getppid() or 99999, 15) == 0",
    "tgkill": "return call((234, 131), os.getppid() or 99999, os.getppid() or 99999, 15) == 0",
    "a signal by handle": "return call((424, 424), os.pidfd_open(os.getppid() or 99999), 15, None, 0) == 0",
    "a signal for input": (
        "import fcntl\ns, t = socket.socketpair()\nfcntl.fcntl(s, 10, 15)\nfcntl.fcntl(s, 8, os.getppid() or 99999)\n"
        "fcntl.fcntl(s, fcntl.F_SETFL, os.O_ASYNC)\nt.send(b'x')\nreturn True"
    ),
    "a limit for its parent": "import resource\nreturn bool(os.getppid()) and resource.prlimit(os.getppid(), 0, (1, 1)) != 1",
    "every signal ignored": "for n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass",
}) + forgers("signals", {
    "SIGKILL to itself": "def f(x): os.kill(os.getpid(), 9) or os.abort()\n",
    "an alarm": "signal.setitimer(signal.ITIMER_REAL, 0.01)\ndef f(x):\n    time.sleep(0.2)\n    return -1\n",
})  # fmt: skip

THREADS = forgers("threads", {
    "one that answers for it": (
        "def speak():\n    for s in sockets():\n        for _ in range(20):\n            s.sendall(say(b'{\"error\":null}'))\n"
        "def f(x):\n    t = threading.Thread(target=speak)\n    t.start()\n    t.join()\n    return -1\n"
    ),
    "one that will not end": "threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\ndef f(x): return -1\n",
    "one that leaves": "threading.Timer(0.01, os._exit, (0,)).start()\ndef f(x):\n    time.sleep(0.2)\n    return -1\n",
    "one that raises in the first": (
        "def f(x):\n    ctypes.pythonapi.PyThreadState_SetAsyncExc(\n"
        "        ctypes.c_ulong(threading.main_thread().ident), ctypes.py_object(SystemExit))\n    time.sleep(0.01)\n    return -1\n"
    ),
}) + intruders("threads", {
    "as many as can be": (
        "done = threading.Event()\ntry:\n    for _ in range(100): threading.Thread(target=done.wait, daemon=True).start()\n"
        "except RuntimeError: pass\ndone.set()"
    ),
    "one that outlives the test": "threading.Thread(target=time.sleep, args=(1000,)).start()",
})  # fmt: skip

KEYRINGS = intruders("keyrings", {
    "the keyring of the session": "return call((250, 219), 0, -3, 0) > 0",
    "what the session keyring holds": "return call((250, 219), 11, -3, ctypes.create_string_buffer(999), 999) >= 0",
    "its user's keyring": "return call((250, 219), 11, -4, ctypes.create_string_buffer(999), 999) >= 0",
    "a key for the next test": "return call((248, 217), b'user', b'MARK', b'secret', 6, -4) > 0",
    "a key found again": "return call((249, 218), b'user', b'MARK', None, 0) > 0",
    "a session keyring by name": "return call((250, 219), 1, b'MARK') > 0",
    "the list of keys": "return 'MARK' in open('/proc/keys').read()",
    "a key in its process": "return call((248, 217), b'user', b'MARK', b'secret', 6, -2) > 0",
})  # fmt: skip

OTHERS = intruders("others' time", {
    "a nice value for its user": "os.setpriority(os.PRIO_USER, 0, 19)\nreturn os.getpriority(os.PRIO_PROCESS, os.getppid() or 99999) == 19",
    "the least of the processor for its parent": (
        "os.sched_setscheduler(os.getppid() or 99999, os.SCHED_IDLE, os.sched_param(0))\nreturn True"
    ),
    "the first claim on the processor": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nreturn True",
    "another scheduling of its parent": (
        "wish = struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0)\nreturn call((314, 274), os.getppid() or 99999, wish, 0) == 0"
    ),
    "one processor for its parent": "os.sched_setaffinity(os.getppid() or 99999, {0})\nreturn True",
    "the last place at the disk for its parent": "return call((251, 30), 1, os.getppid() or 99999, 3 << 13) == 0",
    "its parent's pages": "return call((279, 239), os.getppid() or 99999, 0, 0, 0, 0, 0) == 0",
})  # fmt: skip

NETWORK = intruders("network", {
    "the machine's host": "return socket.socket(40, socket.SOCK_STREAM)",
    "the kernel's own socket": "return socket.socket(16, socket.SOCK_RAW, 0)",
    "raw packets": "return socket.socket(17, socket.SOCK_RAW, 0)",
    "the kernel's ciphers": "return socket.socket(38, socket.SOCK_SEQPACKET, 0)",
    "a datagram": "return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "a server of its own": "return socket.create_server(('127.0.0.1', 0))",
    "a neighbour's socket": "s = socket.socket(socket.AF_UNIX)\nreturn s.connect_ex('\\0neighbour') == 111",
})  # fmt: skip

DESCRIPTORS = intruders("file descriptors", {
    "those it was born with": "return len([n for n in range(3, 1024) if not closed(n)]) > 1",
    "what waits on the standard input": "return len(os.read(0, 10))",
    "as many as can be": "held = []\ntry:\n    for _ in range(10000): held.append(os.dup(0))\nexcept OSError: pass\nreturn len(held) > 999",
    "a descriptor handed over": "return bool(sockets()[0].recvmsg(1, 99, socket.MSG_DONTWAIT)[1])",
    "a terminal": "return os.open('/dev/tty', os.O_RDWR) > 0",
    "a disk": "return os.open('/dev/vda', os.O_RDONLY) > 0",
    "memory of the machine": "return os.open('/dev/mem', os.O_RDONLY) > 0",
})  # fmt: skip
PROC = intruders("/proc", {
    "its parent's command line": "return len(open(f'/proc/{os.getppid() or 1}/cmdline').read())",
    "its parent's environment": "return len(open(f'/proc/{os.getppid() or 1}/environ').read()) + 1",
    "its parent's memory": "return bool(open(f'/proc/{os.getppid() or 1}/mem', 'r+b'))",
    "its parent's root": "return len(os.listdir(f'/proc/{os.getppid() or 1}/root'))",
    "its parent's descriptors": "return len(os.listdir(f'/proc/{os.getppid() or 1}/fd'))",
    "its own memory, written": "return bool(open('/proc/self/mem', 'r+b'))",
    "the out-of-memory killer": "return bool(open(f'/proc/{os.getppid() or 1}/oom_score_adj', 'w').write('1000'))",
    "limits of the system": "return bool(open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/sh'))",
    "passwords": "return len(open('/etc/passwd').read())",
    "the network": "return socket.create_connection(('127.0.0.1', 22), 0.2)",
    "an abstract socket": "s = socket.socket(socket.AF_UNIX)\ns.bind('\\0MARK')\ntime.sleep(0.05)\nreturn os.path.exists('/proc/net/unix')",
    "the cgroup": "return bool(open('/sys/fs/cgroup/cgroup.procs', 'w').write('0'))",
})  # fmt: skip

RACES = intruders("races", {
    "a child that lives on": (
        "if os.fork() == 0:\n    named('MARK'); os.setsid()\n    if os.fork(): os._exit(0)\n    time.sleep(1000)\ntime.sleep(0.05)"
    ),
    "a child in another group": "if os.fork() == 0:\n    named('MARK'); os.setpgid(0, 0); time.sleep(1000)\ntime.sleep(0.02)",
    "a child that is always new": (
        "if os.fork() == 0:\n    named('MARK')\n    while True:\n        try:\n            if os.fork(): os._exit(0)\n"
        "        except OSError: pass\ntime.sleep(0.02)"
    ),
    "a stopped child": "if os.fork() == 0:\n    named('MARK'); os.kill(os.getpid(), 19); time.sleep(1000)\ntime.sleep(0.02)",
    "a file changed while it is removed": (
        "if os.fork() == 0:\n    named('MARK')\n    while True:\n        for n in range(50):\n            try: open(f'MARK{n}', 'w').close()\n"
        "            except OSError: pass\ntime.sleep(0.02)"
    ),
    "a program of its own in the background": "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99) # MARK'], start_new_session=True)",
})  # fmt: skip

LEFTOVERS = intruders("leftovers", {
    "a file beside it": "there = os.path.exists('MARK')\nopen('MARK', 'w').write('x')\nreturn there",
    "a file in /tmp": "there = os.path.exists('/tmp/MARK')\nopen('/tmp/MARK', 'w').write('x')\nreturn there",
    "a file in /var/tmp": "open('/var/tmp/MARK', 'w').write('x')\nreturn True",
    "a folder nobody may enter": "os.makedirs('MARK/a/b')\nos.chmod('MARK/a', 0)\nos.chmod('MARK', 0)",
    "shared memory": "open('/dev/shm/MARK', 'w').write('x')\nreturn True",
    "a semaphore with a name": "import multiprocessing\nmultiprocessing.Semaphore()",
    "System V shared memory": "there = libc.shmget(7777, 4096, 0o666)\nlibc.shmget(7777, 4096, 0o1666)\nreturn there >= 0",
    "System V semaphores": "there = libc.semget(7777, 1, 0o666)\nlibc.semget(7777, 1, 0o1666)\nreturn there >= 0",
    "a System V queue": "there = libc.msgget(7777, 0o666)\nlibc.msgget(7777, 0o1666)\nreturn there >= 0",
    "a POSIX queue": "there = call((240, 180), b'MARK', 0, 0, None)\ncall((240, 180), b'MARK', 0o100 | 2, 0o666, None)\nreturn there >= 0",
    "a changed library": "return bool(open(os.__file__, 'a').write('x'))",
    "bytecode": "import py_compile\nreturn py_compile.compile(os.__file__, doraise=True)",
    "a module changed for the next": "import math\nthere = hasattr(math, 'MARK')\nmath.MARK = 1\nreturn there",
})  # fmt: skip

_BOMB = """
def f(x):
    named('MARK')
    signal.signal(15, signal.SIG_IGN)
    while True:
        try:
            {step}
        except (OSError, MemoryError):
            pass
"""
BOMBS = forgers("fork bombs", {
    "plain": _BOMB.format(step="os.fork()"),
    "in sessions of their own": _BOMB.format(step="os.fork() or os.setsid()"),
    "parents that leave": _BOMB.format(step="os.fork() and os._exit(0)"),
    "with vfork": _BOMB.format(step="os.posix_spawn('/usr/bin/true', ['MARK'], {})"),
    "with threads": _BOMB.format(step="threading.Thread(target=time.sleep, args=(9,)).start() if 0 else os.fork()"),
    "while it loads": _BOMB.format(step="os.fork()") + "f(0)\n",
})  # fmt: skip

HUNGER = forgers("memory", {
    "a gigabyte": "def f(x): return len(bytearray(1 << 30))\n",
    "a list without an end": "def f(x):\n    a = []\n    while True: a.append(' ' * 1000000)\n",
    "a power": "def f(x): return 9 ** 9 ** 9\n",
    "recursion": "sys.setrecursionlimit(10 ** 9)\ndef f(x): return f(x + 1)\n",
    "a gigabyte of address": "import mmap\ndef f(x): return len(mmap.mmap(-1, 1 << 30))\n",
    "a format": "def f(x): return '%999999999d' % x\n",
    "a gigabyte in files": "def f(x):\n    for n in range(1000): open(f'MARK{n}', 'wb').write(bytes(10 << 20))\n    return -1\n",
})  # fmt: skip

FLOODS = forgers("output floods", {
    "an answer of 100 MB": "def f(x): return 'a' * 100_000_000\n",
    "an answer 100,000 deep": "def f(x):\n    y = []\n    for _ in range(100_000): y = [y]\n    return y\n",
    "an error of 50 MB": "def f(x): raise ValueError('a' * 50_000_000)\n",
    "an endless answer": "def f(x):\n    while True: yield 4\n",
    "a socket that is never read": "def f(x):\n    for s in sockets():\n        while True: s.sendall(bytes(1 << 20))\n",
    "an integer of a million digits": "def f(x): return 10 ** 1_000_000\n",
}) + intruders("output floods", {
    "50 MB on each output": "for _ in range(50):\n    sys.stdout.write('x' * 1000000)\n    sys.stderr.write('x' * 1000000)",
    "outputs closed": "os.close(1); os.close(2); sys.stdout = sys.stderr = None",
})  # fmt: skip

TIME = forgers("time", {
    "a loop": "def f(x):\n    while True: pass\n",
    "a loop while it loads": f"{_DEAD}while True: pass\n",
    "sleep": "def f(x): time.sleep(1000)\n",
    "a regular expression": "import re\ndef f(x): return re.match('(a+)+b', 'a' * 40)\n",
    "a lock held twice": "lock = threading.Lock()\ndef f(x):\n    lock.acquire(); lock.acquire()\n",
    "a stop": "def f(x): os.kill(os.getpid(), 19) or time.sleep(1000)\n",
    "a clock set back": "def f(x):\n    time.clock_settime(0, 0)\n    return -1\n",
    "an alarm ignored": "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\ndef f(x):\n    while True: pass\n",
}, ("assert f(2) == 4",))  # fmt: skip

FORCE: list[Attack] = [
    *EXITS, *SIGNALS, *OTHERS, *NETWORK, *THREADS, *KEYRINGS, *DESCRIPTORS, *PROC, *RACES, *LEFTOVERS, *BOMBS, *HUNGER, *FLOODS, *TIME,
]  # fmt: skip
