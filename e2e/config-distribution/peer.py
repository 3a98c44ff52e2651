"""An MCP peer that is not ours, driven by lines of JSON on stdin: sink of a source, source of a sink, and both the other way round.

Every message that arrives is a line of JSON on stdout; every line on stdin is a message to send.
"""
import json
import queue
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import json_format, struct_pb2
from istio.mcp.v1alpha1 import mcp_pb2, mcp_pb2_grpc


def say(value):
    print(json.dumps(value), flush=True)


def shown(message):
    if isinstance(message, mcp_pb2.Resources):
        return {
            "version": message.system_version_info,
            "collection": message.collection,
            "resources": {r.metadata.name: r.metadata.version for r in message.resources},
            "bodies": [r.body.type_url for r in message.resources][:1],
            "removed": list(message.removed_resources),
            "nonce": message.nonce,
            "incremental": message.incremental,
            "bytes": message.ByteSize(),
        }
    return json_format.MessageToDict(message)


def built(kind, line):
    value = json.loads(line)
    for resource in value.get("resources", []):
        body = struct_pb2.Struct()
        body.update(resource.pop("spec"))
        resource["body"] = {"@type": "type.googleapis.com/google.protobuf.Struct", "value": json_format.MessageToDict(body)}
    return json_format.ParseDict(value, kind())


def sending(kind):
    """What stdin says, as messages."""
    lines = queue.Queue()

    def read():
        for line in sys.stdin:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()

    def messages():
        while True:
            yield built(kind, lines.get())

    return messages


def credentials(files):
    if not files:
        return None
    ca, *own = [open(name, "rb").read() for name in files]
    return grpc.ssl_channel_credentials(ca, *(own[::-1] if own else ()))


def call(stub, kind, address, files):
    options = [("grpc.max_receive_message_length", -1), ("grpc.ssl_target_name_override", "galley")]
    secure = credentials(files)
    channel = grpc.insecure_channel(address, options) if secure is None else grpc.secure_channel(address, secure, options)
    try:
        for message in stub(channel).EstablishResourceStream(sending(kind)()):
            say(shown(message))
        say({"end": "OK"})
    except grpc.RpcError as error:
        say({"end": error.code().name, "details": error.details()})


def serve(service, register, kind):
    messages = sending(kind)

    class Peer(service):
        def EstablishResourceStream(self, requests, context):
            say({"connected": True})

            def read():
                try:
                    for message in requests:
                        say(shown(message))
                except Exception as error:
                    say({"end": str(type(error).__name__)})

            threading.Thread(target=read, daemon=True).start()
            yield from messages()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.max_receive_message_length", -1)])
    register(Peer(), server)
    say({"port": server.add_insecure_port("127.0.0.1:0")})
    server.start()
    server.wait_for_termination()


def idle(address, count, collection):
    """Sinks that ask for everything, take what flow control lets through and never answer."""
    channels = []
    for index in range(count):
        channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)])
        request = mcp_pb2.RequestResources(sink_node=mcp_pb2.SinkNode(id=f"idle-{index}"), collection=collection)
        waiting = threading.Event()

        def requests(request=request, waiting=waiting):
            yield request
            waiting.wait()

        channels.append((channel, mcp_pb2_grpc.ResourceSourceStub(channel).EstablishResourceStream(requests())))
    say({"idle": len(channels)})
    threading.Event().wait()


mode, *args = sys.argv[1:]
if mode == "sink":
    call(mcp_pb2_grpc.ResourceSourceStub, mcp_pb2.RequestResources, args[0], args[1:])
elif mode == "source":
    call(mcp_pb2_grpc.ResourceSinkStub, mcp_pb2.Resources, args[0], args[1:])
elif mode == "sink-server":
    serve(mcp_pb2_grpc.ResourceSinkServicer, mcp_pb2_grpc.add_ResourceSinkServicer_to_server, mcp_pb2.RequestResources)
elif mode == "source-server":
    serve(mcp_pb2_grpc.ResourceSourceServicer, mcp_pb2_grpc.add_ResourceSourceServicer_to_server, mcp_pb2.Resources)
elif mode == "idle":
    idle(args[0], int(args[1]), args[2])
