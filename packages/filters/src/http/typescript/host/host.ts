/**
 * The thread of one version of a user's file. It knows nothing of the proxy but messages: a filter that loops for ever, runs
 * out of memory or ends its process takes this thread with it and nothing else.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { FilterDefinition } from '@xebec/filter';
import type { Call, FetchAnswer, FromHost, HostStart, ToHost } from '../protocol.ts';
import { HostedStream, type HostedStreamOwner } from './hosted-stream.ts';
import { userFailure } from './user-error.ts';

const functions = ['config', 'onRequest', 'onRequestBody', 'onResponse', 'onResponseBody'] as const;

const { path, filterModule }: HostStart = workerData;
const port = parentPort;

if (port !== null) {
  const send = (message: FromHost): void => port.postMessage(message);
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === '@xebec/filter' ? { url: filterModule, shortCircuit: true } : next(specifier, context),
  });
  // What a user's timers and forgotten promises throw is told, and ends nothing.
  process.on('uncaughtException', (error) => send({ kind: 'stray', ...userFailure(error, path) }));
  process.on('unhandledRejection', (error) => send({ kind: 'stray', ...userFailure(error, path) }));
  await load(send);
}

async function load(send: (message: FromHost) => void): Promise<void> {
  let definition: FilterDefinition<unknown>;
  try {
    const module: { default?: unknown } = await import(pathToFileURL(path).href);
    definition = checked(module.default);
  } catch (error) {
    send({ kind: 'load-failed', ...userFailure(error, path) });
    return;
  }
  const { onRequest, onRequestBody, onResponse, onResponseBody } = definition;
  const fetches = new Map<number, (answer: FetchAnswer) => void>();
  let lastFetch = 0;
  const owner: HostedStreamOwner = {
    fetch: (cluster, request, body, timeoutMs) =>
      new Promise((resolve) => {
        const id = ++lastFetch;
        fetches.set(id, resolve);
        send({ kind: 'fetch', id, cluster, request, body, timeoutMs });
      }),
    log: (message, fields) => send({ kind: 'log', message, fields }),
  };
  const configs = new Map<number, unknown>();
  const streams = new Map<number, HostedStream>();
  const call = async (message: Call): Promise<void> => {
    const { stream: id, phase, body } = message;
    try {
      let stream = streams.get(id);
      if (stream === undefined) {
        stream = new HostedStream(owner, message);
        streams.set(id, stream);
      }
      stream.begin(message);
      const config = configs.get(message.config);
      let changed: string | Uint8Array | undefined;
      // Called as methods: a user may write `this`.
      if (phase === 'request') await definition.onRequest?.(stream, config);
      else if (phase === 'response') await definition.onResponse?.(stream, config);
      else if (phase === 'request-body')
        changed = (await definition.onRequestBody?.(stream, body ?? new Uint8Array(), config)) ?? undefined;
      else changed = (await definition.onResponseBody?.(stream, body ?? new Uint8Array(), config)) ?? undefined;
      send(stream.finish(message, typeof changed === 'string' ? Buffer.from(changed) : changed));
    } catch (error) {
      send({ kind: 'failed', stream: id, phase, ...userFailure(error, path) });
    }
  };
  port?.on('message', (message: ToHost) => {
    switch (message.kind) {
      case 'call':
        void call(message);
        return;
      case 'config':
        try {
          configs.set(message.id, definition.config === undefined ? message.value : definition.config(message.value));
        } catch (error) {
          const failure = userFailure(error, path);
          send({ kind: 'load-failed', error: `config: ${failure.error}`, at: failure.at });
          return;
        }
        // The filter's own configuration comes first and alone decides whether the file is good.
        if (message.id !== 0) return;
        send({
          kind: 'ready',
          hooks: {
            request: onRequest !== undefined,
            requestBody: onRequestBody !== undefined,
            response: onResponse !== undefined,
            responseBody: onResponseBody !== undefined,
          },
        });
        return;
      case 'end':
        streams.delete(message.stream);
        return;
      case 'ping':
        send({ kind: 'pong' });
        return;
      case 'fetched':
        fetches.get(message.id)?.(message.answer);
        fetches.delete(message.id);
    }
  });
}

function checked(value: unknown): FilterDefinition<unknown> {
  if (typeof value !== 'object' || value === null) throw new TypeError('the file must have a default export, made by defineFilter');
  for (const [name, part] of Object.entries(value)) {
    if (!functions.some((known) => known === name)) throw new TypeError(`defineFilter knows no "${name}"; use ${functions.join(', ')}`);
    if (part !== undefined && typeof part !== 'function') throw new TypeError(`defineFilter: ${name} is not a function`);
  }
  return value;
}
