"""The judge of the compiler's bits: that it sees what differs, and that its corpus runs."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd.compiler.runtime import build
from tests import corpus, golden

ROOT = Path(__file__).parents[1]


def arrays():
    x = np.linspace(-2, 2, 37, dtype=np.float32)
    return {"call 1/tanh/0": x, "call 1/sin/0": x.copy(), "loop/state/count": np.array(3)}


def judged(change):
    """The verdict on arrays of which one side was changed."""
    here, verdict = arrays(), golden.Verdict()
    change(here)
    golden.judge(verdict, here, arrays())
    return verdict


def changed(name, value):
    def change(here):
        here[name] = np.asarray(value(here[name]))

    return change


def one_bit(x):
    y = x.copy()
    y.view(np.uint32)[5] ^= 1
    return y


def test_equal_arrays_pass():
    verdict = judged(lambda here: None)
    assert verdict.passed and verdict.arrays == 3 and str(verdict) == "equal"


def test_one_changed_bit_is_seen():
    verdict = judged(changed("call 1/tanh/0", one_bit))
    assert not verdict.passed and verdict.differing == {"call 1/tanh/0": 1.0}


def test_what_is_allowed_is_told_apart_from_what_is_too_much():
    few = judged(changed("call 1/sin/0", one_bit))
    assert few.passed and few.excused == {"call 1/sin/0": 1.0}
    assert not judged(changed("call 1/sin/0", lambda x: x * np.float32(1 + 2**-20))).passed
    assert golden.corpus.allowed("sin", np.dtype(np.float64)) == 0


@pytest.mark.parametrize("name", arrays())
def test_a_missing_array_is_seen_on_either_side(name):
    assert not judged(lambda here: here.pop(name)).passed
    verdict = golden.Verdict()
    golden.judge(verdict, arrays(), {k: v for k, v in arrays().items() if k != name})
    assert not verdict.passed


def test_dtypes_shapes_and_integers_are_compared():
    assert not judged(changed("call 1/tanh/0", lambda x: x.astype(np.float64))).passed
    assert not judged(changed("call 1/tanh/0", lambda x: x[None])).passed
    assert not judged(changed("loop/state/count", lambda x: x + 1)).passed


def test_distances_are_counted_in_the_last_place():
    one = np.array([1.0, np.nan, 0.0, -5.0])
    assert golden.distance(one, one.copy()) == 0
    assert golden.distance(one, np.array([1.0, -np.nan, 0.0, -5.0])) == 0  # any nan is any other
    assert golden.distance(one, np.nextafter(one, np.inf) * [1, 1, 0, 1]) == 1
    assert golden.distance(one, np.array([1.0, np.nan, -0.0, -5.0])) == math.inf
    assert golden.distance(one, np.array([1.0, 2.0, 0.0, -5.0])) == math.inf
    assert golden.distance(one, np.array([1.0, np.nan, 0.0, 5.0])) == math.inf


def test_what_is_no_longer_compiled_is_seen():
    good = {"error": "", "compiled": True, "left": ["index"]}
    for worse in ({"compiled": False}, {"left": ["index", "index"]}, {"error": "KeyError: 'x'"}):
        verdict = golden.Verdict()
        golden.judge_compiled(verdict, good | worse, good)
        assert not verdict.passed
    verdict = golden.Verdict()
    golden.judge_compiled(verdict, good | {"left": []}, good)
    golden.judge_compiled(verdict, good | {"compiled": None}, good)
    assert verdict.passed and verdict.notes == ["no longer leaves to NumPy: 1 index"]


def test_the_worktree_goes_whatever_happens():
    def trees():
        words = ["git", "-C", str(ROOT), "worktree", "list"]
        found = subprocess.run(words, capture_output=True, text=True, check=False)
        if found.returncode:
            pytest.skip("this is no repository")
        return found.stdout

    trees()
    tree = None
    try:
        with golden.worktree("HEAD") as tree:
            assert (tree / "autograd").is_dir() and str(tree) in trees()
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert not tree.exists() and str(tree) not in trees()


@pytest.mark.skipif(build.find_compiler(None) is None, reason="there is no C compiler")
def test_programs_of_the_corpus_run(tmp_path, monkeypatch):
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    names = [
        "primitive tanh float32",
        "SGD float64",
        "states moved while their old values are read float32",
    ]
    ((found, said),) = golden.run([ROOT], 1, names, tmp_path)
    assert [*found] == [*said] == names
    assert all(about["compiled"] and not about["error"] for about in said.values())
    states = {name for name in found["SGD float64"] if name.startswith("loop/state/")}
    assert len(states) >= 6 and all(len(arrays) > 5 for arrays in found.values())
    assert all(name in corpus.PROGRAMS for name in names)


def test_the_programs_are_listed():
    words = [sys.executable, "-m", "tests.golden", "--list"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert listed.splitlines() == list(corpus.PROGRAMS)
