"""An adapter outside of Mixer, on grpcio and protoc's classes of Xebec's own proto files.

Usage: adapter.py PORT. Each call is one line of JSON on standard output.
"""
import json
import sys
from concurrent import futures

import grpc
from google.protobuf import json_format
from google.rpc import status_pb2

import config_pb2
import greeting_pb2
import greeting_pb2_grpc
from istio.mixer.adapter.model.v1beta1 import check_pb2, infrastructure_backend_pb2, infrastructure_backend_pb2_grpc
from istio.mixer.adapter.model.v1beta1 import quota_pb2, report_pb2
from istio.mixer.template import listentry_pb2_grpc, metric_pb2_grpc, quota_pb2_grpc


def say(method, request, **more):
    instances = getattr(request, "instances", None) or [request.instance]
    line = {"method": method, "dedup": request.dedup_id, "type": request.adapter_config.type_url}
    line["instances"] = [json_format.MessageToDict(i, preserving_proto_field_name=True) for i in instances]
    print(json.dumps({**line, **more}), flush=True)


def params_of(request):
    params = config_pb2.Params()
    request.adapter_config.Unpack(params)
    return params


class Metric(metric_pb2_grpc.HandleMetricServiceServicer):
    def HandleMetric(self, request, context):
        say("metric", request, prefix=params_of(request).prefix)
        return report_pb2.ReportResult()


class ListEntry(listentry_pb2_grpc.HandleListEntryServiceServicer):
    def HandleListEntry(self, request, context):
        allowed = list(params_of(request).allowed)
        say("listentry", request, allowed=allowed)
        result = check_pb2.CheckResult(valid_use_count=7)
        result.valid_duration.FromMilliseconds(2500)
        if request.instance.value not in allowed:
            result.status.code = 7
            result.status.message = request.instance.value + " is not welcome"
        return result


class Quota(quota_pb2_grpc.HandleQuotaServiceServicer):
    def HandleQuota(self, request, context):
        result = quota_pb2.QuotaResult()
        for name, wanted in request.quota_request.quotas.items():
            say("quota", request, name=name, amount=wanted.amount, best=wanted.best_effort)
            result.quotas[name].granted_amount = min(wanted.amount, 3)
            result.quotas[name].valid_duration.FromSeconds(1)
        return result


class Greeting(greeting_pb2_grpc.HandleGreetingServiceServicer):
    """A template of the test's own, whose checks have outputs."""

    def HandleGreeting(self, request, context):
        say("greeting", request)
        reply = greeting_pb2.HandleGreetingResponse()
        reply.output.words = "hello " + request.instance.who.name
        return reply


class Sessions(infrastructure_backend_pb2_grpc.InfrastructureBackendServicer):
    def Validate(self, request, context):
        return infrastructure_backend_pb2.ValidateResponse()

    def CreateSession(self, request, context):
        print(json.dumps({"method": "session", "type": request.adapter_config.type_url}), flush=True)
        return infrastructure_backend_pb2.CreateSessionResponse(session_id="session-1", status=status_pb2.Status())

    def CloseSession(self, request, context):
        print(json.dumps({"method": "close", "id": request.session_id}), flush=True)
        return infrastructure_backend_pb2.CloseSessionResponse()


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)])
metric_pb2_grpc.add_HandleMetricServiceServicer_to_server(Metric(), server)
listentry_pb2_grpc.add_HandleListEntryServiceServicer_to_server(ListEntry(), server)
quota_pb2_grpc.add_HandleQuotaServiceServicer_to_server(Quota(), server)
greeting_pb2_grpc.add_HandleGreetingServiceServicer_to_server(Greeting(), server)
infrastructure_backend_pb2_grpc.add_InfrastructureBackendServicer_to_server(Sessions(), server)
if server.add_insecure_port("127.0.0.1:" + sys.argv[1]) == 0:
    sys.exit("cannot listen")
server.start()
print(json.dumps({"method": "started"}), flush=True)
server.wait_for_termination()
