"""Requests that are made one: what a connector gives for it, and what comes back to each."""

from collections.abc import Iterator

import pytest

from liaison_sdk import Delivery, Http, Settling, Unanswered, connector
from liaison_sdk.joint import Effect, EventData, HttpRequest, HttpResponse, Joint, everyone, join_own, memo_of
from liaison_sdk.plugin import Connector, Registered


@pytest.fixture(autouse=True)
def unregistered() -> Iterator[None]:
    Registered.plugin = None
    yield
    Registered.plugin = None


async def deliver(delivery: Delivery, http: Http) -> Settling:
    return http.post("/lines").body(f"{delivery.event.id}\n".encode()).settle()


def join(effects: list[Effect]) -> list[Joint]:
    lines = {
        number: effect.body
        for number, effect in enumerate(effects)
        if isinstance(effect, HttpRequest) and isinstance(effect.body, bytes)
    }
    whole = HttpRequest("POST", "/lines", body=b"".join(lines.values()))
    return [Joint(whole, list(lines), memo_of(len(lines)))]


def test_what_is_joined_is_split_among_all_that_share_it() -> None:
    asked: list[Effect] = [HttpRequest("POST", "/lines", body=line) for line in (b"1\n", None, b"3\n")]
    [joint] = join(asked)
    assert joint == Joint(HttpRequest("POST", "/lines", body=b"1\n3\n"), [0, 2], b"2")
    created = HttpResponse(201, [], b"")
    assert everyone(joint.memo, created) == [created, created]
    assert everyone(b"x", Unanswered("timed-out")) == []


def test_what_needs_its_delivery_goes_by_itself() -> None:
    def line(text: bytes) -> HttpRequest:
        return HttpRequest("POST", "/lines", body=text)

    own = [None, line(b"1\n"), HttpRequest("POST", "/lines", body=EventData), HttpRequest("GET", "/", keep_body=True)]
    [joint] = join_own(join, [*own, line(b"4\n")])
    assert (joint.effect, joint.members) == (line(b"1\n4\n"), [1, 4])
    assert join_own(join, own) == [], "one alone is not joined"
    [wrong] = join_own(lambda effects: [Joint(effects[0], [-1, 1, 2])], [line(b"1"), line(b"2")])
    assert wrong.members == [0xFFFF_FFFF, 1, 0xFFFF_FFFF], "which the host refuses"


def is_joining() -> bool:
    """Of what was registered last, which is forgotten."""
    plugin, Registered.plugin = Registered.plugin, None
    assert isinstance(plugin, Connector)
    return plugin.is_joining


def test_a_connector_joins_and_splits_or_does_neither() -> None:
    connector(deliver)
    assert not is_joining()
    connector(deliver, join=join, split=everyone)
    assert is_joining()
    with pytest.raises(RuntimeError, match="give `join` and `split`, or neither"):
        connector(deliver, join=join)
