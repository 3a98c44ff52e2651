import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:http';

/**
 * Headers an application has to carry from the request it serves to the requests it makes, so that traces join up and
 * routing by user works behind the first hop.
 */
const PROPAGATED = [
  'x-request-id',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'b3',
  'traceparent',
  'tracestate',
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'sw8',
  'end-user',
  'user-agent',
  'cookie',
  'authorization',
  'jwt',
];

export function propagated(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    PROPAGATED.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, Array.isArray(value) ? value.join(',') : value]];
    }),
  );
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** `http_proxy` is honoured, so the service also works where a sidecar is an explicit proxy. */
const agent = new Agent({ keepAlive: true, proxyEnv: process.env });

/** GET with a deadline for the whole exchange; rejects when it passes or the connection fails. */
export function get(url: string, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, headers, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
