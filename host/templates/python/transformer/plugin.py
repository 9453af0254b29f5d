"""Passes on what is public, and nothing else."""

from dataclasses import dataclass

from liaison_sdk import Event, Transformed, settings, transformer


@dataclass
class Settings:
    """What `settings` of the transformer holds in `liaison.toml`."""

    kind: str
    """The type that events have afterwards."""


def transform(event: Event) -> Transformed:
    if event.attribute("audience") != "public":
        return Transformed.drop("not for the public")
    return Transformed.emit(event.reshaped().kind(settings(Settings).kind))


transformer(transform)
