"""What this machine's CPU is and can do, as the system tells."""

from __future__ import annotations

import functools
import platform

__all__ = ["architecture", "features", "has", "model"]

# What tiles of 512 bits need, and OpenBLAS's SKYLAKEX kernels.
AVX512 = frozenset(("avx512f", "avx512bw", "avx512dq", "avx512vl"))


@functools.cache
def features() -> str:
    """The instruction sets: Linux's line of flags; elsewhere the CPU's name."""
    return _line("flags", "Features") or platform.processor()


def has(*names: str) -> bool:
    """Whether the CPU has all of these instruction sets."""
    return set(features().split()) >= set(names)


def model() -> str:
    """The CPU's name."""
    return _line("model name").partition(":")[2].strip() or platform.processor() or architecture()


def architecture() -> str:
    """x86_64, aarch64 or another."""
    return {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())


def _line(*beginnings: str) -> str:
    """The first line of /proc/cpuinfo with such a beginning; empty if there is none."""
    try:
        with open("/proc/cpuinfo", errors="replace") as lines:
            return next((line for line in lines if line.startswith(beginnings)), "")
    except OSError:
        return ""
