"""Steps that keep their numbers in random places, which change between calls: eager and jit agree.

    python -m tests.stale --count 20000
    python -m tests.stale --count 1000 --compiled

A program is Python's text. It is run twice, each in a module of its own: once as it stands, once
under jit. Between the calls the same statements change, delete, replace or mutate what the step
reads, at any depth. After each call both have given the same numbers, or both an error;
or jit has refused in words.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import sys
import types
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

PRELUDE = """
import collections, contextlib, contextvars, dataclasses, enum, functools, operator
import threading, types
import numpy as np
import autograd as ag
from autograd import Tensor, Value, jit
from autograd.nn import Module

class Box:
    def __init__(self, x): self.x = x
class Slot:
    __slots__ = ("x", "other")
    def __init__(self, x): self.x = x
class Property:
    def __init__(self, x): self._x = x
    @property
    def x(self): return self._x
    @x.setter
    def x(self, x): self._x = x
    @x.deleter
    def x(self): del self._x
class Method:
    def __init__(self, x): self._x = x
    def get(self): return self._x
class Call:
    def __init__(self, x): self.x = x
    def __call__(self): return self.x
class Lazy:
    def __init__(self, x): self.store = {"x": x}
    def __getattr__(self, name):
        if name == "store": raise AttributeError(name)
        return self.store[name]
class Descriptor:
    def __get__(self, it, owner): return it.__dict__["kept"]
class Described:
    x = Descriptor()
    def __init__(self, x): self.kept = x
class Layer(Module):
    def __init__(self, x): self.x = x
class Item:
    def __init__(self, x): self.entries = [x]
    def __getitem__(self, i): return self.entries[i]
class Iterated:
    def __init__(self, x): self.entries = [x]
    def __iter__(self): return iter(self.entries)
class Child(Box): pass
Point = collections.namedtuple("Point", "a x")
@dataclasses.dataclass
class Data:
    x: object
    other: int = 0
def own_class(x): return type("Own", (), {"x": x})()
def own_base(x):
    base = type("Base", (), {"x": x})
    return type("Own", (base,), {})()
def class_of(x): return type("Held", (), {"x": x})
def module(x):
    made = types.ModuleType("held"); made.x = x
    return made
def closure(x):
    def read(): return x
    return read
def default(x):
    def read(y=x): return y
    return read
def keyword(x):
    def read(*, y=x): return y
    return read
def attributed(x):
    def read(): return None
    read.x = x
    return read
def decorated(x):
    @functools.wraps(closure)
    def read(): return x
    @ag.no_grad()
    def outer(): return read()
    return outer
def context(x):
    made = contextvars.ContextVar("made"); made.set(x)
    return made
def local(x):
    made = threading.local(); made.x = x
    return made
def member(x):
    made = enum.Enum("Made", "A")["A"]; made.x = x
    return made
def of_meta(x): return type("Meta", (type,), {"x": x})("Of", (), {})
LAZY = '''
def __getattr__(name):
    if name == "x": return kept["x"]
    raise AttributeError(name)
'''
def lazy_module(x):
    made = types.ModuleType("held"); made.kept = {"x": x}
    exec(LAZY, vars(made))
    return made
class Missing(dict):
    def __missing__(self, key): return self.default
def missing(x):
    made = Missing(); made.default = x
    return made
class Strict:
    def __init__(self, x): object.__getattribute__(self, "__dict__")["_x"] = x
    def __getattribute__(self, name):
        return object.__getattribute__(self, "_" + name if name == "x" else name)
class Entered:
    def __init__(self, x): self.x = x
    def __enter__(self): return self.x
    def __exit__(self, *error): pass
def entered(it):
    with it as x: return x
class Number(float): pass
def number(x):
    made = Number(1.0); made.x = x
    return made
def jitted(x):
    made = jit(identity); made.x = x
    return made
def matched(it):
    match it:
        case Data(x=found): return found
    return 1.0
def by_name(it, name): return getattr(it, name)
def identity(x): return x
def first(pair): return pair[0]
def pair(x, y): return x
"""


@dataclass(frozen=True)
class Place:
    """make: the text that puts a value somewhere. read: what reads it there again. changes: what
    may happen there between calls; {0} is the place, {1} a new value, {2} the place where it
    lies (for what must be replaced whole)."""

    make: str
    read: str
    changes: tuple[str, ...] = ()


ATTRIBUTE = ("{0}.x = {1}", "del {0}.x", "setattr({0}, 'x', {1})", "{0}.unread = {1}")
PLACES = {
    "attribute": Place("Box({})", "{}.x", (*ATTRIBUTE, "{0}.__dict__ = {{'x': {1}}}")),
    "inherited": Place("Child({})", "{}.x", (*ATTRIBUTE, "Child.x = {1}")),
    "getattr": Place("Box({})", "getattr({}, 'x')", ATTRIBUTE),
    "computed": Place("Box({})", "getattr({}, ''.join(['x']))", ATTRIBUTE),
    "vars": Place("Box({})", "vars({})['x']", ATTRIBUTE),
    "dict": Place("Box({})", "{}.__dict__['x']", ATTRIBUTE),
    "attrgetter": Place("Box({})", "operator.attrgetter('x')({})", ATTRIBUTE),
    "absent": Place("Box({})", "getattr({0}, 'over', {0}.x)", (*ATTRIBUTE, "{0}.over = {1}")),
    "slot": Place("Slot({})", "{}.x", ("{0}.x = {1}", "del {0}.x", "{0}.other = {1}")),
    "property": Place("Property({})", "{}.x", ("{0}.x = {1}", "{0}._x = {1}", "del {0}.x")),
    "method": Place("Method({})", "{}.get()", ("{0}._x = {1}", "{0}.get = lambda: {1}")),
    "call": Place("Call({})", "{}()", ("{0}.x = {1}", "del {0}.x")),
    "lazy": Place("Lazy({})", "{}.x", ("{0}.store['x'] = {1}", "{0}.x = {1}", "{0}.store = {{}}")),
    "descriptor": Place("Described({})", "{}.x", ("{0}.kept = {1}", "del {0}.kept")),
    "layer": Place("Layer({})", "{}.x", ATTRIBUTE),
    "getitem": Place("Item({})", "{}[0]", ("{0}.entries[0] = {1}", "{0}.entries.insert(0, {1})")),
    "iterated": Place("Iterated({})", "next(iter({}))", ("{0}.entries[0] = {1}",)),
    "dataclass": Place("Data({})", "{}.x", ATTRIBUTE),
    "namespace": Place("types.SimpleNamespace(x={})", "{}.x", ATTRIBUTE),
    "class attribute": Place(
        "own_class({})", "{}.x", ("type({0}).x = {1}", "{0}.x = {1}", "del type({0}).x")
    ),
    "base's attribute": Place(
        "own_base({})", "{}.x", ("type({0}).x = {1}", "type({0}).__base__.x = {1}", "{0}.x = {1}")
    ),
    "class": Place("class_of({})", "{}.x", ("{0}.x = {1}", "del {0}.x")),
    "module": Place("module({})", "{}.x", ("{0}.x = {1}", "del {0}.x", "{0}.unread = 1")),
    "item": Place(
        "{{'k': {}, 'o': 1.0}}", "{}['k']", ("{0}['k'] = {1}", "del {0}['k']", "{0}['z'] = {1}")
    ),
    "get": Place("{{'k': {}}}", "{}.get('k', 5.0)", ("{0}['k'] = {1}", "{0}.clear()")),
    "ordered": Place(
        "collections.OrderedDict(k={}, o=1)", "{}['k']", ("{0}['k'] = {1}", "{0}.pop('k')")
    ),
    "user dict": Place("collections.UserDict(k={})", "{}['k']", ("{0}['k'] = {1}",)),
    "chain map": Place("collections.ChainMap({{}}, {{'k': {}}})", "{}['k']", ("{0}['k'] = {1}",)),
    "list": Place("[0.0, {}]", "{}[1]", ("{0}[1] = {1}", "{0}.reverse()", "{0}.insert(0, 1.5)")),
    "long list": Place("[0.0] * 90 + [{}]", "{}[90]", ("{0}[90] = {1}", "{0}.reverse()")),
    "sum": Place("[{}]", "[v for v in {}][0]", ("{0}[0] = {1}", "{0}.insert(0, {1})")),
    "deque": Place("collections.deque([{}])", "{}[0]", ("{0}[0] = {1}", "{0}.appendleft({1})")),
    "tuple": Place("({}, 1)", "{}[0]", ("{2} = ({1}, 1)",)),
    "named tuple": Place("Point(1, {})", "{}.x", ("{2} = {0}._replace(x={1})",)),
    "proxy": Place("types.MappingProxyType({{'k': {}}})", "{}['k']", ()),
    "closure": Place("closure({})", "{}()", ("{0}.__closure__[0].cell_contents = {1}",)),
    "decorated": Place("decorated({})", "{}()", ()),
    "default": Place("default({})", "{}()", ("{0}.__defaults__ = ({1},)", "{0}.__defaults__ = ()")),
    "keyword": Place("keyword({})", "{}()", ("{0}.__kwdefaults__ = {{'y': {1}}}",)),
    "function's attribute": Place("attributed({})", "{}.x", ("{0}.x = {1}", "del {0}.x")),
    "partial": Place("functools.partial(identity, {})", "{}()", ()),
    "partial's keyword": Place(
        "functools.partial(identity, x={})", "{}()", ("{0}.keywords['x'] = {1}",)
    ),
    "bound": Place("Method({}).get", "{}()", ("{0}.__self__._x = {1}",)),
    "context variable": Place("context({})", "{}.get()", ("{0}.set({1})",)),
    "thread's": Place("local({})", "{}.x", ATTRIBUTE),
    "enumerated": Place("member({})", "{}.x", ("{0}.x = {1}",)),
    "metaclass": Place("of_meta({})", "{}.x", ("type({0}).x = {1}", "{0}.x = {1}")),
    "lazy module": Place("lazy_module({})", "{}.x", ("{0}.kept['x'] = {1}", "{0}.x = {1}")),
    "missing": Place("missing({})", "{}['k']", ("{0}.default = {1}", "{0}['k'] = {1}")),
    "strict": Place("Strict({})", "{}.x", ("{0}._x = {1}", "object.__setattr__({0}, '_x', {1})")),
    "entered": Place("Entered({})", "entered({})", ATTRIBUTE),
    "number's attribute": Place("number({})", "{}.x", ATTRIBUTE),
    "jitted function's": Place("jitted({})", "{}.x", ATTRIBUTE),
    "matched": Place("Data({})", "matched({})", ATTRIBUTE),
    "view": Place("{{'k': {}}}.values()", "next(iter({}))", ()),
    "by name": Place("Box({})", "by_name({}, 'x')", ATTRIBUTE),
    "class by name": Place("class_of({})", "by_name({}, 'x')", ("{0}.x = {1}", "del {0}.x")),
    "class through it": Place("own_class({})", "by_name({}, 'x')", ("type({0}).x = {1}",)),
    "module by name": Place("module({})", "by_name({}, 'x')", ("{0}.x = {1}", "{0}.unread = 1")),
    "class's vars": Place("class_of({})", "vars({})['x']", ("{0}.x = {1}", "del {0}.x")),
    "module's vars": Place("module({})", "vars({})['x']", ("{0}.x = {1}", "del {0}.x")),
    "formatted": Place("Box({})", "('{{0.x}}'.format({0}) and {0}.x)", ATTRIBUTE),
    "null context": Place("contextlib.nullcontext({})", "entered({})", ("{0}.enter_result = {1}",)),
    "globals": Place("{}", "first((globals()['root'], {}))", ()),
    "passed on": Place("Box({})", "first(({}.x, 1))", ATTRIBUTE),
}

# Values: the texts of one, and of another; how a step computes with it; how it is mutated.
VALUES = {
    "float": (("2.0", "3.0", "-0.5"), "x * {}", ()),
    "int": (("2", "3", "7"), "x * {}", ()),
    "flag": (("True", "False"), "(x * 2.0 if {} else x + 1.0)", ()),
    "nothing": (("None", "2.5"), "(x if ({0}) is None else x * ({0}))", ()),
    "name": (("'a'", "'b'"), "x * {{'a': 2.0, 'b': 3.0}}[{}]", ()),
    "numpy scalar": (("np.float64(2)", "np.float64(3)"), "x * {}", ()),
    "array": (
        ("np.array([1.0, 2.0, 3.0])", "np.array([3.0, 2.0, 0.5])"),
        "x * ({})",
        ("{0}[1] = 9.0", "{0}[:] = {1}", "{0} *= 1.5"),
    ),
    "entry": (
        ("np.array([1.0, 2.0, 3.0])", "np.array([3.0, 2.0, 0.5])"),
        "x * float(({})[1])",
        ("{0}[1] = 9.0", "{0}[:] = {1}"),
    ),
    "array of numbers": (("np.array(2.0)", "np.array(3.0)"), "x * {}", ("{0}[...] = 5.0",)),
    "tensor": (
        ("Tensor([1.0, 2.0, 3.0])", "Tensor([3.0, 2.0, 0.5])"),
        "x * ({})",
        ("{0}.assign({1})", "{0}.data = np.full(3, 4.0)"),
    ),
    "value": (("Value(2.0)", "Value(3.0)"), "x * ({}).item()", ("{0}.data = 6.0",)),
    "choice": (("'exp'", "'tanh'"), "getattr(ag, {})(x)", ()),
    "function": (("ag.tanh", "ag.sin", "identity"), "({})(x)", ()),
}

STEPS = {
    "global": "def step(x):\n    return {use}\n",
    "closure": (
        "def build():\n    inner = root\n    def step(x):\n        return {use_inner}\n"
        "    return step\nstep = build()\n"
    ),
    "helper": "def helper(x):\n    return {use}\ndef step(x):\n    return helper(x)\n",
    "deep": (
        "def third(x):\n    return {use}\ndef second(x):\n    return third(x) + 1.0\n"
        "def step(x):\n    return [second(y) for y in [x]][0]\n"
    ),
    "self": (
        "class Owner:\n    def __init__(self): self.root = root\n"
        "    def step(self, x):\n        return {use_self}\n"
        "owner = Owner()\nstep = owner.step\n"
    ),
    "object": (
        "class Owner:\n    def __init__(self): self.root = root\n"
        "    def __call__(self, x):\n        return {use_self}\nstep = Owner()\n"
    ),
    "partial": "def whole(it, x):\n    return {use_it}\nstep = functools.partial(whole, root)\n",
    "decorator": "@ag.no_grad()\ndef step(x):\n    return {use}\n",
    "lambda": "step = lambda x: {use}\n",
    "map": "def one(x):\n    return {use}\ndef step(x):\n    return list(map(one, [x]))[0]\n",
    "gradient": "def loss(x):\n    return ag.sum({use})\nstep = ag.grad(loss)\n",
    "module": (
        "class Net(Module):\n    def __init__(self): self.parts = [root]\n"
        "    def forward(self, x):\n        return {use_net}\nstep = Net()\n"
    ),
    "argument": "def step(x, it):\n    return {use_it}\n",
    "counting": (
        "calls = 0\ndef step(x):\n    global calls\n    calls += 1\n    return {use} + calls\n"
    ),
    "flipping": (
        "class Owner:\n    up = False\n    def __init__(self): self.root = root\n"
        "    def step(self, x):\n        self.up = not self.up\n"
        "        return {use_self} if self.up else x + 1.0\nowner = Owner()\nstep = owner.step\n"
    ),
    "kept once": (
        "class Owner:\n    def __init__(self): self.root, self.n = root, None\n"
        "    def step(self, x):\n        if self.n is None: self.n = float(len(x.shape))\n"
        "        return {use_self} * self.n\nowner = Owner()\nstep = owner.step\n"
    ),
    "import": "def step(x):\n    from drawn import root as it\n    return {use_it}\n",
    "imported": "def step(x):\n    import drawn\n    it = drawn.root\n    return {use_it}\n",
    "generator": (
        "def parts(x):\n    yield {use}\ndef step(x):\n    return [part for part in parts(x)][0]\n"
    ),
    "exception": (
        "def step(x):\n    try:\n        return {use}\n"
        "    except (AttributeError, KeyError, IndexError, NameError):\n        return x + 5.0\n"
    ),
    "weak": (
        "import weakref\nclass Owner:\n    def __init__(self): self.root = root\n"
        "owner = Owner()\nreference = weakref.ref(owner)\n"
        "def step(x):\n    self = reference()\n    return {use_self}\n"
    ),
    "remembered": (
        "@functools.cache\ndef remembered(): return root\n"
        "def step(x):\n    it = remembered()\n    return {use_it}\n"
    ),
    "appending": (
        "log = []\ndef note():\n    log.append(1)\n"
        "def step(x):\n    note()\n    return {use} + float(len(log))\n"
    ),
    "lost": "def step(x):\n    return [{use} for _ in (1,)][0]\n",
}


@dataclass
class Drawn:
    """A program: its text, and the statements between its calls."""

    text: str
    changes: list[str]
    places: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.text + "\n" + "\n".join(f"# then: {change}" for change in self.changes)


def draw(chance: random.Random, calls: int = 6) -> Drawn:
    """One, by chance."""
    value = chance.choice(list(VALUES))
    texts, use, mutations = VALUES[value]
    names = [chance.choice(list(PLACES)) for _ in range(chance.randint(0, 3))]
    step = chance.choice(list(STEPS))
    make, reads = texts[0], ["root"]
    for name in names:
        reads.append(f"({PLACES[name].read.format(reads[-1])})")
    for name in reversed(names):
        make = PLACES[name].make.format(make)
    used = {
        "use": use.format(reads[-1]),
        "use_inner": use.format(reads[-1].replace("root", "inner")),
        "use_self": use.format(reads[-1].replace("root", "self.root")),
        "use_it": use.format(reads[-1].replace("root", "it")),
        "use_net": use.format(reads[-1].replace("root", "self.parts[0]")),
    }
    changes = [_change(chance, names, texts, mutations, reads) for _ in range(calls - 1)]
    text = f"root = {make}\n" + STEPS[step].format(**used)
    return Drawn(text, changes, [step, value, *names])


def _change(
    chance: random.Random,
    names: list[str],
    texts: tuple[str, ...],
    mutations: tuple[str, ...],
    reads: list[str],
) -> str:
    if chance.random() < 0.25:
        return "pass"
    depth = chance.randint(0, len(names))
    new = chance.choice(texts)
    if depth == len(names):  # at the value itself
        if mutations and chance.random() < 0.7:
            return chance.choice(mutations).format(reads[-1], new)
        depth = max(0, depth - 1)
    if not names:
        return f"root = {new}"
    for name in reversed(names[depth + 1 :]):
        new = PLACES[name].make.format(new)
    changes = PLACES[names[depth]].changes
    if depth == 0 and (not changes or chance.random() < 0.3):
        return f"root = {PLACES[names[0]].make.format(new)}"
    if not changes:
        return "pass"
    # What must be replaced whole can be only where it has a name.
    change = chance.choice(changes)
    if "{2}" in change and depth:
        return "pass"
    return change.format(reads[depth], new, reads[depth])


def run(drawn: Drawn, compiled: bool) -> list[object]:
    """What each call gives: an array, or the type of what it raises."""
    module = types.ModuleType("drawn")
    sys.modules["drawn"] = module  # where dataclasses look for it
    space = vars(module)
    exec(compile(PRELUDE, "<prelude>", "exec"), space)
    exec(compile(drawn.text, "<drawn>", "exec"), space)
    exec("call = jit(step)" if compiled else "call = step", space)
    found = []
    for i, change in enumerate([*drawn.changes, None]):
        x = np.array([1.0, 2.0, 3.0]) + i
        more = [space.get("root")] if "step(x, it)" in drawn.text else []
        found.append(_outcome(space["call"], space["Tensor"](x), *more))
        with contextlib.suppress(Exception):  # what was deleted cannot be deleted again
            exec(change or "pass", space)
    return found


def _outcome(call, *args):
    from autograd import TraceError

    try:
        out = call(*args)
        return np.array(getattr(out, "_data", out))
    except TraceError:
        return TraceError
    except TypeError as error:
        return TraceError if "jit: an argument must be" in str(error) else TypeError
    except Exception as error:
        return type(error)


def disagreement(drawn: Drawn) -> str:
    """Where the two routes part; nothing if they agree, or jit refuses."""
    from autograd import TraceError

    eager, jitted = run(drawn, False), run(drawn, True)
    for i, (one, other) in enumerate(zip(eager, jitted, strict=True)):
        if other is TraceError:
            continue
        if isinstance(one, type) or isinstance(other, type):
            if not (isinstance(one, type) and isinstance(other, type)):
                return f"call {i}: eager {one}, jit {other}"
        elif one.shape != other.shape or not np.allclose(one, other, rtol=1e-12, atol=0):
            return f"call {i}: eager {one}, jit {other}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compiled", action="store_true", help="by the C compiler, not by NumPy")
    given = parser.parse_args()
    if not given.compiled:
        os.environ["CHAINRULE_CC"] = ""
    logging.getLogger("autograd.jit").setLevel(logging.ERROR)
    census: Counter[str] = Counter()
    wrong = 0
    for number in range(given.count):
        drawn = draw(random.Random(f"{given.seed}/{number}"))
        census.update(drawn.places)
        said = disagreement(drawn)
        if said:
            wrong += 1
            print(f"--- {number}: {said}\n{drawn}\n", flush=True)
    print(f"{given.count} programs, {wrong} disagree")
    print(", ".join(f"{name} {count}" for name, count in census.most_common()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
