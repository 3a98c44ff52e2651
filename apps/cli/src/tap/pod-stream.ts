import { Writable } from 'node:stream';
import { Exec, type KubeConfig } from '@kubernetes/client-node';
import { errorText } from '@xebec/core';
import type { TapEvent, TapStatus } from '@xebec/dataplane/tap';
import type { ProxyPod } from './followed-pods.ts';

/** How a stream ended: its time was over, the proxy refused it, or something between here and there broke. */
export type StreamEnd = { readonly kind: 'over' } | { readonly kind: 'refused' | 'broken'; readonly reason: string };

export interface StreamReader {
  onStarted(): void;
  onEvent(event: TapEvent): void;
  onStatus(status: TapStatus): void;
  onEnd(end: StreamEnd): void;
}

/** A line that is longer comes from no proxy of ours. */
const maxLineBytes = 1024 * 1024;
const maxErrorText = 2000;

/** Looks at the proxy of a pod through the API server; returns what ends it. `onEnd` is called once, also then. */
export function openPodStream(
  config: KubeConfig,
  pod: ProxyPod,
  container: string,
  query: URLSearchParams,
  reader: StreamReader,
): () => void {
  let ended = false;
  let over = false;
  let text = '';
  let errors = '';
  let refusal = '';
  let close: (() => void) | undefined;
  const end = (result: StreamEnd): void => {
    if (ended) return;
    ended = true;
    close?.();
    reader.onEnd(result);
  };
  const line = (value: string): void => {
    if (!value.startsWith('{')) {
      if (refusal.length < maxErrorText) refusal += `${value}\n`;
      return;
    }
    const message = parseLine(value);
    if (message === undefined) return;
    if ('tap_status' in message) {
      over ||= message.tap_status.ended !== undefined;
      reader.onStatus(message.tap_status);
    } else if ('tap_started' in message) reader.onStarted();
    else reader.onEvent(message);
  };
  const out = new Writable({
    write(chunk: Buffer, _, done) {
      if (!ended) {
        text += chunk.toString('utf8');
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const one of lines) if (!ended && one !== '') line(one);
        if (text.length > maxLineBytes) end({ kind: 'broken', reason: `a line of more than ${maxLineBytes} bytes` });
      }
      done();
    },
  });
  const err = new Writable({
    write(chunk: Buffer, _, done) {
      if (errors.length < maxErrorText) errors += chunk.toString('utf8');
      done();
    },
  });
  const finish = (message: string): void => {
    if (text !== '') line(text);
    if (over) end({ kind: 'over' });
    else if (refusal !== '') end({ kind: 'refused', reason: refusalText(refusal) });
    else end({ kind: 'broken', reason: errors.trim() || message });
  };
  new Exec(config)
    .exec(pod.namespace, pod.name, container, ['xebec-proxy', 'request', 'POST', `/tap/stream?${query}`], out, err, null, false, (status) =>
      finish(status.message ?? 'the stream ended'),
    )
    .then(
      (connection) => {
        close = () => connection.close();
        if (ended) close();
        connection.on('close', () => finish('the connection was closed'));
        connection.on('error', (error: unknown) => finish(errorText(error)));
      },
      (error: unknown) => end({ kind: 'broken', reason: errorText(error) }),
    );
  return () => end({ kind: 'over' });
}

type StreamLine = TapEvent | { readonly tap_status: TapStatus } | { readonly tap_started: object };

/** Undefined for what is no line of a proxy's. */
function parseLine(text: string): StreamLine | undefined {
  try {
    // Written by the proxy's own `tapEvent` and `TapViewers`.
    const value = JSON.parse(text) as StreamLine;
    return 'tap_status' in value || 'tap_started' in value || 'summary' in value ? value : undefined;
  } catch {
    return undefined;
  }
}

function refusalText(text: string): string {
  if (text.startsWith('invalid path')) return 'its admin server has no /tap/stream: it is a stock Envoy, or older than this command';
  return text.trim().split('\n').join('; ');
}
