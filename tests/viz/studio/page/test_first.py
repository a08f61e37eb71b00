"""What a training on the page begins with is what Python begins with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from autograd import Tensor
from models.mlp import MLP
from models.runs.arrays import unpack
from viz.studio.engine.architecture import Architecture
from viz.studio.engine.modules import module

HERE = Path(__file__).parent
CASES = [
    ("8x8-5-3_tanh_adam_4_d0.5", 7), ("8x8-3_relu_sgd_4", 0), ("6-4-4-2_gelu_adamw_2", 2**32 - 1),
    ("28x28-32-10_identity_sgd_4", 1), ("12-9-8-7-6-2_sigmoid_sgd_3_d0.25", 2**31),
]  # fmt: skip


def test_a_training_begins_with_the_weights_of_python(
    deno: Callable[..., None], tmp_path: Path
) -> None:
    """Every state, bit for bit: the weights by the initialiser of their layer, the seeds of
    dropout; all else is zero until the page sets it."""
    cases = []
    for name, seed in CASES:
        arrays = json.loads(module(name).manifest)["arrays"]
        layouts = [each for each in arrays if each["kind"] == "state"]
        of = Architecture.read(name)
        cases.append({"layouts": layouts, "activation": of.activation, "seed": seed})
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    allowed = [f"--allow-read={tmp_path}", f"--allow-write={tmp_path}"]
    deno("run", "--no-remote", "--no-check", *allowed, str(HERE / "first.js"), str(tmp_path))
    for i, ((name, seed), case) in enumerate(zip(CASES, cases, strict=True)):
        of = Architecture.read(name)
        model = MLP(of.sizes, of.activation, seed, of.dropout)
        wanted = {
            f"model.{each}": tensor.data
            for each, tensor in model.named_state(hidden=True)
            if isinstance(tensor, Tensor) and (of.dropout or "dropouts" not in each)
        }
        found, _ = unpack((tmp_path / f"{i}.safetensors").read_bytes())
        assert found.keys() == {each["name"] for each in case["layouts"]} >= wanted.keys()
        for key, array in found.items():
            assert (array == wanted.get(key, 0)).all(), (name, key)
