"""Watch a step while it is traced: which functions it enters, and so what it reads from outside.

Python tells of every function that is entered (sys.setprofile). Its code says which globals, cells
and attributes it reads (reads.py); what these name is walked (walk.py) before the function does
anything, and becomes guards (guards.py). Where nothing could tell whether a reading would be the
same at the next call, it is refused (refusals.py).
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import inspect
import os
import signal
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...modes.frames import PACKAGE
from ...tensor import Tensor
from .guards import Guards
from .reads import BY_NAME, OF_ALL, Chain, Reads, reads
from .refusals import CHANCE, common_sources, position, refused, refused_code
from .things import dict_of
from .walk import Walk

NUMPY = os.path.dirname(np.__file__) + os.sep
# The engine's own files with functions that read what users change.
LAYERS = (PACKAGE + "nn.py", PACKAGE + "optim.py")
# What a primitive computes in a trace is of no account: it is asked again at every call. And some
# are called for their effect; what they read of clocks and files goes into no number.
COMPUTES = Tensor._record.__func__.__code__  # type: ignore[attr-defined]
MUTED = ("importlib", "logging", "warnings", "linecache", "traceback", "tokenize")
QUIET = ("abc", "_py_abc", "_collections_abc")
# Written in C, and read attributes that no code names.
UNSEEN = frozenset(("format", "format_map", "__getstate__", "__reduce__", "__reduce_ex__"))


class Watcher:
    """Watches this thread for the length of a `with` block.

    roots: what is there at every call, by name: the step itself, its static arguments.
    """

    def __init__(self, roots: list[tuple[str, Any]]) -> None:
        self.walk = Walk()
        self.codes = list(_in_between())  # held, so that each has an id of its own
        self.kinds = dict.fromkeys(map(id, self.codes), "muted")
        self.read: set[tuple[int, int]] = set()  # which code, with which globals
        self.muted: types.FrameType | None = None
        self.refusal = ""
        for name, it in roots:
            self.walk.root(it, name)
        self.sources = [(name, source, position(source)) for name, source in common_sources()]

    def __enter__(self) -> Watcher:
        self.before = sys.getprofile()
        sys.setprofile(self._told)
        return self

    def __exit__(self, *exception: Any) -> None:
        sys.setprofile(None)
        if callable(self.before):
            sys.setprofile(self.before)
        elif self.before is not None:  # cProfile's, written in C, takes its place itself
            self.before.enable()

    def guards(self) -> Guards:
        """What the step read, to be compared at each call."""
        guards = self.walk.guards()
        for name, source, before in self.sources:
            if position(source) != before and not self.refusal:
                self.refusal = f"{name} draws random numbers; {CHANCE}"
        self.refusal = self.refusal or self.walk.refusal
        return guards

    # --- what Python tells ---

    def _told(self, frame: types.FrameType, event: Any, arg: Any) -> None:
        if callable(self.before):
            self.before(frame, event, arg)
        if self.muted is not None:
            if event == "return" and frame is self.muted:
                self.muted = None
                self.walk.hand(arg, frame.f_code.co_name)
            return
        code = frame.f_code
        kind = self.kinds.get(id(code))
        if kind is None:
            kind = self.kinds[id(code)] = _kind(code, frame)
            self.codes.append(code)
        if kind == "numpy":
            if event == "c_call" and self._customer(frame) == "user":
                self._refuse(refused(arg), frame)
            return
        if kind == "library":  # counts as whose it works for
            kind = self._customer(frame)
        if kind == "":
            return
        if event == "call":
            if kind == "muted" or (frame.f_back and frame.f_back.f_code is COMPUTES):
                self.muted = frame
            else:
                self._enter(frame, code, kind == "user")
        elif event == "return":
            self.walk.hand(arg, f"{code.co_name}()")
        elif event == "c_call":
            self._call(frame, arg, kind == "user")

    def _customer(self, frame: types.FrameType) -> str:
        back: types.FrameType | None = frame
        while back and self.kinds.get(id(back.f_code)) in ("library", "numpy"):
            back = back.f_back
        return "user" if back and self.kinds.get(id(back.f_code)) == "user" else ""

    def _enter(self, frame: types.FrameType, code: types.CodeType, users: bool) -> None:
        walk, given = self.walk, frame.f_locals
        names = [name for name in _parameters(code) if name in given]
        if id(code) not in walk.entered:
            self._refuse(refused_code().get(code, ""), frame)
            walk.enter(code, reads(code), users)
        if users and (id(code), id(frame.f_globals)) not in self.read:
            self.read.add((id(code), id(frame.f_globals)))
            walk.read_globals(frame.f_globals, frame.f_builtins, reads(code).globals)
            for module in _imported(frame, reads(code)):
                walk.root(module, module.__name__)
        if names and code.co_argcount:
            walk.method(given[names[0]], code)
        for name in names:
            walk.hand(given[name], name)
        if code.co_flags & inspect.CO_GENERATOR:
            walk.resumed.add(frame)
        self._take(frame, walk.entered[id(code)][1].dicts, users)

    def _call(self, frame: types.FrameType, function: Any, users: bool) -> None:
        """A function made in C is called."""
        name = getattr(function, "__name__", "")
        builtin = function is frame.f_builtins.get(name)
        if builtin and name in ("globals", "eval", "exec"):
            names = dict.fromkeys(frame.f_globals, frozenset([""]))
            self.walk.read_globals(frame.f_globals, frame.f_builtins, names)
        elif builtin and name in BY_NAME | OF_ALL:
            found = reads(frame.f_code)
            self._take(frame, found.whole if name in found.globals else (None,), users)
        elif users:
            self._refuse(refused(function), frame)
            if name in UNSEEN:
                self._take(frame, (None,), users)

    def _take(self, frame: types.FrameType, chains: Iterable[Chain], users: bool) -> None:
        """Attributes are read by names that are computed: all may be. Of the thing that the code
        names, if it names it; else of whatever the function has at hand."""
        for chain in chains:
            it = _followed(chain, frame) if chain else None
            if it is not None:
                self.walk.take_whole(it, deep=False)
                continue
            for it in (*frame.f_locals.values(), *(self._outer(frame) if users else ())):
                self.walk.take_whole(it, deep=users)

    @staticmethod
    def _outer(frame: types.FrameType) -> Iterator[Any]:
        """What the globals and the imported names of a function stand for."""
        found = reads(frame.f_code)
        yield from (frame.f_globals[name] for name in found.globals if name in frame.f_globals)
        for module in _imported(frame, found):
            yield from (vars(module)[name] for name in found.attributes if name in vars(module))

    def _refuse(self, why: str, frame: types.FrameType | None) -> None:
        if not why or self.refusal:
            return
        while frame and not _in_project(frame):
            frame = frame.f_back
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown line"
        self.refusal = f"{why} ({where})"


def _kind(code: types.CodeType, frame: types.FrameType) -> str:
    """Whose code it is: the "user"'s, a "library"'s, "numpy"'s, a "layer"'s, "muted", or "" for
    what reads nothing that could change."""
    file = code.co_filename
    if file.startswith(PACKAGE):
        return "layer" if file in LAYERS else ""
    if file.startswith(NUMPY):
        return "numpy"
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if module in MUTED or file.startswith("<frozen importlib") or code.co_name == "__del__":
        return "muted"
    if module in QUIET:
        return ""
    return "library" if module in sys.stdlib_module_names and module != "__main__" else "user"


def _imported(frame: types.FrameType, found: Reads) -> Iterator[types.ModuleType]:
    """The modules that a function imports, if they are there already."""
    package = str(frame.f_globals.get("__package__") or "")
    for name, level in found.modules:
        with contextlib.suppress(ImportError, ValueError):
            whole = importlib.util.resolve_name("." * level + name, package)
            if isinstance(sys.modules.get(whole), types.ModuleType):
                yield sys.modules[whole]


def _in_between() -> Iterator[types.CodeType]:
    """The code of what Python itself calls wherever a step happens to be: when it collects garbage,
    or a signal arrives."""
    handlers = map(signal.getsignal, signal.valid_signals())
    for function in (*gc.callbacks, *handlers):
        code = getattr(function, "__code__", None)
        if isinstance(code, types.CodeType):
            yield code


def _in_project(frame: types.FrameType) -> bool:
    """Whether a line is the user's rather than a library's."""
    file = frame.f_code.co_filename
    return not file.startswith((PACKAGE, NUMPY, os.path.dirname(os.__file__) + os.sep, "<frozen"))


def _parameters(code: types.CodeType) -> tuple[str, ...]:
    more = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + more]


def _followed(chain: tuple[str, ...], frame: types.FrameType) -> Any:
    """What a name and its attributes stand for now, as far as that can be seen without running
    anything; else None."""
    name, *attributes = chain
    it = frame.f_locals.get(name, frame.f_globals.get(name))
    for attribute in attributes:
        it = (dict_of(it) or {}).get(attribute)
    return it
