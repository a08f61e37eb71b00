"""A model written as ONNX, which other programs run: `python -m models.mnist export` calls this.

The model is traced in evaluation as `jit` traces a step, from the numbers as a dataset holds them
to the logits, and each primitive of the trace becomes a node of ONNX by a table. So whatever a
`forward` does is written, or refused by the name of the primitive that has no line here. It is
traced with two sizes of the batch: what differs between the two traces is the batch's axis.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from autograd import Tensor, astype, jit, reshape
from autograd.compiler import RefusedError, TraceError
from autograd.compiler.frontend.program import Apply, Program
from autograd.nn import Linear, Module
from models.web import evaluating

__all__ = ["ExportError", "to_onnx"]

OPSET = 18  # of 2022: the first whose reductions all take their axes as an input
BATCHES = (2, 3)  # the sizes that the model is traced with
INPUT, OUTPUT = "images", "logits"


class ExportError(ValueError):
    """A model cannot be written as ONNX; the message says what of it, or what to install."""


def to_onnx(
    model: Module,
    shape: Sequence[int],
    scale: float,
    classes: Sequence[str],
    dtype: Any = np.uint8,
) -> bytes:
    """The model in evaluation, as an ONNX file: "images", (batch, *shape) of `dtype`, to "logits",
    (batch, len(classes)) floats.

    The images are divided by `scale` and flattened, as the model read them when it learned; the
    weights are named as in `state_dict`. The file's metadata are JSON: "classes", "sizes" (of the
    input and of what each Linear gives); and the text "engine". Raises ExportError where a part of
    the model has no ONNX, where it gives something else for these images, and without the package
    onnx; besides, what the model raises for images of another shape than its own.

    >>> from models.mlp import MLP
    >>> content = to_onnx(MLP([784, 128, 10]), (28, 28), 255.0, classes="0123456789")
    >>> len(content) > 4 * 101_770  # bytes of its parameters
    True
    """
    onnx = _onnx()
    with evaluating(model):
        programs = [_traced(model, shape, scale, dtype, n) for n in BATCHES]
    names = {tensor: name for name, tensor in model.named_state(hidden=True)}
    graph = _Graph(onnx, names, programs[0], dtype)
    answer = graph.write(*programs)
    if answer.shape != (BATCHES[0], len(classes)):
        raise ExportError(
            f"for {BATCHES[0]} images of shape {tuple(shape)} the model gives {answer.shape}, "
            f"not logits of {len(classes)} classes"
        )
    made = graph.finished(shape, answer)
    sizes = [math.prod(shape), *(m.bias.size for m in model.modules() if isinstance(m, Linear))]
    lists = {"classes": json.dumps(list(classes)), "sizes": json.dumps(sizes)}
    onnx.helper.set_model_props(made, {**lists, "engine": f"chainrule {_version()}".strip()})
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def _onnx() -> Any:
    try:
        import onnx  # here: it takes longer than all the rest
    except ImportError as error:
        raise ExportError(
            f"the package onnx is wanted ({error}): "
            "pip install -e '.[export]' in Chainrule's folder"
        ) from error
    return onnx


def _version() -> str:
    """The engine's, "" where it is not installed."""
    try:
        return metadata.version("chainrule")
    except metadata.PackageNotFoundError:
        return ""


def _traced(model: Module, shape: Sequence[int], scale: float, dtype: Any, n: int) -> Program:
    """What the model does with n images."""

    def logits(images: Any) -> Any:
        x = astype(images, np.float32) / float(scale)
        out = model(reshape(x, (len(images), math.prod(shape))))
        if not isinstance(out, Tensor):
            raise ExportError(f"the model gives a {type(out).__name__}, not a Tensor of logits")
        return out

    try:
        return jit(logits).lower(np.zeros((n, *shape), dtype)).program
    except (RefusedError, TraceError) as error:
        raise ExportError(f"the model cannot be traced: {error}") from error


# --- the graph -----------------------------------------------------------------------------------


class _Graph:
    """The nodes that a program has become so far, and the arrays that they read.

    names: of the model's Tensors. held: the constants and Tensors that the program reads, by slot.
    called: what those are called that have a name. values: the names in the graph of the slots that
    are in it already. dtypes: of all slots; None for a number of Python's, which takes any.
    """

    def __init__(self, onnx: Any, names: dict[Tensor, str], program: Program, dtype: Any) -> None:
        self.onnx, self.nodes, self.arrays = onnx, list[Any](), list[Any]()
        (images,) = program.inputs
        states = dict(program.states)
        self.held = dict(program.constants) | {slot: t.data for slot, t in states.items()}
        self.called = {slot: names.get(t) or t.name or "state" for slot, t in states.items()}
        self.values, self.used = {images: INPUT}, {INPUT, OUTPUT}
        self.dtypes = {slot: getattr(value, "dtype", None) for slot, value in self.held.items()}
        self.dtypes[images] = np.dtype(dtype)

    def write(self, program: Program, other: Program) -> Apply:
        """Write a program's operations; gives the last, whose result are the logits. other: the
        same for more images."""
        if _form(program) != _form(other):
            raise ExportError("what the model does depends on how many images there are")
        (result,) = program.results
        answer: Apply | None = None
        for step, more in zip(program.steps, other.steps, strict=True):
            if not isinstance(step, Apply) or not isinstance(more, Apply):
                raise ExportError("in evaluation the model changes a Tensor that it holds")
            if step.out == result:
                self.values[result], answer = OUTPUT, step
            self._apply(step, more)
        if answer is None:
            raise ExportError("what the model gives does not depend on the images")
        return answer

    def _apply(self, step: Apply, more: Apply) -> None:
        name = step.primitive.name
        if name not in NODES:
            where = ".".join(step.scope) or "the model"
            raise ExportError(f"{where}: the primitive {name} has no ONNX here ({step.line})")
        self.dtypes[step.out] = step.dtype
        NODES[name](self, step, more)

    def node(self, op: str, step: Apply, *inputs: str, **attributes: Any) -> None:
        """Add the node that gives the result of a step."""
        name = self.values.setdefault(step.out, self.unused(f"{step.primitive.name}_{step.out}"))
        path = "/".join((*step.scope, name))
        made = self.onnx.helper.make_node(op, inputs, [name], name=path, **attributes)
        self.nodes.append(made)

    def read(self, slot: int, dtype: Any) -> str:
        """The name of the value in a slot, as an array of `dtype`."""
        if self.dtypes[slot] is None:
            return self.array(np.asarray(self.held[slot], dtype), f"number_{slot}")
        if slot not in self.values:
            name = self.called.get(slot, f"constant_{slot}")
            self.values[slot] = self.array(self.held[slot], name)
        name = self.values[slot]
        if self.dtypes[slot] == dtype:
            return name
        cast = self.unused(f"{name}_as_{np.dtype(dtype).name}")
        self.nodes.append(self.onnx.helper.make_node("Cast", [name], [cast], to=self.type(dtype)))
        return cast

    def array(self, array: Any, name: str) -> str:
        """An array that the graph holds; gives its name."""
        name = self.unused(name)
        self.arrays.append(self.onnx.numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def type(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def unused(self, name: str) -> str:
        """The name, or where something has it already, with a _ behind it."""
        while name in self.used:
            name += "_"
        self.used.add(name)
        return name

    def finished(self, shape: Sequence[int], answer: Apply) -> Any:
        """The whole file. shape: of one image. answer: what gave the logits."""
        helper = self.onnx.helper
        (images,) = [slot for slot, name in self.values.items() if name == INPUT]
        ends = [
            helper.make_tensor_value_info(name, self.type(dtype), ["batch", *each])
            for name, dtype, each in (
                (INPUT, self.dtypes[images], shape),
                (OUTPUT, answer.dtype, answer.shape[1:]),
            )
        ]
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            helper.make_graph(self.nodes, "chainrule", ends[:1], ends[1:], self.arrays),
            opset_imports=opsets,
            ir_version=helper.find_min_ir_version_for(opsets),  # which the oldest runtimes read
            producer_name="chainrule",
            producer_version=_version(),
        )


def _form(program: Program) -> Any:
    """What must not depend on the size of the batch: the operations, and the arrays they read."""
    constants = [(slot, np.asarray(value).tobytes()) for slot, value in program.constants]
    steps = [
        (type(s), getattr(s, "primitive", None), getattr(s, "args", ())) for s in program.steps
    ]
    return constants, steps, program.inputs, program.results


def _sizes(step: Apply, few: Sequence[int], many: Sequence[int]) -> list[int]:
    """A shape of a step that was traced twice, with -1 where it is a multiple of the batch."""
    sizes = [n if n == m else -1 for n, m in zip(few, many, strict=True)]
    one, other = BATCHES
    unlike = any(n != m and n * other != m * one for n, m in zip(few, many, strict=True))
    if unlike or sizes.count(-1) > 1:
        raise _depends(step)
    return sizes


def _same(step: Apply, more: Apply) -> dict[str, Any]:
    """The parameters of a step that was traced twice; ExportError where they differ."""
    if step.params != more.params:
        raise _depends(step)
    return step.params


def _depends(step: Apply) -> ExportError:
    return ExportError(
        f"the primitive {step.primitive.name} depends on how many images there are ({step.line})"
    )


# --- the table -----------------------------------------------------------------------------------

Writer = Callable[[_Graph, Apply, Apply], None]


def _plain(op: str) -> Writer:
    """A node with the primitive's own arguments, all of the result's dtype."""

    def write(graph: _Graph, step: Apply, more: Apply) -> None:
        graph.node(op, step, *(graph.read(slot, step.dtype) for slot in step.args))

    return write


def _comparison(op: str) -> Writer:
    """A node that compares two arrays in the wider of their dtypes."""

    def write(graph: _Graph, step: Apply, more: Apply) -> None:
        kinds = [graph.dtypes[slot] for slot in step.args]
        numbers = [graph.held[slot] for slot in step.args if graph.dtypes[slot] is None]
        dtype = np.result_type(*numbers, *(kind for kind in kinds if kind is not None))
        graph.node(op, step, *(graph.read(slot, dtype) for slot in step.args))

    return write


def _reduction(op: str) -> Writer:
    """A node that reduces axes, which are an input of it."""

    def write(graph: _Graph, step: Apply, more: Apply) -> None:
        params = _same(step, more)
        x = graph.read(step.args[0], step.dtype)
        if not params["axis"]:  # which in ONNX would be all
            return graph.node("Identity", step, x)
        axes = graph.array(np.array(params["axis"], np.int64), f"axes_{step.out}")
        return graph.node(op, step, x, axes, keepdims=int(params["keepdims"]))

    return write


def _where(graph: _Graph, step: Apply, more: Apply) -> None:
    condition, x, y = step.args
    graph.node("Where", step, graph.read(condition, np.bool_),
               graph.read(x, step.dtype), graph.read(y, step.dtype))  # fmt: skip


def _cast(graph: _Graph, step: Apply, more: Apply) -> None:
    (x,) = step.args
    graph.node("Cast", step, graph.read(x, graph.dtypes[x]), to=graph.type(step.dtype))


def _transpose(graph: _Graph, step: Apply, more: Apply) -> None:
    graph.node("Transpose", step, graph.read(step.args[0], step.dtype), perm=step.params["axes"])


def _reshape(graph: _Graph, step: Apply, more: Apply) -> None:
    sizes = np.array(_sizes(step, step.shape, more.shape), np.int64)
    shape = graph.array(sizes, f"shape_{step.out}")
    graph.node("Reshape", step, graph.read(step.args[0], step.dtype), shape)


def _concatenate(graph: _Graph, step: Apply, more: Apply) -> None:
    parts = [graph.read(slot, step.dtype) for slot in step.args]
    graph.node("Concat", step, *parts, axis=_same(step, more)["axis"])


def _log_softmax(graph: _Graph, step: Apply, more: Apply) -> None:
    axes = step.params["axis"]
    if len(axes) != 1:
        raise ExportError(f"ONNX has log_softmax over one axis, not over {axes} ({step.line})")
    graph.node("LogSoftmax", step, graph.read(step.args[0], step.dtype), axis=axes[0])


# What ONNX has under the same name, with a capital.
SAME = "abs add cos div exp identity log mul neg relu sigmoid sin softplus sqrt sub tanh"
NODES: dict[str, Writer] = {
    **{name: _plain(name.title()) for name in SAME.split()},
    "detach": _plain("Identity"),
    "logical_and": _plain("And"),
    "logical_not": _plain("Not"),
    "logical_or": _plain("Or"),
    "logical_xor": _plain("Xor"),
    "matmul": _plain("MatMul"),
    "maximum": _plain("Max"),
    "minimum": _plain("Min"),
    "power": _plain("Pow"),
    "equal": _comparison("Equal"),
    "greater": _comparison("Greater"),
    "greater_equal": _comparison("GreaterOrEqual"),
    "less": _comparison("Less"),
    "less_equal": _comparison("LessOrEqual"),
    "logsumexp": _reduction("ReduceLogSumExp"),
    "max": _reduction("ReduceMax"),
    "min": _reduction("ReduceMin"),
    "sum": _reduction("ReduceSum"),
    "cast": _cast,
    "concatenate": _concatenate,
    "log_softmax": _log_softmax,
    "reshape": _reshape,
    "transpose": _transpose,
    "where": _where,
}
