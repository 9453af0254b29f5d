"""A SOAP service by spyne, lxml and cheroot: compliance records, as SOAP 1.1 and 1.2 and with its WSDL.

Arguments: the port, the file that keeps the records. With LEGACY_USER and LEGACY_PASSWORD in the environment each call
needs a WS-Security UsernameToken of that user, as text or as a digest that was not seen before. Prints "ready" when it
listens, and each call: its version, operation, record, and how the user was proved."""

import base64
import hashlib
import json
import logging
import os
import sys
import threading
from datetime import datetime, timedelta, timezone

from cheroot import wsgi
from lxml import etree
from spyne import Application, ComplexModel, Fault, Integer, Iterable, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "urn:agency:compliance"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"

port, kept = sys.argv[1:3]
user, password = os.environ.get("LEGACY_USER"), os.environ.get("LEGACY_PASSWORD")
logging.getLogger("spyne").setLevel(logging.CRITICAL)
lock = threading.Lock()
nonces, broken = set(), set()
records = {}
if os.path.exists(kept):
    with open(kept) as file:
        records = json.load(file)


class Note(ComplexModel):
    __namespace__ = NAMESPACE
    _type_info = [("author", Unicode), ("text", Unicode)]


class Record(ComplexModel):
    __namespace__ = NAMESPACE
    _type_info = [
        ("id", Unicode(min_occurs=1, nillable=False)),
        ("title", Unicode(min_occurs=1, nillable=False, min_len=1)),
        ("seats", Integer),
        ("tags", Unicode(max_occurs="unbounded")),
        ("note", Note),
        ("updatedAt", Integer(min_occurs=1, nillable=False)),
        ("revision", Integer),
    ]


def keep():
    """Writes all records down before anything is answered."""
    with open(kept + ".new", "w") as file:
        json.dump(records, file)
    os.rename(kept + ".new", kept)


def plain(record):
    note = record.note and {"author": record.note.author, "text": record.note.text}
    tags = list(record.tags or [])
    return {"id": record.id, "title": record.title, "seats": record.seats, "tags": tags, "note": note,
            "updatedAt": record.updatedAt}


def shown(found):
    note = found["note"] and Note(**found["note"])
    return Record(**{**found, "note": note})


def refuse(code, text):
    raise Fault(code, text)


class Compliance(ServiceBase):
    @rpc(Record, Integer, _returns=Record)
    def PutRecord(ctx, record, overRevision):
        with lock:
            there = records.get(record.id)
            said(ctx, "PutRecord", record.id)
            if record.title == "wrong":
                refuse("Client.InvalidTitle", f"record {record.id} has the title <wrong>")
            if record.title == "full":
                raise Fault("Server", f"record {record.id} is one too many", detail={f"{{{NAMESPACE}}}Quota": record.id})
            if record.title == "broken" and record.id not in broken:
                broken.add(record.id)
                refuse("Server", "the database is locked")
            if overRevision is not None and there is not None and there["revision"] != overRevision:
                refuse("Client.Stale", f"record {record.id} has revision {there['revision']}")
            if overRevision is None and there is not None and there["updatedAt"] >= record.updatedAt:
                refuse("Client.Stale", f"record {record.id} is not older")
            records[record.id] = {**plain(record), "revision": (there["revision"] if there else 0) + 1}
            keep()
            return shown(records[record.id])

    @rpc(Unicode, _returns=Unicode)
    def DeleteRecord(ctx, id):
        with lock:
            said(ctx, "DeleteRecord", id)
            if id not in records:
                refuse("Client.ResourceNotFound", f"there is no record {id}")
            del records[id]
            keep()
            return id

    @rpc(Unicode, _returns=Record)
    def GetRecord(ctx, id):
        with lock:
            said(ctx, "GetRecord", id)
            if id not in records:
                refuse("Client.ResourceNotFound", f"there is no record {id}")
            return shown(records[id])

    @rpc(_returns=Iterable(Unicode))
    def ListRecords(ctx):
        return list(records)


def said(ctx, operation, record):
    version = "1.2" if isinstance(ctx.in_protocol, Soap12) else "1.1"
    print("call", version, operation, record, ctx.udc or "nobody", flush=True)


def prove(ctx):
    """Checks the UsernameToken as its profile says: SHA-1 of nonce, time and password."""
    token = None
    for block in ctx.in_header_doc or []:
        if block.tag == WSSE + "Security":
            token = block.find(WSSE + "UsernameToken")
    if token is None:
        raise Fault("Client.SecurityTokenUnavailable", "no UsernameToken")
    found = token.find(WSSE + "Password")
    is_user = token.findtext(WSSE + "Username") == user
    if found.get("Type").endswith("#PasswordDigest"):
        nonce, created = base64.b64decode(token.findtext(WSSE + "Nonce")), token.findtext(WSU + "Created")
        digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
        age = datetime.now(timezone.utc) - datetime.fromisoformat(created)
        fits = digest == found.text and nonce not in nonces and abs(age) < timedelta(minutes=5)
        nonces.add(nonce)
        how = "digest"
    else:
        fits, how = found.text == password, "text"
    if not is_user or not fits:
        raise Fault("Client.FailedAuthentication", f"{token.findtext(WSSE + 'Username')} sent {found.text}")
    ctx.udc = f"{user}, by {how}"


if user:
    Compliance.event_manager.add_listener("method_call", prove)


def application(protocol):
    application = Application([Compliance], NAMESPACE, in_protocol=protocol(validator="lxml"), out_protocol=protocol())
    return WsgiApplication(application)


apps = {"/11": application(Soap11), "/12": application(Soap12)}


def dispatch(environ, start_response):
    path = environ["PATH_INFO"]
    if path not in apps:
        start_response("502 Bad Gateway", [("Content-Type", "text/html")])
        return [b"<!doctype html><html><title>Bad gateway</title>"]
    return apps[path](environ, start_response)


server = wsgi.Server(("127.0.0.1", int(port)), dispatch)
server.prepare()
print("ready", flush=True)
server.serve()
