"""A gRPC server by grpcio with its own reflection and health services: rooms, each with an etag that a change may name.

Arguments: the port, the folder with rooms.proto, the file that keeps the rooms. Prints "ready" when it listens, and has
left the descriptor set beside that file, as rooms.binpb. Prints each call too: method, room, the metadata that the tests
ask about, and the time that is left."""

import json
import os
import sys
import tempfile
import threading
from concurrent import futures

import grpc
import grpc_tools
from google.protobuf import empty_pb2, json_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_tools import protoc

port, protos, kept = sys.argv[1:4]
folder = os.path.dirname(kept)
generated = tempfile.mkdtemp(dir=folder)
known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
flags = [f"-I{protos}", f"-I{known}", f"--python_out={generated}"]
flags += ["--include_imports", f"--descriptor_set_out={folder}/rooms.binpb"]
assert protoc.main(["protoc", *flags, f"{protos}/rooms.proto"]) == 0
sys.path.insert(0, generated)
import rooms_pb2  # noqa: E402

SHOWN = ("x-tenant", "idempotency-key", "authorization")
SERVICE = "agency.rooms.v1.Rooms"
lock = threading.Lock()
rooms = {}
slowed = set()
if os.path.exists(kept):
    with open(kept) as file:
        for name, room in json.load(file).items():
            rooms[name] = json_format.ParseDict(room, rooms_pb2.Room())


def keep(name, room):
    """Writes all rooms down before anything is answered."""
    room.etag = f"r{room.revision}"
    rooms[name] = room
    write()
    return room


def write():
    text = json.dumps({name: json_format.MessageToDict(room) for name, room in rooms.items()})
    with open(kept + ".new", "w") as file:
        file.write(text)
    os.rename(kept + ".new", kept)


def check(room, context):
    if not room.title.strip():
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"room {room.name} has no title")
    if room.title == "later" and room.name not in slowed:
        slowed.add(room.name)
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "50"),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not so fast")
    if room.title == "huge":
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"room {room.name} is too large")


def create(request, context):
    room = request.room
    check(room, context)
    if room.name in rooms:
        context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{room.name} is there")
    room.revision = 1
    return keep(room.name, room)


def update(request, context):
    room = request.room
    check(room, context)
    there = rooms.get(room.name)
    if there is None:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{room.name} is not there")
    if request.etag and request.etag != there.etag:
        context.abort(grpc.StatusCode.ABORTED, f"{room.name} is {there.etag}, not {request.etag}")
    newer = room.updated_at.ToNanoseconds() > there.updated_at.ToNanoseconds()
    if not request.etag and not newer:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{room.name} is not older")
    room.revision = there.revision + 1
    return keep(room.name, room)


def delete(request, context):
    there = rooms.get(request.name)
    if there is None:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} is not there")
    if request.etag and request.etag != there.etag:
        context.abort(grpc.StatusCode.ABORTED, f"{request.name} is {there.etag}, not {request.etag}")
    del rooms[request.name]
    write()
    return empty_pb2.Empty()


def get(request, context):
    if request.name not in rooms:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} is not there")
    return rooms[request.name]


def handler(name, answer, kind):
    def handle(request, context):
        metadata = {key: value for key, value in context.invocation_metadata() if key in SHOWN}
        room = request.room.name if hasattr(request, "room") else request.name
        print("call", name, room, json.dumps(metadata), f"left={context.time_remaining():.1f}", flush=True)
        with lock:
            return answer(request, context)

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=kind.FromString, response_serializer=lambda reply: reply.SerializeToString()
    )


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)])
methods = {
    "CreateRoom": handler("CreateRoom", create, rooms_pb2.CreateRoomRequest),
    "UpdateRoom": handler("UpdateRoom", update, rooms_pb2.UpdateRoomRequest),
    "DeleteRoom": handler("DeleteRoom", delete, rooms_pb2.DeleteRoomRequest),
    "GetRoom": handler("GetRoom", get, rooms_pb2.GetRoomRequest),
}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
servicer = health.HealthServicer()
servicer.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
assert server.add_insecure_port(f"127.0.0.1:{port}") == int(port)
server.start()
print("ready", flush=True)
server.wait_for_termination()
