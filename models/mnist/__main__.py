"""Runs `python -m models.mnist`: has a rank kept, and prepares NumPy's BLAS, before NumPy is
imported; then cli.py."""

import os
import signal
import sys
from collections.abc import MutableMapping

from models.keeper import keep, launched

CPUINFO = "/proc/cpuinfo"
# The instructions that OpenBLAS's SKYLAKEX kernels use.
AVX512 = {"avx512f", "avx512bw", "avx512vl", "avx512dq"}


def _has_avx512() -> bool:
    """Whether this is an x86-64 Linux whose CPU has all of AVX512. (autograd.compiler.runtime.cpu
    knows too, but to import it is to import NumPy.)"""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return False
    try:
        with open(CPUINFO, errors="replace") as lines:
            return any(set(line.split()) >= AVX512 for line in lines if line.startswith("flags"))
    except OSError:
        return False


def prepare_blas(environment: MutableMapping[str, str]) -> None:
    """Set what OpenBLAS chooses badly; a process reads this once, when it imports NumPy."""
    if _has_avx512():
        # Older OpenBLAS takes many AMD CPUs for a Haswell, at half their speed in sgemm; an
        # inherited setting may name another CPU. Without AVX-512 this would be an illegal
        # instruction.
        environment["OPENBLAS_CORETYPE"] = "SKYLAKEX"
    # By default its idle threads spin for 2**26 cycles after a product, on a core that the next
    # computation needs; now for 2**4.
    environment.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


def _end_at_once() -> None:
    """Have Ctrl-C end this as any other program, without a traceback, where no command runs (see
    models.command_line.run); not where it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    _end_at_once()
    keep()
    prepare_blas(os.environ)
    rank, count = launched() or (0, 1)
    if count > 1:  # each computes on the cores that are its own
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from models.mnist.cli import main, main_of

    sys.exit(main() if count == 1 else main_of(rank))
