"""What OpenAPI says of the studio's routes is true of them as a whole."""

from viz.studio.app import create
from viz.studio.studio import Studio

SAID = create(Studio("token")).openapi()
OPERATIONS = {
    operation["operationId"]: operation
    for methods in SAID["paths"].values()
    for operation in methods.values()
}


def test_every_operation_has_a_name_of_its_own():
    assert len(OPERATIONS) == sum(map(len, SAID["paths"].values()))


def test_every_link_leads_to_an_operation_by_parameters_that_it_has():
    """Else a client that follows them, as schemathesis does, follows none."""
    links = [
        link
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    for link in links:
        names = {
            each["name"].lower() for each in OPERATIONS[link["operationId"]].get("parameters", [])
        }
        assert {name.lower() for name in link.get("parameters", {})} <= names, link
