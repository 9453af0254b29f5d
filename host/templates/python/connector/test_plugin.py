"""The connector natively, against an endpoint that follows a script."""

from liaison_sdk import Outcome
from liaison_sdk.testing import endpoint, event, reply, settings

from plugin import deliver


def test_an_event_goes_to_its_path() -> None:
    settings(path="/events")
    run = endpoint().expect("PUT /events/a%2Fb", reply(204)).deliver(deliver, event("made").id("a/b"))
    assert run.outcome == Outcome.delivered()


def test_a_tombstone_deletes() -> None:
    settings(path="/events")
    run = endpoint().expect("DELETE /events/1", reply(204)).deliver(deliver, event("gone").tombstone())
    assert run.outcome == Outcome.delivered()
