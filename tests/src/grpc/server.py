"""A gRPC server by grpcio: its own health service, and rooms that can be booked. Prints its port when it listens.

Every call of a room is printed too: method, message, the metadata that the tests ask about, and the time that is left."""

import sys
import threading
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SHOWN = ("x-tenant", "idempotency-key", "authorization", "traceparent")


def say(*words):
    """One line by one write: `print` writes its end apart, and calls are answered on several threads."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def call(name, answer):
    def handle(request, context):
        metadata = {key: value for key, value in context.invocation_metadata() if key in SHOWN}
        left = context.time_remaining()
        say("call", name, request.decode(), metadata, f"left={left:.1f}")
        context.set_trailing_metadata((("x-tail", "end"), ("x-bin-bin", b"\x00\xff")))
        return answer(request, context)

    return grpc.unary_unary_rpc_method_handler(handle)


def book(request, context):
    if request == b"taken":
        context.abort(grpc.StatusCode.ALREADY_EXISTS, "der Raum ist vergeben: größer")
    if request == b"full":
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
    return b"booked " + request


def wait(request, context):
    context.add_callback(lambda: say("cancelled"))
    while context.is_active():
        threading.Event().wait(0.05)
        if context.time_remaining() <= 0:
            break
    return b""


def large(request, context):
    return b"x" * 3_000_000


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
rooms = {"Book": call("Book", book), "Wait": call("Wait", wait), "Large": call("Large", large)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("rooms.Rooms", rooms),))
servicer = health.HealthServicer()
servicer.set("rooms.Rooms", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
say("port", server.add_insecure_port("127.0.0.1:0"))
server.start()
server.wait_for_termination()
