import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { protoFolder } from '@xebec/protos/proto-files';
import { CommandFailure, EXIT } from '../../exit.ts';
import { inProcessFiles } from './in-process-files.ts';
import { mixerObjects, yamlOf } from './mixer-objects.ts';
import { pythonFiles } from './python-files.ts';
import { readme } from './readme.ts';
import { type AdapterTemplate, readTemplates } from './service-names.ts';
import { typescriptFiles } from './typescript-files.ts';

export interface NewAdapterOptions {
  /** By commas. */
  readonly template: string;
  readonly language: string;
  readonly inProcess?: boolean;
  readonly out?: string;
  readonly namespace: string;
}

const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const IN_PROCESS_FOLDER = 'packages/adapters/src';
/** What the adapter protocol consists of, below the folder of Xebec's proto files. */
const PROTOCOL = ['istio/mixer/adapter', 'istio/policy'];
const RPC_STATUS = [
  'syntax = "proto3";',
  '',
  'package google.rpc;',
  '',
  'import "google/protobuf/any.proto";',
  '',
  'message Status {',
  '  int32 code = 1;',
  '  string message = 2;',
  '  repeated google.protobuf.Any details = 3;',
  '}',
  '',
].join('\n');

/** Writes the folder of a new adapter; returns it with what to do next, a line each. */
export function writeAdapter(name: string, options: NewAdapterOptions): { readonly folder: string; readonly next: readonly string[] } {
  if (!NAME.test(name)) throw new CommandFailure(`"${name}" is no name of an object: letters a-z, digits and hyphens`, EXIT.usage);
  const templates = readTemplates(options.template);
  return options.inProcess === true ? writeInProcess(name, templates, options) : writeOutOfProcess(name, templates, options);
}

function writeInProcess(name: string, templates: readonly AdapterTemplate[], { namespace, out }: NewAdapterOptions) {
  if (out === undefined && !existsSync(IN_PROCESS_FOLDER))
    throw new CommandFailure(`there is no ${IN_PROCESS_FOLDER} here; run it in a checkout of Xebec, or say --out`, EXIT.usage);
  const folder = out ?? join(IN_PROCESS_FOLDER, name);
  const objects = mixerObjects({ name, namespace }, templates, { compiledAdapter: name, params: {} });
  write(folder, { ...inProcessFiles(name, templates), 'mixer.yaml': yamlOf(objects) });
  return {
    folder,
    next: [`add it to the list in ${IN_PROCESS_FOLDER}/adapters.ts`, `npx vitest run ${folder}`, `kubectl apply -f ${folder}/mixer.yaml`],
  };
}

function writeOutOfProcess(name: string, templates: readonly AdapterTemplate[], { language, namespace, out }: NewAdapterOptions) {
  const python = language === 'python';
  if (!python && language !== 'typescript') throw new CommandFailure(`--language ${language}: it is typescript or python`, EXIT.usage);
  const folder = out ?? name;
  const adapter = {
    apiVersion: 'config.istio.io/v1alpha2',
    kind: 'adapter',
    metadata: { name, namespace },
    spec: { templates: templates.map((template) => template.name) },
  };
  const handler = { adapter: name, connection: { address: `${name}.${namespace}:9070`, timeout: '1s' } };
  write(folder, {
    ...(python ? pythonFiles(name, templates) : { ...typescriptFiles(name, templates), 'proto/google/rpc/status.proto': RPC_STATUS }),
    'mixer.yaml': yamlOf([adapter, ...mixerObjects({ name, namespace }, templates, handler)]),
    'README.md': readme(
      name,
      templates.map((template) => template.name),
      python,
    ),
  });
  for (const path of [...PROTOCOL, ...templates.map((template) => `istio/mixer/template/${template.name}.proto`)])
    cpSync(join(protoFolder, path), join(folder, 'proto', path), { recursive: true });
  const start = python
    ? [
        'python3 -m venv .venv && .venv/bin/pip install -r requirements.txt',
        '.venv/bin/python test_adapter.py',
        '.venv/bin/python server.py',
      ]
    : ['npm install', 'npm test', 'npm start'];
  return { folder, next: [`cd ${folder}`, ...start, 'kubectl apply -f mixer.yaml   # after connection.address says where it runs'] };
}

/** What somebody has written is not overwritten. */
function write(folder: string, files: Readonly<Record<string, string>>): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new CommandFailure(`${folder} is there already and not empty; choose another with --out`, EXIT.usage);
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
