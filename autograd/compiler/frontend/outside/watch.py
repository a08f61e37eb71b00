"""Watch a step while it is traced: which functions it enters, and so what it reads from outside.

Python calls `_profile` for every function that is entered (sys.setprofile). The function's code
says which globals, cells and attributes it reads (reads.py); what these name is walked (walk.py)
before the function does anything, and becomes guards (guards.py). A reading that no guard can
compare is refused (refusals.py).
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

from ....modes.frames import PACKAGE
from ....tensor import Tensor
from .guards import Guards
from .introspection import dict_of
from .reads import BY_NAME, OF_ALL, Chain, Reads, reads
from .refusals import (
    DRAW_OTHERWISE,
    call_refusal,
    code_refusals,
    generator_state,
    global_generators,
)
from .walk import Walk

NUMPY = os.path.dirname(np.__file__) + os.sep
# The engine's own files with functions that read what users change.
LAYERS = (PACKAGE + "nn.py", PACKAGE + "optim.py")
# Calls within a primitive need no guards: it is called again at every call of the step. Nor do
# these modules: they are called for an effect, and what they read of clocks is in no number.
PRIMITIVE_CODE = Tensor._record.__func__.__code__  # type: ignore[attr-defined]
MUTED = ("importlib", "logging", "warnings", "linecache", "traceback", "tokenize")
QUIET = ("abc", "_py_abc", "_collections_abc")
# Functions written in C that read attributes which no code names.
READ_UNNAMED = frozenset(("format", "format_map", "__getstate__", "__reduce__", "__reduce_ex__"))


class Watcher:
    """Watches this thread for the length of a `with` block.

    roots: names and objects that are there at every call: the step itself, its static arguments.
    """

    def __init__(self, roots: list[tuple[str, Any]]) -> None:
        self.walk = Walk()
        self.codes = list(_interrupting_code())  # held, so that their ids stay theirs
        self.kinds = dict.fromkeys(map(id, self.codes), "muted")
        self.read: set[tuple[int, int]] = set()  # which code, with which globals
        self.muted: types.FrameType | None = None  # until it returns nothing is watched
        self.refusal = ""
        for name, obj in roots:
            self.walk.add_root(obj, name)
        self.sources = [
            (name, source, generator_state(source)) for name, source in global_generators()
        ]

    def __enter__(self) -> Watcher:
        self.previous = sys.getprofile()
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *exception: Any) -> None:
        sys.setprofile(None)
        if callable(self.previous):
            sys.setprofile(self.previous)
        elif self.previous is not None:  # cProfile's, written in C, takes its place itself
            self.previous.enable()

    def guards(self) -> Guards:
        """Guards for what the step read."""
        guards = self.walk.guards()
        for name, source, before in self.sources:
            if generator_state(source) != before and not self.refusal:
                self.refusal = f"{name} draws random numbers; {DRAW_OTHERWISE}"
        self.refusal = self.refusal or self.walk.refusal
        return guards

    # --- the profile function ---

    def _profile(self, frame: types.FrameType, event: Any, arg: Any) -> None:
        if callable(self.previous):
            self.previous(frame, event, arg)
        if self.muted is not None:
            if event == "return" and frame is self.muted:
                self.muted = None
                self.walk.add_local(arg, frame.f_code.co_name)
            return
        code = frame.f_code
        kind = self.kinds.get(id(code))
        if kind is None:
            kind = self.kinds[id(code)] = _kind(code, frame)
            self.codes.append(code)
        if kind == "numpy":
            if event == "c_call" and self._caller_kind(frame) == "user":
                self._refuse(call_refusal(arg), frame)
            return
        if kind == "library":  # it reads for its caller
            kind = self._caller_kind(frame)
        if kind == "":
            return
        if event == "call":
            if kind == "muted" or (frame.f_back and frame.f_back.f_code is PRIMITIVE_CODE):
                self.muted = frame
            else:
                self._enter(frame, code, kind == "user")
        elif event == "return":
            self.walk.add_local(arg, f"{code.co_name}()")
        elif event == "c_call":
            self._call(frame, arg, kind == "user")

    def _caller_kind(self, frame: types.FrameType) -> str:
        """ "user" where a library works for the user's code, else ""."""
        back: types.FrameType | None = frame
        while back and self.kinds.get(id(back.f_code)) in ("library", "numpy"):
            back = back.f_back
        return "user" if back and self.kinds.get(id(back.f_code)) == "user" else ""

    def _enter(self, frame: types.FrameType, code: types.CodeType, users: bool) -> None:
        walk, given = self.walk, frame.f_locals
        names = [name for name in _parameters(code) if name in given]
        if id(code) not in walk.entered:
            self._refuse(code_refusals().get(code, ""), frame)
            walk.enter(code, reads(code), users)
        if users and (id(code), id(frame.f_globals)) not in self.read:
            self.read.add((id(code), id(frame.f_globals)))
            walk.read_globals(frame.f_globals, frame.f_builtins, reads(code).globals)
            for module in _imported(frame, reads(code)):
                walk.add_root(module, module.__name__)
        if names and code.co_argcount:
            walk.enter_method(given[names[0]], code)
        for name in names:
            walk.add_local(given[name], name)
        if code.co_flags & inspect.CO_GENERATOR:
            walk.resumed.add(frame)
        self._read_computed_names(frame, walk.entered[id(code)][1].dicts, users)

    def _call(self, frame: types.FrameType, function: Any, users: bool) -> None:
        """A function written in C is called."""
        name = getattr(function, "__name__", "")
        builtin = function is frame.f_builtins.get(name)
        if builtin and name in ("globals", "eval", "exec"):
            names = dict.fromkeys(frame.f_globals, frozenset([""]))
            self.walk.read_globals(frame.f_globals, frame.f_builtins, names)
        elif builtin and name in BY_NAME | OF_ALL:
            found = reads(frame.f_code)
            self._read_computed_names(
                frame, found.whole if name in found.globals else (None,), users
            )
        elif users:
            self._refuse(call_refusal(function), frame)
            if name in READ_UNNAMED:
                self._read_computed_names(frame, (None,), users)

    def _read_computed_names(
        self, frame: types.FrameType, chains: Iterable[Chain], users: bool
    ) -> None:
        """Attributes are read by computed names, so all may be: those of the object that the code
        names; where it names none, those of all objects the function can name."""
        for chain in chains:
            obj = _resolved(chain, frame) if chain else None
            if obj is not None:
                self.walk.read_computed_names(obj, below=False)
                continue
            for obj in (*frame.f_locals.values(), *(self._named_outside(frame) if users else ())):
                self.walk.read_computed_names(obj, below=users)

    @staticmethod
    def _named_outside(frame: types.FrameType) -> Iterator[Any]:
        """The values of a function's globals, and of the names it imports."""
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
    """Whose code it is: the "user"'s, a "library"'s, "numpy"'s, a "layer"'s; "muted" if it needs no
    guards; "" if it reads nothing that could change."""
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
    """The modules that a function imports, if they are loaded."""
    package = str(frame.f_globals.get("__package__") or "")
    for name, level in found.modules:
        with contextlib.suppress(ImportError, ValueError):
            whole = importlib.util.resolve_name("." * level + name, package)
            if isinstance(sys.modules.get(whole), types.ModuleType):
                yield sys.modules[whole]


def _interrupting_code() -> Iterator[types.CodeType]:
    """The code of what Python itself calls in the middle of a step: when it collects garbage, or a
    signal arrives."""
    handlers = map(signal.getsignal, signal.valid_signals())
    for function in (*gc.callbacks, *handlers):
        code = getattr(function, "__code__", None)
        if isinstance(code, types.CodeType):
            yield code


def _in_project(frame: types.FrameType) -> bool:
    """Whether a line is the user's, not a library's."""
    file = frame.f_code.co_filename
    return not file.startswith((PACKAGE, NUMPY, os.path.dirname(os.__file__) + os.sep, "<frozen"))


def _parameters(code: types.CodeType) -> tuple[str, ...]:
    more = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + more]


def _resolved(chain: tuple[str, ...], frame: types.FrameType) -> Any:
    """The value of a name and its attributes now, if it can be found without running code; else
    None."""
    name, *attributes = chain
    obj = frame.f_locals.get(name, frame.f_globals.get(name))
    for attribute in attributes:
        obj = (dict_of(obj) or {}).get(attribute)
    return obj
