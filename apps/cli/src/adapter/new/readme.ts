/** What a new adapter's folder says of itself. */
export function readme(name: string, templates: readonly string[], python: boolean): string {
  const [what, server] = python ? ['adapter.py', 'server.py'] : ['adapter.ts', 'server.ts'];
  const run = python
    ? 'python3 -m venv .venv\n.venv/bin/pip install -r requirements.txt\n.venv/bin/python test_adapter.py\n.venv/bin/python server.py 0.0.0.0:9070'
    : 'npm install\nnpm test\nnode server.ts 0.0.0.0:9070   # Node 24 or newer';
  const compile = python
    ? '.venv/bin/python build.py config.proto   # writes config.binpb'
    : 'protoc -I proto -I . --include_imports --descriptor_set_out=config.binpb config.proto';
  const reading = python
    ? 'Handlers get them as bytes: `config_pb2.Params.FromString(request.adapter_config.value)`, after `build.build()`.'
    : 'Handlers get them as the bytes of `adapter_config.value` in each request.';
  return `# ${name}

An adapter that Mixer calls over gRPC. \`${what}\` is yours: one function for each template. \`${server}\` serves them.

\`\`\`sh
${run}
\`\`\`

\`mixer.yaml\` tells Mixer: the adapter, a handler with the address where it runs, an example instance for each template, and a rule.
\`xebec validate -f mixer.yaml\` says whether it would be admitted.

Params of handlers: write a \`config.proto\` with a \`message Params\`, compile it with

\`\`\`sh
${compile}
xebec adapter manifest ${name} --template ${templates.join(',')} --config config.binpb
\`\`\`

and put the adapter object that this prints in the place of that in \`mixer.yaml\`. ${reading}

A template of your own is a file compiled in the same way; \`xebec adapter template NAME FILE.binpb\` prints its object.
`;
}
