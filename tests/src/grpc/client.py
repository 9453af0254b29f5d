"""Reads rooms back, and changes them as somebody else would: by reflection alone, without the file that described them.

Arguments: the address, the method, its request as JSON. Prints the response as JSON, or the status that there was."""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

address, method, text = sys.argv[1:4]
channel = grpc.insecure_channel(address)
pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
found = pool.FindServiceByName("agency.rooms.v1.Rooms").FindMethodByName(method)
request = json_format.ParseDict(json.loads(text), message_factory.GetMessageClass(found.input_type)())
call = channel.unary_unary(
    f"/agency.rooms.v1.Rooms/{method}",
    request_serializer=lambda message: message.SerializeToString(),
    response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
)
try:
    print(json.dumps(json_format.MessageToDict(call(request, timeout=10))))
except grpc.RpcError as error:
    print(json.dumps({"status": error.code().name, "message": error.details()}))
