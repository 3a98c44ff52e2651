import type { AdapterTemplate } from './service-names.ts';

const DECISION = {
  CHECK: ({ name }: AdapterTemplate) => `def ${name}(instance):
    """Whether the call may go on: a google.rpc.Code (0 lets pass, 7 is PERMISSION_DENIED) and a message."""
    if any(value == "blocked" for _, value in instance.ListFields()):
        return 7, "blocked by the adapter"
    return 0, ""
`,
  QUOTA: ({ name }: AdapterTemplate) => `def ${name}(instance, amount, best_effort):
    """How much of what is asked for may be taken."""
    most = 10
    if amount <= most:
        return amount
    return most if best_effort else 0
`,
  REPORT: ({ name }: AdapterTemplate) => `def ${name}(instances):
    """What happened; it is called once for a batch."""
    for instance in instances:
        print(json_format.MessageToJson(instance, indent=None, preserving_proto_field_name=True), flush=True)
`,
};

const HANDLER = {
  CHECK: ({ name }: AdapterTemplate) => `        code, message = adapter.${name}(request.instance)
        result = check_pb2.CheckResult(valid_use_count=1000)
        result.status.code = code
        result.status.message = message
        result.valid_duration.FromSeconds(5)
        return result`,
  QUOTA: ({ name }: AdapterTemplate) => `        result = quota_result_pb2.QuotaResult()
        for quota, wanted in request.quota_request.quotas.items():
            granted = adapter.${name}(request.instance, wanted.amount, wanted.best_effort)
            result.quotas[quota].granted_amount = granted
            result.quotas[quota].valid_duration.FromSeconds(1)
        return result`,
  REPORT: ({ name }: AdapterTemplate) => `        adapter.${name}(request.instances)
        return report_pb2.ReportResult()`,
};

/** Files by path of an adapter in Python: what it decides, the server around it, a test of both. */
export function pythonFiles(name: string, templates: readonly AdapterTemplate[]): Readonly<Record<string, string>> {
  const has = (variety: AdapterTemplate['variety']) => templates.some((template) => template.variety === variety);
  const model = 'from istio.mixer.adapter.model.v1beta1 import';
  const results = [
    ...(has('CHECK') ? [`${model} check_pb2`] : []),
    ...(has('QUOTA') ? [`${model} quota_pb2 as quota_result_pb2`] : []),
    ...(has('REPORT') ? [`${model} report_pb2`] : []),
  ];
  const generated = templates.map((template) => `from istio.mixer.template import ${template.name}_pb2_grpc`);
  return {
    'requirements.txt': 'grpcio==1.85.1\ngrpcio-tools==1.85.1\ngoogleapis-common-protos\n',
    'adapter.py': `"""What this adapter does: one function for each template. An instance is a message with the template's fields."""
${has('REPORT') ? 'from google.protobuf import json_format\n' : ''}

${templates.map((template) => DECISION[template.variety](template)).join('\n\n')}`,
    'build.py': `"""Compiles proto/ into gen/, once. As a command: build.py FILE.proto compiles a file of your own too, for xebec adapter."""
import pathlib
import sys

import google.rpc
from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve().parent
GEN = HERE / "gen"


def compile_files(files, *more):
    public = pathlib.Path(list(google.rpc.__path__)[0]).parent.parent
    folders = [HERE / "proto", HERE, public, pathlib.Path(protoc.__file__).parent / "_proto"]
    GEN.mkdir(exist_ok=True)
    outputs = ["--python_out=" + str(GEN), "--grpc_python_out=" + str(GEN), *more]
    if protoc.main(["protoc", *["-I" + str(folder) for folder in folders], *outputs, *files]) != 0:
        sys.exit("these files do not compile: " + " ".join(files))


def build():
    if not (GEN / "istio").exists():
        compile_files([str(path.relative_to(HERE / "proto")) for path in sorted((HERE / "proto").rglob("*.proto"))])
    sys.path.insert(0, str(GEN))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        descriptors = pathlib.Path(name).with_suffix(".binpb")
        compile_files([name], "--include_imports", "--descriptor_set_out=" + str(descriptors))
        print(descriptors)
`,
    'server.py': `"""Serves the adapter. Usage: server.py [ADDRESS]"""
import json
import signal
import sys
from concurrent import futures

import grpc

import build

build.build()
import adapter  # noqa: E402
${[...results, ...generated].map((line) => `${line}  # noqa: E402`).join('\n')}

${templates
  .map(
    (template) => `
class ${template.call}(${template.name}_pb2_grpc.Handle${template.call}ServiceServicer):
    def Handle${template.call}(self, request, context):
${HANDLER[template.variety](template)}
`,
  )
  .join('\n')}

def serve(address):
    """A started server and the port it got."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)])
${templates
  .map((template) => `    ${template.name}_pb2_grpc.add_Handle${template.call}ServiceServicer_to_server(${template.call}(), server)`)
  .join('\n')}
    port = server.add_insecure_port(address)
    server.start()
    return server, port


if __name__ == "__main__":
    running, bound = serve(sys.argv[1] if len(sys.argv) > 1 else "0.0.0.0:9070")
    print(json.dumps({"adapter": "${name}", "listening": bound}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: running.stop(1))
    running.wait_for_termination()
`,
    'test_adapter.py': `import unittest

import grpc

import server
${templates.map((template) => `from istio.mixer.template import ${template.name}_pb2, ${template.name}_pb2_grpc`).join('\n')}


class AdapterTest(unittest.TestCase):
    def setUp(self):
        self.server, port = server.serve("127.0.0.1:0")
        self.channel = grpc.insecure_channel("127.0.0.1:%d" % port)

    def tearDown(self):
        self.channel.close()
        self.server.stop(None)
${templates.map(testOf).join('')}

if __name__ == "__main__":
    unittest.main()
`,
  };
}

function testOf({ name, call, variety }: AdapterTemplate): string {
  const stub = `${name}_pb2_grpc.Handle${call}ServiceStub(self.channel).Handle${call}`;
  const head = `
    def test_${name}(self):
        request = ${name}_pb2.Handle${call}Request()
`;
  if (variety === 'CHECK')
    return `${head}        request.instance.name = "test"
        answer = ${stub}(request)
        self.assertEqual((answer.status.code, answer.valid_use_count), (0, 1000))
`;
  if (variety === 'QUOTA')
    return `${head}        request.quota_request.quotas["few"].amount = 4
        request.quota_request.quotas["many"].amount = 40
        request.quota_request.quotas["many"].best_effort = True
        quotas = ${stub}(request).quotas
        self.assertEqual((quotas["few"].granted_amount, quotas["many"].granted_amount), (4, 10))
`;
  return `${head}        request.instances.add(name="one")
        request.instances.add(name="two")
        ${stub}(request)
`;
}
