"""The command that writes a network for other programs: export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data.files import reason, write
from data.registry import REGISTRY
from models.command_line import InputError, printable
from models.exchange import to_onnx
from models.mnist.checkpoint import load
from models.mnist.datasets import Described

SUFFIX = ".onnx"


def export(checkpoint: str, onnx: str) -> int:
    """Write a checkpoint as an ONNX file, whole or not at all; gives the exit code."""
    if Path(onnx).suffix != SUFFIX:  # so that it cannot be a file of the run
        raise InputError(f"--onnx: expected a name that ends in {SUFFIX}, found {onnx}")
    if Path(onnx).is_dir():
        raise InputError(f"--onnx: expected the name of a file, found the folder {onnx}")
    model, described = load(checkpoint)
    try:
        dtype = _dtype(described)
        content = to_onnx(model, described.shape, described.scale, described.classes, dtype)
    except (ValueError, InputError) as error:
        raise InputError(f"{checkpoint}: {error}") from error
    try:
        write(onnx, content)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"--onnx: expected to be able to write {onnx}, found: {reason(error)}"
        ) from error
    shape = ", ".join(map(str, described.shape))
    print(
        f"{printable(onnx)}: {len(content):,} bytes; from images, {dtype} (batch, {shape}), to "
        f"logits (batch, {len(described.classes)})"
    )
    return 0


def _dtype(described: Described) -> np.dtype[Any]:
    """That of the examples as they lie in the dataset, which has to be there unless it is a
    registered one. Raises InputError."""
    if described.source["source"][0] in REGISTRY:
        return np.dtype(np.uint8)
    images, _ = described.load("test")["test"].base
    return images.dtype
