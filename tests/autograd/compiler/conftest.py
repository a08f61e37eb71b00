"""The compiler, on, with a folder of its own for what the tests here compile."""

import pytest

from autograd.compiler.runtime import build, cpu


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for what is compiled."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def compiler(monkeypatch, cache):
    """The system's compiler, whatever the environment says; where there is none, a skip."""
    if build.find_compiler(None) is None:
        pytest.skip("there is no C compiler")
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", cache)


@pytest.fixture
def fused():
    """A C compiler whose products are fused; where there is none, a skip."""
    if not (cpu.has("fma") or cpu.architecture() == "aarch64"):
        pytest.skip("this machine has no fused multiply-add")
