"""What the API describes is what it does: each question that its description allows or forbids is
answered as it says, never by a fault. `python -m tests.viz.studio.api --examples 1000` asks on."""

import pytest

pytest.importorskip("schemathesis")

from tests.viz.studio.api import tried


def test_every_answer_is_as_described(tmp_path):
    found = tried(tmp_path, 3)
    assert found.wrong == []
    assert max(found.statuses) < 500
    assert len(found.done) > 20  # of 34: it does not only ask what is refused
