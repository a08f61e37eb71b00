"""What a thread does besides computing: whether it records gradients or a trace, is within grad or
vmap, watches for NaN. `set_mode` changes it for the length of a `with` block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from .resume import decorated

F = TypeVar("F", bound=Callable[..., Any])


class Tracer(Protocol):
    """What the engine tells of a step that is traced (compiler/frontend/record.py)."""

    created: Any  # the leaves made in the step

    def error(self, message: str) -> Exception: ...
    def check(self, prim: Any, args: tuple[Any, ...]) -> None: ...
    def record(self, node: Any) -> None: ...
    def leaf_created(self, tensor: Any, data: Any) -> None: ...
    def array_created(self, array: Any) -> None: ...
    def assign(self, leaf: Any, value: Any) -> None: ...
    def grad_read(self, leaf: Any) -> None: ...
    def grad_written(self, leaf: Any, grad: Any) -> None: ...


class Observer(Protocol):
    """What sees every node and every contribution to a cotangent (checking/anomaly.py)."""

    def made(self, node: Any, prim: Any, args: Any, params: dict[str, Any]) -> None: ...
    def contributed(self, node: Any, i: int, g: Any, contribution: Any, total: Any) -> None: ...


class Mode(threading.local):
    """What this thread does besides computing: record gradients, record a trace, name scopes."""

    gradients: bool = True
    trace: Tracer | None = None
    scope: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()  # the sizes of the vmaps we are in
    transforms: int = 0  # how many of grad, jvp, ... we are in
    watch: Observer | None = None  # looks for NaN and infinities
    rules: bool = False  # whether derivative rules are what computes


mode = Mode()
# Not empty while any thread is in a special mode. `Value` looks here once an operation, because
# a thread-local costs it a tenth of its speed.
special: set[Block] = set()


class Block:
    """One change of a thread's mode, until it is left: what was there before it."""

    __slots__ = ("before", "blocks", "thread")

    def __init__(self, names: Iterable[str]) -> None:
        self.thread: dict[str, Any] = mode.__dict__  # this thread's: another may leave the block
        self.blocks: list[Block] = self.thread.setdefault("blocks", [])
        self.before = {name: getattr(mode, name) for name in names}

    def enter(self, changes: dict[str, Any]) -> None:
        special.add(self)
        self.blocks.append(self)
        self.thread.update(changes)  # at once: no interrupt comes between two of them

    def leave(self) -> None:
        """Undo the change; a second time does nothing. Where a later block has changed the same
        and is still there (generators take turns), it goes on, and undoes this one's in the end."""
        if self in self.blocks:
            later = self.blocks[self.blocks.index(self) + 1 :]
            now: dict[str, Any] = {}
            for name, before in self.before.items():
                heir = next((block for block in later if name in block.before), None)
                (heir.before if heir else now)[name] = before
            self.thread.update(now)
            self.blocks.remove(self)
        special.discard(self)


class Left:
    """What a `with` block holds of the mode once it has been left: nothing."""

    __slots__ = ("block",)

    def __init__(self, block: Block) -> None:
        self.block = block


class Entered(Left):
    """And before: whatever keeps the block from being left in order, it is when this goes."""

    __slots__ = ()

    def __del__(self) -> None:
        self.block.leave()


class set_mode:
    """Change this thread's mode for the length of a `with` block.

    Whatever ends the block, also Ctrl-C at any moment, the mode is then as it was: what an
    interrupt keeps `__exit__` from doing is done when this object goes, with the traceback.
    """

    __slots__ = ("changes", "held")

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.held: list[Left] = []  # more than one where a block is within its own

    def __enter__(self) -> None:
        block = Block(self.changes)
        self.held.append(Left(block))
        self.held[-1].__class__ = Entered
        try:
            block.enter(self.changes)
        except BaseException:
            block.leave()
            raise

    def __exit__(self, *error: object) -> None:
        last = self.held[-1]
        last.block.leave()
        last.__class__ = Left  # it goes without running Python, in which Ctrl-C would be lost
        self.held.pop()


class no_grad(set_mode):
    """Compute without recording for gradients; also a decorator, `@no_grad()`.

    In a generator or a coroutine a `with` block holds for everyone else too while the body waits
    at a `yield` or `await`; the decorator holds for the body alone.

    >>> from autograd import Value, no_grad
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(gradients=False)

    def __call__(self, function: F) -> F:
        return decorated(function, no_grad)  # type: ignore[return-value]


def transformed() -> bool:
    """Whether a transform differentiates what is computed here, gradients too."""
    return mode.transforms > 0 and mode.gradients
