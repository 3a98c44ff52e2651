import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, startProcess } from '../src/daemon-process.ts';

const run = promisify(execFile);
const VERSION = '1.85.1';
const PROTOS = join(import.meta.dirname, '../../packages/protos/proto');
/** What the adapter's classes are made of. */
const FILES = [
  'istio/policy/v1beta1/type.proto',
  'istio/policy/v1beta1/value_type.proto',
  ...['check', 'extensions', 'infrastructure_backend', 'quota', 'report'].map((name) => `istio/mixer/adapter/model/v1beta1/${name}.proto`),
  ...['listentry', 'metric', 'quota'].map((name) => `istio/mixer/template/${name}.proto`),
  'config.proto',
  'greeting.proto',
];

/** The interpreter of a virtual environment with grpcio and its compiler, made once in the cache of the user. */
export async function pythonWithGrpc(): Promise<string> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'xebec-ci', `grpc-${VERSION}`);
  const python = join(home, 'bin/python');
  if (!existsSync(join(home, 'ready'))) {
    await run('python3', ['-m', 'venv', home]);
    await run(join(home, 'bin/pip'), ['install', '-q', `grpcio==${VERSION}`, `grpcio-tools==${VERSION}`, 'googleapis-common-protos'], {
      timeout: 240_000,
    });
    await run('touch', [join(home, 'ready')]);
  }
  return python;
}

/** Compiles Xebec's proto files and the suite's for Python; `descriptor` gives the base64 set of one of them with its imports. */
export async function compileAdapter(directory: string) {
  const python = await pythonWithGrpc();
  const { stdout } = await run(python, ['-c', 'import google.rpc, os; print(os.path.dirname(os.path.dirname(google.rpc.__path__[0])))']);
  const includes = [PROTOS, import.meta.dirname, stdout.trim()].flatMap((path) => ['-I', path]);
  const protoc = (args: readonly string[]) => run(python, ['-m', 'grpc_tools.protoc', ...includes, ...args], { timeout: 120_000 });
  await protoc([`--python_out=${directory}`, `--grpc_python_out=${directory}`, ...FILES]);
  return {
    descriptor: async (file: string): Promise<string> => {
      const path = join(directory, 'set.binpb');
      await protoc(['--include_imports', `--descriptor_set_out=${path}`, file]);
      return await readFile(path, 'base64');
    },
    start: async (port: number) => {
      const adapter = startProcess(python, [join(import.meta.dirname, 'adapter.py'), String(port)], { env: { PYTHONPATH: directory } });
      const calls = (method: string): Record<string, unknown>[] =>
        adapter
          .output()
          .split('\n')
          .flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as Record<string, unknown>] : []))
          .filter((call) => call['method'] === method);
      await eventually('the adapter listens', () => (calls('started').length > 0 ? true : undefined), 60_000).catch((cause: unknown) => {
        throw new Error(adapter.output(), { cause });
      });
      return { ...adapter, calls };
    },
  };
}
