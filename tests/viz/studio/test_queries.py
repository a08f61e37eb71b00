"""What an address asks: parameters that a route does not know are refused, by name."""

import pytest

from tests.viz.studio.client import WRITING, client, refused


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


def test_no_route_takes_a_parameter_that_it_does_not_name(studio):
    """Else ?step=100 takes one step, and nobody is told."""
    described = studio.get("/api/openapi.json").json()["paths"]
    for path, operations in described.items():
        for method in operations:
            answer = studio.request(
                method, f"{path.replace('{split}', 'test')}?nonsense=1", headers=WRITING
            )
            assert "nonsense" in refused(answer, 422, "query"), path


def test_the_parameters_that_there_are_are_named(studio):
    sent = {**WRITING, "If-Match": "*"}
    answer = studio.post("/api/train?step=100", headers=sent, content=b"")
    message = refused(answer, 422, "query")
    assert message == "query: expected one of rate, steps, dtype, found step"
    assert len(studio.get("/api/weights/history").json()["versions"]) == 1
    answer = studio.get("/api/samples/mnist/test/random?seed=1&seed=2")
    assert refused(answer, 422, "query.seed") == "query.seed: expected it once, found it 2 times"
    assert studio.get("/api/samples/mnist/test/random?seed=1&label=3").json()["label"] == 3
