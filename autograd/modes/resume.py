"""A decorator that puts a context manager around the body of a function, and around nothing else.

The body of a generator or coroutine is suspended and resumed, and other code runs in between. So
the context is entered at each resume and left at each suspension (as by PyTorch's `no_grad`).
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Block = Callable[[], AbstractContextManager[Any]]

# Bits of co_flags. (The module inspect names them, but takes long to import.)
GENERATOR, COROUTINE, ASYNC_GENERATOR = 0x20, 0x80, 0x200


def decorated(function: Callable[..., Any], block: Block) -> Callable[..., Any]:
    """`function` with a new `block()` around its body, be it a function, generator or coroutine."""
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)

    def call(*args: Any, **keywords: Any) -> Any:
        with block():
            return function(*args, **keywords)

    def generate(*args: Any, **keywords: Any) -> Any:
        return (yield from _resumed(function(*args, **keywords), block))

    async def wait(*args: Any, **keywords: Any) -> Any:
        return await _resumed(function(*args, **keywords), block)

    async def stream(*args: Any, **keywords: Any) -> Any:
        inner = function(*args, **keywords)
        step, value = inner.asend, None
        while True:
            try:
                item = await _resumed(step(value), block)
            except StopAsyncIteration:
                return
            try:
                value, step = (yield item), inner.asend
            except GeneratorExit:
                await _resumed(inner.aclose(), block)
                raise
            except BaseException as error:
                value, step = error, inner.athrow

    kinds = {GENERATOR: generate, COROUTINE: wait, ASYNC_GENERATOR: stream}
    wrapper = next((kind for flag, kind in kinds.items() if flags & flag), call)
    return functools.wraps(function)(wrapper)


@types.coroutine
def _resumed(inner: Any, block: Block) -> Any:
    """A generator or coroutine with a block around each step that it runs."""
    step, value = inner.send, None
    while True:
        try:
            with block():
                asked = step(value)
        except StopIteration as stop:
            return stop.value
        try:
            value, step = (yield asked), inner.send
        except GeneratorExit:
            with block():
                inner.close()
            raise
        except BaseException as error:
            value, step = error, inner.throw
