import { readFile } from 'node:fs/promises';
import { matrices, readRecordedRequests, simulate, summarize } from '@xebec/authz';
import { errorText } from '@xebec/core';
import { CommandFailure, EXIT } from '../exit.ts';
import type { KubeOptions } from '../kube/connection.ts';
import { checkText, simulationText } from './authz-text.ts';
import { liveProxy } from './live-proxy.ts';
import { policyChange } from './policy-files.ts';

export interface CheckOptions extends KubeOptions {
  readonly output: string;
  readonly file?: string;
  readonly manifests?: readonly string[];
  readonly meshConfig?: string;
  readonly port?: string;
  readonly method?: readonly string[];
  readonly path?: readonly string[];
  readonly principal?: readonly string[];
}

export interface SimulateOptions extends KubeOptions {
  readonly output: string;
  readonly file: readonly string[];
  readonly requests: string;
  readonly configDump?: string;
  readonly manifests?: readonly string[];
  readonly without?: readonly string[];
  readonly meshConfig?: string;
  readonly failOnChange?: boolean;
}

export async function check(reference: string | undefined, options: CheckOptions): Promise<void> {
  const json = isJson(options.output);
  const port = options.port === undefined ? undefined : Number(options.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536))
    throw new CommandFailure(`--port ${options.port} is not a port; write a number from 1 to 65535`, EXIT.usage);
  const { listeners } = await liveProxy(reference, { ...options, dumpFile: options.file });
  const policies = summarize(listeners.all);
  const found = matrices(listeners, {
    ...(port === undefined ? {} : { port }),
    ...(options.method === undefined ? {} : { methods: options.method }),
    ...(options.path === undefined ? {} : { paths: options.path }),
    ...(options.principal === undefined ? {} : { principals: options.principal }),
  });
  print(json ? `${JSON.stringify({ policies, matrices: found }, null, 2)}\n` : checkText(policies, found));
}

export async function simulation(reference: string | undefined, options: SimulateOptions): Promise<void> {
  const json = isJson(options.output);
  const live = await liveProxy(reference, { ...options, dumpFile: options.configDump });
  const change = policyChange(options.file, live.proxy(), { meshConfigFile: options.meshConfig, without: options.without ?? [] });
  const text = await readFile(options.requests === '-' ? '/dev/stdin' : options.requests, 'utf8').catch((error: unknown) => {
    throw new CommandFailure(`--requests ${options.requests}: ${errorText(error)}`, EXIT.usage);
  });
  const recorded = readRecordedRequests(text, options.requests);
  for (const problem of recorded.problems.slice(0, 5)) console.error(`Error: left out: ${problem}`);
  if (recorded.records.length === 0)
    throw new CommandFailure(
      `--requests ${options.requests}: no recorded request that comes in; give the JSON access log of the proxy that is called`,
      EXIT.data,
    );
  const result = simulate(live.listeners, change, recorded.records);
  print(
    json
      ? `${JSON.stringify({ ...result, outbound: recorded.outbound, leftOut: recorded.problems.length }, null, 2)}\n`
      : simulationText(result, recorded),
  );
  if (options.failOnChange === true && result.changes.length > 0) process.exitCode = EXIT.failure;
}

function isJson(output: string): boolean {
  if (output === 'json' || output === 'short') return output === 'json';
  throw new CommandFailure(`-o ${output} is not an output format; use short or json`, EXIT.usage);
}

function print(text: string): void {
  process.stdout.write(text);
}
