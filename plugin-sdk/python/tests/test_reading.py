"""What a plugin reads: data, replies, settings."""

from dataclasses import dataclass, field

import pytest

from liaison_sdk import (
    Delivery,
    Event,
    EventFailure,
    Http,
    Merged,
    Outcome,
    Overwrite,
    ReplyFailure,
    SettingsFailure,
    Transformed,
    encode_segment,
    log,
    settings,
)
from liaison_sdk.testing import endpoint, event, logged, reply, transform
from liaison_sdk.testing import settings as set_settings


@dataclass
class Limits:
    path: str
    limit: int = 0
    share: float = 1.0
    names: list[str] = field(default_factory=list)


def read(text: bytes) -> Limits:
    return event("t").bytes(text, None).event().json(Limits)


def test_data_is_read_as_a_dataclass() -> None:
    assert read(b'{"path":"/a","share":2,"more":[1]}') == Limits("/a", 0, 2.0)
    assert event("t").data({"a": [1]}).event().json() == {"a": [1]}
    assert event("t").data(["a"]).event().json(list[str]) == ["a"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{}", "path: it is missing"),
        (b'{"path":5}', "path: it is int, not str"),
        (b'{"path":"/a","limit":true}', "limit: it is bool, not int"),
        (b'{"path":"/a","share":"x"}', "share: it is str, not float"),
        (b"[]", "it is list, not Limits"),
        (b"nothing", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"path":NaN}', "NaN is no value of JSON"),
        (b'{"path":"\\ud800"}', "it is no text in UTF-8"),
        (b'"\xff"', "it is no text in UTF-8"),
        (b'\xef\xbb\xbf{"path":"/a"}', "Unexpected UTF-8 BOM"),
        ('{"path":"/a"}'.encode("utf-16"), "it is no text in UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_an_error_names_the_key(text: bytes, why: str) -> None:
    with pytest.raises(EventFailure) as failure:
        read(text)
    assert str(failure.value).startswith(f"the event's data: {why}")


def test_a_tombstone_has_no_data() -> None:
    gone = event("t").tombstone().event()
    assert gone.is_tombstone
    with pytest.raises(EventFailure, match="the event has no data: it is a tombstone"):
        gone.json()


def test_a_delivery_holds_what_the_host_decided() -> None:
    plain = event("t").data(1)
    assert (plain.delivery().json(), plain.delivery().version) == (1, None)
    assert plain.resolution(Overwrite("7")).delivery().version == "7"
    merged = plain.resolution(Merged(b"2", "8")).delivery()
    assert (merged.json(), merged.version, merged.event.json()) == (2, "8", 1)
    with pytest.raises(EventFailure, match="the merged data: Expecting value"):
        plain.resolution(Merged(b"x", None)).delivery().json()


def test_a_reply_that_cannot_be_read_may_be_another_one_next_time() -> None:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        (await http.get("/a").send()).json(int)
        return Outcome.delivered()

    run = endpoint().expect("GET /a", reply(200).text("<html>")).deliver(deliver, event("t"))
    assert run.outcome == Outcome.retry("GET /a answered 200 OK: its body: Expecting value: line 1 column 1 (char 0)")
    assert issubclass(ReplyFailure, Exception)


def test_settings_are_read_once_an_instance() -> None:
    set_settings(path="/a", limit=7)
    first = settings(Limits)
    assert first == Limits("/a", 7)
    assert settings(Limits) is first
    assert settings() == {"path": "/a", "limit": 7}
    set_settings(pth="/a")
    with pytest.raises(SettingsFailure, match="settings: path: it is missing"):
        settings(Limits)


def test_only_unreserved_characters_stay() -> None:
    for text, encoded in [
        ("", ""),
        ("policy-7_a.b~c", "policy-7_a.b~c"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("100 %", "100%20%25"),
        ("é\n", "%C3%A9%0A"),
    ]:
        assert encode_segment(text) == encoded


def test_an_event_is_reshaped() -> None:
    def publish(event: Event) -> Transformed:
        if event.attribute("audience") != "public":
            return Transformed.drop("not for the public")
        return Transformed.emit(event.reshaped().kind("notice").json({"was": event.json()}))

    assert transform(publish, event("t")) == Transformed.drop("not for the public")
    published = transform(publish, event("t").attribute("audience", "public").data("é"))
    kept = event("t").attribute("audience", "public").event().reshaped()
    assert published == Transformed.emit(kept.kind("notice").json({"was": "é"}))
    bad = transform(publish, event("t").attribute("audience", "public").bytes(b"x", None))
    assert bad == Transformed.reject("the event's data: Expecting value: line 1 column 1 (char 0)")


def test_what_is_logged_is_kept_for_the_test() -> None:
    logged()
    log.info("one")
    log.error("two")
    assert logged() == ["one", "two"]
    assert logged() == []
