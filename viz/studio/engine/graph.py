"""The graph of a network for one example, with its numbers, as the debugger steps through it.

The nodes are arrays, whatever their sizes: an answer says of each its range and its largest entry,
so that it is as large for layers of 4,096 as for layers of 4.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, cross_entropy
from models.mnist.scoring import inputs
from viz.debugger.trace_view import trace_view
from viz.diagram import outline
from viz.studio.engine.network import Network
from viz.studio.refusal import Refusal

__all__ = ["graph", "root"]

MOST_WEIGHTS = 32_000_000  # whose rules are checked by differences in some 20 s
NAMED = re.compile(r"(?P<layer>layer\.(?P<number>\d{1,2})|logits)/(?P<neuron>\d{1,6})", re.ASCII)


def graph(of: Network, image: NDArray[Any], label: int, what: str) -> dict[str, Any]:
    """The trace view (viz/debugger/trace_view.py) of what `root` gives, and its drawing: "svg".
    Raises Refusal 409 for a network that is too large to be stepped through."""
    weights = sum(parameter.size for parameter in of.model.parameters())
    if weights > MOST_WEIGHTS:
        few = f"a network of at most {MOST_WEIGHTS:,} weights"
        raise Refusal(409, "weights", few, f"{weights:,}")
    node = root(of, image, label, what)
    with np.errstate(all="ignore"):
        view = trace_view(node, title=what)
        return {**view, "svg": outline(node)._repr_svg_()}


@np.errstate(all="ignore")
def root(of: Network, image: NDArray[Any], label: int, what: str) -> Any:
    """A node, computed from one image, (*shape): the "loss" of its label; or one number of what a
    layer gives, after its activation function: "layer.0/12", "logits/3". Raises Refusal 404."""
    x = Tensor(inputs(image[None], of.described.scale), requires_grad=True, name="image")
    outputs = of.model.outputs(x)
    if what == "loss":
        return cross_entropy(outputs[-1], np.array([label]))
    hidden = outputs[1::2]
    layers = {**{f"layer.{i}": node for i, node in enumerate(hidden)}, "logits": outputs[-1]}
    found = NAMED.fullmatch(what)
    layer = layers.get(found["layer"]) if found else None
    if found is None or layer is None:
        raise Refusal(
            404,
            "of",
            f"loss, or one of {', '.join(layers)} with a number: {next(iter(layers))}/0",
            what,
        )
    neuron, width = int(found["neuron"]), layer.shape[1]
    if neuron >= width:
        raise Refusal(404, "of", f"a number from 0 to {width - 1}", what)
    return layer[0, neuron]
