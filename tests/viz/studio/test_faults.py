"""Uploads that cannot be right, and kill -9, on a studio in a process of its own; both in short.
`python -m tests.viz.studio.fuzz` and `python -m tests.viz.studio.kills` do the same at length."""

from tests.viz.studio.fuzz import MOST, fuzz
from tests.viz.studio.kills import kills
from tests.viz.studio.mutants import KINDS, mutants


def test_uploads_of_every_kind_that_cannot_be_right_are_refused_in_a_sentence(tmp_path):
    counts, wrong, peaks = fuzz(str(tmp_path), mutants(2 * len(KINDS), seed=1))
    assert not wrong, "\n".join(wrong)
    assert set(counts) == {"413", "415", "422"}
    assert max(peaks.values()) < MOST


def test_after_kill_9_no_acknowledged_write_is_lost(tmp_path):
    run = kills(tmp_path, count=2, clients=12, writes=4)
    assert run.written >= 2
    assert run.counts["versions checked"] > run.written
