"""The mode of a thread: whether it records gradients or a trace, is within grad or vmap, or watches
for NaN. `set_mode` changes it for the length of a `with` block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from .resume import decorated

F = TypeVar("F", bound=Callable[..., Any])


class Tracer(Protocol):
    """What the engine calls while a step is traced (compiler/frontend/record.py)."""

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
    """Is told of every node and every contribution to a cotangent (checking/anomaly.py)."""

    def made(self, node: Any, prim: Any, args: Any, params: dict[str, Any]) -> None: ...
    def contributed(self, node: Any, i: int, g: Any, contribution: Any, total: Any) -> None: ...


class Mode(threading.local):
    """The mode of this thread."""

    gradients: bool = True
    trace: Tracer | None = None
    scope: tuple[str, ...] = ()  # the path of the module that is called
    batches: tuple[int, ...] = ()  # the batch sizes of the vmaps around
    transforms: int = 0  # how many of grad, jvp, ... are around
    watch: Observer | None = None  # looks for NaN and infinities
    rules: bool = False  # whether derivative rules are being called


mode = Mode()
# Not empty while any thread is in a special mode. A Value looks here once an operation: to read a
# thread-local would take a tenth of its time.
special: set[Block] = set()


class Block:
    """One change of a thread's mode. `before` holds what to restore when it is left."""

    __slots__ = ("before", "blocks", "thread")

    def __init__(self, names: Iterable[str]) -> None:
        self.thread: dict[str, Any] = mode.__dict__  # of this thread: another may leave the block
        self.blocks: list[Block] = self.thread.setdefault("blocks", [])
        self.before = {name: getattr(mode, name) for name in names}

    def enter(self, changes: dict[str, Any]) -> None:
        special.add(self)
        self.blocks.append(self)
        self.thread.update(changes)  # in one step: no interrupt comes between two changes

    def leave(self) -> None:
        """Undo the change; a second call does nothing. If a later block changed the same name and
        has not been left (generators take turns), its change stays, and it restores in the end
        what this block would have restored."""
        if self in self.blocks:
            later = self.blocks[self.blocks.index(self) + 1 :]
            now: dict[str, Any] = {}
            for name, before in self.before.items():
                successor = next((block for block in later if name in block.before), None)
                (successor.before if successor else now)[name] = before
            self.thread.update(now)
            self.blocks.remove(self)
        special.discard(self)


class ExitedBlock:
    """A block that has been left; nothing happens when this object is deleted."""

    __slots__ = ("block",)

    def __init__(self, block: Block) -> None:
        self.block = block


class EnteredBlock(ExitedBlock):
    """A block that is entered. Should nothing else leave it, deleting this object does."""

    __slots__ = ()

    def __del__(self) -> None:
        self.block.leave()


class set_mode:
    """Change this thread's mode for the length of a `with` block.

    The mode is restored whatever ends the block, also Ctrl-C at any moment: if an interrupt stops
    `__exit__`, the mode is restored when this object is deleted together with the traceback.
    """

    __slots__ = ("changes", "held")

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.held: list[ExitedBlock] = []  # several if the block is entered again within itself

    def __enter__(self) -> None:
        block = Block(self.changes)
        self.held.append(ExitedBlock(block))
        self.held[-1].__class__ = EnteredBlock
        try:
            block.enter(self.changes)
        except BaseException:
            block.leave()
            raise

    def __exit__(self, *error: object) -> None:
        last = self.held[-1]
        last.block.leave()
        # Deleting it then runs no Python code, in which Ctrl-C would be lost.
        last.__class__ = ExitedBlock
        self.held.pop()


class no_grad(set_mode):
    """Compute without recording for gradients; also a decorator, `@no_grad()`.

    In a generator or a coroutine, a `with` block stays in force for all other code while the body
    waits at a `yield` or `await`; the decorator affects the body alone.

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
    """Whether a transform differentiates what is computed now, gradients included."""
    return mode.transforms > 0 and mode.gradients
