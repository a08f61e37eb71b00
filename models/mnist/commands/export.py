"""The command that writes a network for other programs: export."""

from __future__ import annotations

from pathlib import Path

from data.files import reason, write
from data.registry import REGISTRY
from models.command_line import InputError
from models.exchange import to_onnx
from models.mnist.checkpoint import load

SUFFIX = ".onnx"


def export(checkpoint: str, onnx: str) -> int:
    """Write a checkpoint as an ONNX file, whole or not at all; gives the exit code."""
    if Path(onnx).suffix != SUFFIX:  # so that it cannot be a file of the run
        raise InputError(f"--onnx: expected a name that ends in {SUFFIX}, found {onnx}")
    if Path(onnx).is_dir():
        raise InputError(f"--onnx: expected the name of a file, found the folder {onnx}")
    model, learned = load(checkpoint), REGISTRY["mnist"]
    try:
        content = to_onnx(model, learned.shape, learned.scale, learned.classes)
    except ValueError as error:
        raise InputError(f"{checkpoint}: {error}") from error
    try:
        write(onnx, content)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"--onnx: expected to be able to write {onnx}, found: {reason(error)}"
        ) from error
    shape = ", ".join(map(str, learned.shape))
    print(
        f"{onnx}: {len(content):,} bytes; from images, uint8 (batch, {shape}), to logits "
        f"(batch, {len(learned.classes)})"
    )
    return 0
