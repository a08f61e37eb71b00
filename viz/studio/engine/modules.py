"""Modules of WebAssembly, made on demand and kept on disk.

A file's name says what the module is of and by which sources it was made: a changed engine makes a
new one. What is damaged, or cannot be kept, is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd
import models
import viz.studio.engine
from autograd import Tensor
from autograd.compiler import RefusedError, wasm
from autograd.compiler.runtime.cache import keep, private_folder, read
from autograd.optim import SGD, Adam, AdamW, Optimizer
from models.mlp import MLP
from models.mnist.novelty import Novelty
from models.mnist.train import centred
from models.web import entries
from viz.studio.engine.architecture import Architecture
from viz.studio.refusal import Refusal

if TYPE_CHECKING:
    from autograd.compiler.web.module import WasmModule

__all__ = ["Module", "entries_of", "made_of", "module", "owners"]

FOLDER = "modules"  # beside the cache of compiled steps
MEGABYTES = 64
DRAWN = 1 << 17  # examples whose order is drawn; of fewer it is the beginning
# The page sets what a training goes by; held at all, and so in the module, is what is not 0 here.
RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4


@dataclass(frozen=True)
class Module:
    """A module, as the page's loader takes it. manifest: JSON, with the `sha256` of the bytes of
    `wasm`."""

    wasm: bytes
    manifest: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.wasm).hexdigest()


@lru_cache(maxsize=16)
def module(name: str) -> Module:
    """The module of an architecture, kept or made. Raises Refusal where it is none, and 422 where a
    module has no room for it."""
    architecture = Architecture.read(name)
    key = hashlib.sha256(f"{sources()} {architecture}".encode()).hexdigest()[:32]
    folder, _ = private_folder(FOLDER)
    kept = read(folder / f"{key}.module") if folder else None
    if kept is not None:
        manifest, _, wasm = kept.partition(b"\n")
        return Module(wasm, manifest)
    made = make(architecture)
    if folder:
        keep(folder / f"{key}.module", made.manifest + b"\n" + made.wasm, MEGABYTES)
    return made


def owners(of: Architecture, seed: int = 0) -> tuple[MLP, Optimizer, Tensor | None]:
    """What holds the states of a module; the mean is sgd's alone."""
    model = MLP(of.sizes, of.activation, seed, of.dropout)
    is_sgd = of.optimizer == "sgd"
    mean = Tensor(np.zeros(of.sizes[0], np.float32), name="mean") if is_sgd else None
    return model, optimizer_of(of, model), mean


def make(of: Architecture) -> Module:
    """The module, made."""
    try:
        built = built_of(of)
    except RefusedError as error:
        raise Refusal(
            422, "architecture", "a module that WebAssembly has room for", error
        ) from error
    return _packed(built)


def made_of(novelty: Novelty, shape: Sequence[int], scale: float) -> Module:
    """The module that tells which pictures of a shape are new."""
    return _packed(wasm(novelty.entries(shape, scale)))


def _packed(built: WasmModule) -> Module:
    said = {**built.manifest, "sha256": hashlib.sha256(built.wasm).hexdigest()}
    return Module(built.wasm, json.dumps(said).encode())


def built_of(of: Architecture) -> WasmModule:
    """What `autograd.compiler.wasm` gives. Its states are those of model and optimizer; and of sgd
    the `mean` of the images, divided by the scale, about which the network learns as
    `models.mnist.train.centred` says: zeros are plain sgd."""
    model, optimizer, mean = owners(of)
    simd = "relaxed" if of.relaxed else "v128"
    return wasm(entries_of(of, model, optimizer, mean), simd, model=model, optimizer=optimizer)


def entries_of(
    of: Architecture, model: MLP, optimizer: Optimizer, mean: Tensor | None
) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """The entries of its module, by name, each with arguments: `models.web.entries`."""
    return entries(
        model,
        optimizer,
        of.shape,
        of.batch,
        block=of.steps * of.batch,
        steps=of.steps,
        scored=of.scored,
        drawn=DRAWN,
        scale=of.scale,
        reduce=None if mean is None else centred(mean),
    )


def optimizer_of(of: Architecture, model: MLP) -> Optimizer:
    parameters = model.parameters()
    match of.optimizer:
        case "sgd":
            return SGD(parameters, RATE, MOMENTUM, weight_decay=DECAY)
        case "adam":
            return Adam(parameters, RATE, weight_decay=DECAY)
    return AdamW(parameters, RATE, weight_decay=DECAY)


@cache
def sources() -> str:
    """A digest of all that a module is made by."""
    digest = hashlib.sha256(version("wasmtime").encode())
    for package in (autograd, models, viz.studio.engine):
        for file in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
