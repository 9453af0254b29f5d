"""The transformer natively."""

from liaison_sdk import Transformed
from liaison_sdk.testing import event, settings
from liaison_sdk.testing import transform as run

from plugin import transform


def test_what_is_public_is_passed_on_under_another_type() -> None:
    settings(kind="notice")
    public = event("made").attribute("audience", "public")
    assert run(transform, public) == Transformed.emit(public.event().reshaped().kind("notice"))


def test_what_is_not_public_is_dropped() -> None:
    settings(kind="notice")
    assert run(transform, event("made")) == Transformed.drop("not for the public")
