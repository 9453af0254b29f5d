"""Forms: the same bytes as the SDKs in other languages write."""

from liaison_sdk import Delivery, Http, Multipart, Outcome
from liaison_sdk.rounds import HttpRequest
from liaison_sdk.testing import endpoint, event, reply

BOUNDARY = "liaison-part-5f0c9e27b81d"


def sent(form: Multipart | list[tuple[str, str]] | dict[str, str]) -> HttpRequest:
    async def deliver(delivery: Delivery, http: Http) -> Outcome:
        request = http.post("/")
        written = request.multipart(form) if isinstance(form, Multipart) else request.form(form)
        return Outcome.from_response(await written.send())

    run = endpoint().expect("POST /", reply(200)).deliver(deliver, event("t"))
    return run.requests[0]


def test_fields_are_encoded_as_a_form() -> None:
    request = sent([("a b", "1&2=3"), ("a b", "ü*-._~"), ("empty", "")])
    assert request.body == b"a+b=1%262%3D3&a+b=%C3%BC*-._%7E&empty="
    assert ("content-type", "application/x-www-form-urlencoded") in request.headers
    assert sent({"a": "b"}).body == b"a=b"


def test_a_form_of_parts_is_written_alike_each_time_and_no_part_ends_it() -> None:
    form = (
        Multipart()
        .field("title", "Überstunden\r\n")
        .field('a"b\r\n', f"--{BOUNDARY}-0.\r\n")
        .file("pdf", 'a".pdf', "application/pdf\r\nx-evil: 1", b"%PDF")
    )
    request = sent(form)
    boundary = f"{BOUNDARY}-1."
    assert request.body == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nÜberstunden\r\n\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="a%22b%0D%0A"\r\n\r\n--{BOUNDARY}-0.\r\n\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="pdf"; filename="a%22.pdf"\r\n'
        f"Content-Type: application/pdf  x-evil: 1\r\n\r\n%PDF\r\n--{boundary}--\r\n"
    ).encode()
    assert ("content-type", f"multipart/form-data; boundary={boundary}") in request.headers
