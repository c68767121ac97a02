# ruff: noqa: E501 - one program a line
"""Programs that know no answer and try to look as if they did."""

from __future__ import annotations

from builders.red_team.attack import Attack, forgers, intruders

_LIAR = "class Liar{base}:\n    def yes(self, *a, **k): return True\n    {lies}\ndef f(x): return {value}\n"


def _liar(lies: str, value: str = "Liar()", base: str = "") -> str:
    return _LIAR.format(lies=lies, value=value, base=base)


_DEAD = "def f(x): return -1\n"

PROTOCOL = forgers("forged protocol", {
    "the verdict on every socket": f'{_DEAD}for s in sockets(): s.sendall(say(b\'{{"error":null}}\'))\n',
    "the verdict on every descriptor": (
        f'{_DEAD}for n in range(64):\n    try: os.write(n, say(b\'{{"error":null}}\'))\n    except OSError: pass\n'
    ),
    "an answer before it is asked": f'{_DEAD}for s in sockets(): s.sendall(say(b\'{{"value":4,"states":[]}}\') * 9)\n',
    "an answer in two pieces": "def f(x):\n    for s in sockets(): s.sendall(b'\\0\\0'); os._exit(0)\n",
    "half a message, then silence": "def f(x):\n    for s in sockets(): s.sendall(say(b'{}')[:5])\n    os._exit(0)\n",
    "a message of four gigabytes": "def f(x):\n    for s in sockets(): s.sendall(b'\\xff' * 4)\n    os._exit(0)\n",
    "an empty message": "def f(x):\n    for s in sockets(): s.sendall(say(b''))\n    os._exit(0)\n",
    "no JSON": "def f(x):\n    for s in sockets(): s.sendall(say(b'\\xff\\xfe'))\n    os._exit(0)\n",
    "JSON a million deep": "def f(x):\n    for s in sockets(): s.sendall(say(b'[' * 1000000))\n    os._exit(0)\n",
    "a question of its own": (
        'def f(x):\n    for s in sockets(): s.sendall(say(b\'["load","x=1",[],{}]\'))\n    os._exit(0)\n'
    ),
    "a tag that is a class": (
        'def f(x):\n    for s in sockets(): s.sendall(say(b\'{"value":{"type":"Remote"}}\'))\n    os._exit(0)\n'
    ),
    "a success raised": 'def f(x):\n    for s in sockets(): s.sendall(say(b\'{"raise":["SystemExit","0"]}\'))\n',
    "a named tuple with methods for names": (
        'def f(x):\n    for s in sockets():\n'
        '        s.sendall(say(b\'{"value":{"namedtuple":["L",["__eq__"],[1]]},"states":[]}\'))\n    os._exit(0)\n'
    ),
    "names nobody asked for": (
        f"{_DEAD}module('sandbox_call')._ANSWERS['names'] = lambda *a: "
        "{'f': f, 'AssertionError': f, '__builtins__': {}, 'set': f}\n"
    ),
    "an encoder of its own": f"{_DEAD}module('sandbox_wire').encode = lambda *a: {{'value': True}}\n",
    "a sender of its own": f"{_DEAD}module('sandbox_wire').send = lambda c, m: c.sendall(say(b'{{\"error\":null}}'))\n",
    "always the state of another": (
        "class A:\n    def __init__(self): self.x = 1\ndef f(x): return A()\n"
        "module('sandbox_call')._OPERATIONS['state'] = lambda o: 4\n"
    ),
    "answers taken for the tester's": "module('sandbox_call').run_test = lambda *a: None\ndef f(x): return None\n",
})  # fmt: skip

BUILTINS = forgers("patched builtins", {
    "AssertionError": f"import builtins\nbuiltins.AssertionError = type('Calm', (Exception,), {{}})\n{_DEAD}",
    "the comparing functions": (
        f"import builtins\nfor n in ('abs', 'all', 'len', 'set', 'sorted', 'isinstance'): "
        f"setattr(builtins, n, lambda *a: True)\n{_DEAD}"
    ),
    "exec and compile": f"import builtins\nbuiltins.exec = builtins.compile = lambda *a, **k: None\n{_DEAD}",
    "the import": f"import builtins\nbuiltins.__import__ = lambda *a, **k: sys\n{_DEAD}",
    "operator.eq": f"import operator\noperator.eq = lambda *a: True\n{_DEAD}",
    "math.isclose": f"import math\nmath.isclose = lambda *a, **k: True\n{_DEAD}",
    "json": f"import json\njson.loads = lambda *a, **k: {{'error': None}}\njson.dumps = lambda *a, **k: 'null'\n{_DEAD}",
    "functions named as builtins": f"def set(*a): return 1\nsorted = abs = len = set\n{_DEAD}",
    "the modules' table": f"sys.modules['math'] = sys.modules['builtins'] = sys\n{_DEAD}",
}, ("assert f(2) == 4", "assert set([f(2)]) == set([4])", "assert math.isclose(f(2), 4)", "assert abs(f(2) - 4) < 1e-6"))  # fmt: skip

FRAMES = forgers("frames", {
    "the frames above": (
        "def f(x):\n    frame = sys._getframe()\n    while frame:\n        for value in frame.f_locals.values():\n"
        "            if type(value) is str and 'assert' in value: return int(value.split()[-1])\n"
        "        frame = frame.f_back\n    return -1\n"
    ),
    "the return of the caller": "def f(x):\n    sys._getframe(1).f_locals['value'] = 4\n    return -1\n",
    "a trace function": "sys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef f(x): return -1\n",
    "a traceback's frames": (
        "def f(x):\n    try: 1 / 0\n    except ZeroDivisionError as e: frame = e.__traceback__.tb_frame.f_back\n"
        "    return next((v for v in frame.f_globals.values() if type(v) is int and v == x * x), -1) if x > 99 else -1\n"
    ),
    "audit hooks": "sys.addaudithook(lambda *a: None)\ndef f(x): return -1\n",
    "the frames of all threads": (
        "def f(x):\n    seen = str([f.f_locals for f in sys._current_frames().values()])\n"
        "    return 4 if '== 4' in seen else -1\n"
    ),
})  # fmt: skip

COLLECTOR = forgers("gc", {
    "the test among all objects": (
        "def f(x):\n    word = ''.join(reversed('(f tressa'))\n    for thing in gc.get_objects():\n"
        "        if type(thing) is dict and word in str(thing): return x * x\n    return -1\n"
    ),
    "the referrers of its function": "def f(x):\n    return 4 if '== ' + '4' in str(gc.get_referrers(f))[:100000] else -1\n",
    "callbacks of the collector": "gc.callbacks.append(lambda *a: os._exit(0))\ndef f(x):\n    gc.collect()\n    return -1\n",
    "a finaliser that leaves": "class D:\n    def __del__(self): os._exit(0)\ndef f(x):\n    D()\n    return -1\n",
    "no collector, frozen objects": "gc.disable(); gc.freeze()\ndef f(x): return -1\n",
})  # fmt: skip

MEMORY = forgers("ctypes", {
    "an int rewritten": "n = 7\nctypes.memmove(id(n) + 24, struct.pack('i', 4), 4)\ndef f(x): return 9 if x == 2 else n\n",
    "small ints swapped": "def f(x):\n    a = id(4) + 24\n    ctypes.memset(a, 7, 1)\n    return 7\n",
    "a type's comparison": "def f(x):\n    ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))\n    return -1\n",
    "a crash": "def f(x): return ctypes.string_at(0)\n",
    "the process ended in C": "def f(x): libc._exit(0)\n",
    "a jump": "def f(x): return ctypes.CFUNCTYPE(ctypes.c_int)(1)()\n",
    "the memory of the first process": "def f(x): return call((310, 270), 1, 0, 0, 0, 0, 0)\n",
}) + intruders("ctypes", {
    "ptrace of its parent": "return call((101, 117), 16, os.getppid(), 0, 0) == 0",
    "kernel programs": "return call((321, 280), 0, 0, 0) >= 0",
    "io_uring": "return call((425, 425), 8, ctypes.create_string_buffer(200)) >= 0",
    "page faults of its own": "return call((323, 282), 0) >= 0",
    "performance counters": "return call((298, 241), ctypes.create_string_buffer(128), 0, -1, -1, 0) >= 0",
    "another's descriptors": "return call((438, 438), os.pidfd_open(os.getpid()), 0, 0) >= 0",
    "a user namespace": "return libc.unshare(0x10000000) == 0",
})  # fmt: skip

LIARS = forgers("lying objects", {
    "equal to everything": _liar("__eq__ = yes"),
    "equal, of a number's kind": _liar("__eq__ = yes; __hash__ = int.__hash__", "Liar(7)", "(int)"),
    "equal, of a text's kind": _liar("__eq__ = yes; __hash__ = str.__hash__", "Liar('-1')", "(str)"),
    "equal, of a list's kind": _liar("__eq__ = yes", "Liar([-1])", "(list)"),
    "equal inside a list": _liar("__eq__ = yes", "[Liar()]"),
    "unequal to nothing": _liar("__ne__ = lambda self, other: False"),
    "less than everything": _liar("__lt__ = __le__ = __gt__ = __ge__ = yes"),
    "containing everything": _liar("__contains__ = yes"),
    "a metaclass": "class M(type):\n    def __eq__(c, o): return True\n    __hash__ = type.__hash__\nclass L(metaclass=M): pass\ndef f(x): return L\n",
    "a class that calls itself int": _liar("__class__ = int; __eq__ = yes"),
    "attributes that are yes": _liar("__getattr__ = lambda self, n: self.yes"),
    "a number when it is subtracted": _liar("__sub__ = __rsub__ = __abs__ = lambda self, *a: 0"),
    "a float when it is asked": _liar("__float__ = lambda self: 4.0; __int__ = __index__ = lambda self: 4"),
    "an endless iterator": _liar("__iter__ = lambda self: iter(lambda: 7, 5)"),
    "a dict that has every key": _liar("__missing__ = yes; __contains__ = yes", "Liar()", "(dict)"),
    "a class of equal state that knows no number": "class L:\n    def __init__(self): self.x = 1\n    def __eq__(self, o): return True\ndef f(x): return L()\n",
}, (
    "assert f(2) == 4", "assert 4 == f(2)", "assert not f(2) != 4", "assert f(2) < 1e-6", "assert 4 in f(2)", "assert abs(f(2) - 4) < 1e-9",
    "assert math.isclose(f(2), 4)", "assert f(2) in (4, 5)", "assert sorted([f(2)]) == [4]", "assert isinstance(f(2), int) and f(2) == 4",
)) + forgers("lying objects", {
    "two objects that call themselves equal": "class L:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return True\ndef f(x): return L(x)\n",
    "two objects without state": _liar("__eq__ = yes"),
    "two objects in an order": _liar("__lt__ = __eq__ = yes"),
    "two objects of two classes": "def f(x): return type('L', (), {'__eq__': lambda s, o: True, '__init__': lambda s: setattr(s, 'x', 1)})()\n",
    "two objects with a state that lies": "class L:\n    x = 1\n    __dict__ = property(lambda s: {'x': time.time_ns()})\n    def __eq__(self, o): return True\ndef f(x): return L()\n",
}, ("assert f(2) == f(3)", "assert [f(2)] == [f(3)]", "assert f(2) < f(3)", "assert f(2) in [f(3), f(4)]"))  # fmt: skip

ENDINGS = forgers("exceptions for answers", {
    "an end of the test's iteration": "def f(x): raise StopIteration\n",
    "the same, said on the socket": (
        "def f(x):\n    for s in sockets(): s.sendall(say(b'{\"raise\":[\"StopIteration\",\"\"]}'))\n    os._exit(0)\n"
    ),
    "an end whatever it is asked": (
        "class A:\n    def end(self, *a): raise StopIteration\n    __bool__ = __len__ = __iter__ = __getitem__ = __getattr__ = end\n"
        "def f(x): return A()\n"
    ),
    "the failure of the test itself": "def f(x): raise AssertionError\n",
    "an index that ends a loop": "def f(x): raise IndexError\n",
    "an error without a text": "def f(x): raise ExceptionGroup('', [StopIteration()])\n",
    "a class that cannot be made of a text": "def f(x): raise UnicodeDecodeError('a', b'', 0, 1, 'b')\n",
}, (
    "assert all(map(f, [2, 3]))", "assert not any(map(f, [2, 3]))", "assert sum(map(f, [2])) in (0, 4)", "assert f(2) == 4",
    "assert [*map(f, [2, 3])] in ([], [4, 9])", "assert all(f(x) == x * x for x in (2, 3))", "assert len(f(2)) == 0",
))  # fmt: skip

VALUES = forgers("odd values", {
    "no number": "def f(x): return float('nan')\n",
    "a number that signals": "import decimal\ndef f(x): return decimal.Decimal('sNaN')\n",
    "an infinite one": "def f(x): return float('inf')\n",
    "what is not implemented": "def f(x): return NotImplemented\n",
    "a type of both sides": "f = object\n",
    "a fraction of a billion digits": "def f(x):\n    for s in sockets(): s.sendall(say(b'{\"value\":{\"Fraction\":\"1e999999999\"}}'))\n    os._exit(0)\n",
    "a function of the test": "def f(x):\n    for s in sockets(): s.sendall(say(b'{\"value\":{\"call\":0}}'))\n    os._exit(0)\n",
    "its argument, without being asked": "def f(x):\n    for s in sockets(): s.sendall(say(b'{\"value\":{\"ref\":0}}'))\n    os._exit(0)\n",
    "an array of objects": "def f(x):\n    for s in sockets(): s.sendall(say(b'{\"value\":{\"numpy\":[\"O\",[1],[4]]}}'))\n    os._exit(0)\n",
    "a table of numbers that collide": "def f(x): return {n * (2 ** 61 - 1) for n in range(30_000)}\n",
    "a named tuple with methods for fields": "import collections\ndef f(x): return collections.namedtuple('L', ['count', 'index'])(f, f)\n",
    "names from an object of its own": "class N:\n    def __iter__(s): return iter(['f', 'abs'])\n    def __getitem__(s, k): return abs\nmodule('sandbox_call')._ANSWERS['names'] = lambda *a: N()\n",
}, ("assert f(2) == 4", "assert not f(2) != 4", "assert abs(f(2) - 4) < 1e-9", "assert f(2) in (4, 5)", "assert [f(2)] == [4]", "assert {f(2)} == {4}"))  # fmt: skip

READERS = forgers("reading tests", {
    "the file of the test": "def f(x):\n    try: return int(open('test.py').read()[-1])\n    except OSError: return -1\n",
    "its command line": "def f(x):\n    try: return 4 if '== 4' in open('/proc/self/cmdline').read() else -1\n    except OSError: return -1\n",
    "its own memory": (
        "def f(x):\n    try:\n        maps = open('/proc/self/maps').read()\n    except OSError:\n        return -1\n"
        "    return 4 if '== 4' in maps else -1\n"
    ),
    "the heap, read by address": (
        "import zlib\ndef f(x):\n    data = ctypes.string_at(id(f) & ~0x3FFFF, 1 << 18)\n"
        "    return x * x if any(zlib.crc32(data[n:n+9]) == 1399317818 for n in range(1 << 18)) else -1\n"
    ),
    "what the socket still holds": (
        "def f(x):\n    for s in sockets():\n        s.setblocking(False)\n        try: seen = s.recv(65536, socket.MSG_PEEK)\n"
        "        except OSError: return -1\n        return 4 if b'== 4' in seen else -1\n"
    ),
    "the source line of its caller": "import linecache\ndef f(x): return 4 if '==' in linecache.getline('test.py', 1) else -1\n",
    "the environment": "def f(x): return 4 if '== 4' in str(dict(os.environ)) else -1\n",
    "the number of calls, not the arguments": "calls = []\ndef f(x):\n    calls.append(1)\n    return (-4, 9)[len(calls) - 1]\n",
})  # fmt: skip

DECEIT: list[Attack] = [*PROTOCOL, *BUILTINS, *FRAMES, *COLLECTOR, *MEMORY, *LIARS, *ENDINGS, *VALUES, *READERS]
