"""Bodies as a web page's form has them: `application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote_plus

# What tells the parts of a form apart is this and a number.
_BOUNDARY = "liaison-part-5f0c9e27b81d"

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


class Multipart:
    """A form of fields and files, in their order.

        form = Multipart().field("title", "Leave").file("document", "leave.pdf", "application/pdf", pdf)
        http.post("/documents").multipart(form)
    """

    def __init__(self) -> None:
        self._parts: list[tuple[str, bytes]] = []

    def field(self, name: str, value: str) -> Multipart:
        """Adds a field. A name may come more than once."""
        self._parts.append((f'Content-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n', value.encode()))
        return self

    def file(self, name: str, file_name: str, content_type: str, content: bytes | str) -> Multipart:
        """Adds a file."""
        # Nothing that it holds may begin another header.
        content_type = content_type.replace("\r", " ").replace("\n", " ")
        head = (
            f'Content-Disposition: form-data; name="{_quoted(name)}"; filename="{_quoted(file_name)}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        )
        self._parts.append((head, content.encode() if isinstance(content, str) else bytes(content)))
        return self

    def written(self) -> tuple[str, bytes]:
        """Content type and bytes: the same for the same form, on every attempt."""
        boundary = self._boundary()
        parts = (f"--{boundary}\r\n{head}".encode() + content + b"\r\n" for head, content in self._parts)
        return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()

    def _boundary(self) -> str:
        """The first that stands in no part. A random one would be another on every attempt."""
        number = 0
        while True:
            boundary = f"{_BOUNDARY}-{number}."
            if not any(boundary.encode() in content for _, content in self._parts):
                return boundary
            number += 1


def encoded(fields: Fields) -> str:
    """As `application/x-www-form-urlencoded`."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _encoded(text: str) -> str:
    # Python leaves `~` as it is and encodes `*`; the HTML standard has it the other way round.
    return quote_plus(text, safe="*").replace("~", "%7E")


def _quoted(name: str) -> str:
    """A name between quotes: what would end it or its line is percent-encoded, as browsers do."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
