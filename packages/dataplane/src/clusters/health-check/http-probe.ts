import { HeaderValueOption_HeaderAppendAction as AppendAction, type HeaderValueOption } from '@xebec/protos/envoy/config/core/v3/base';
import { type HeaderList, header, type RequestHead, removeHeader, setHeader } from '@xebec/wire';
import { asksToClose, ExchangeConnection, type ExchangeResponse } from './exchange.ts';
import type { ProbeConfig } from './health-check-config.ts';
import { failed, type Probe, type ProbeConnect, type ProbeResult, type ProbeTarget } from './probe.ts';
import { containsInOrder } from './tcp-probe.ts';

/** Asks a path and judges the response's status, headers and body. */
export function createHttpProbe(
  config: Extract<ProbeConfig, { kind: 'HTTP' }>,
  target: ProbeTarget,
  connect: ProbeConnect,
  reuse: boolean,
): Probe {
  const connection = new ExchangeConnection(connect, config.http2 ? 'http2' : 'http1', config.maxBodyBytes);
  let running: object | undefined;
  return {
    run(done) {
      const run = {};
      running = run;
      connection.send(requestHead(config, target), config.send, (response) => {
        if (running !== run) return;
        running = undefined;
        if (!reuse || response === undefined || asksToClose(response.head)) connection.close();
        done(response === undefined ? failed('NETWORK') : judge(config, response));
      });
    },
    abort() {
      running = undefined;
      connection.close();
    },
  };
}

function requestHead(config: Extract<ProbeConfig, { kind: 'HTTP' }>, target: ProbeTarget): RequestHead {
  const authority = [target.hostname, config.host, target.clusterName].find((name) => name !== '') ?? '';
  const headers: HeaderList = ['user-agent', 'Envoy/HC'];
  if (config.send !== undefined) headers.push('content-length', String(config.send.length));
  addHeaders(headers, config.headers);
  for (const name of config.removedHeaders) removeHeader(headers, name);
  return { method: config.method, path: config.path, authority, scheme: 'http', headers, version: config.http2 ? 'HTTP/2' : 'HTTP/1.1' };
}

/** Adds configured headers; values are taken as they stand, as there is no request to take fields from. */
export function addHeaders(headers: HeaderList, options: readonly HeaderValueOption[]): void {
  for (const { header: entry, appendAction, append } of options) {
    if (entry === undefined) continue;
    const name = entry.key.toLowerCase();
    const value = entry.value === '' && entry.rawValue.length > 0 ? Buffer.from(entry.rawValue).toString('latin1') : entry.value;
    const known = header(headers, name) !== undefined;
    if (append === false || appendAction === AppendAction.OVERWRITE_IF_EXISTS_OR_ADD) setHeader(headers, name, value);
    else if (appendAction === AppendAction.ADD_IF_ABSENT && known) continue;
    else if (appendAction === AppendAction.OVERWRITE_IF_EXISTS) {
      if (known) setHeader(headers, name, value);
    } else headers.push(name, value);
  }
}

function judge(config: Extract<ProbeConfig, { kind: 'HTTP' }>, { head, body }: ExchangeResponse): ProbeResult {
  const excluded = header(head.headers, 'x-envoy-immediate-health-check-fail') !== undefined;
  const failure = (retriable: boolean, verified = false): ProbeResult => ({
    kind: 'failure',
    failure: 'ACTIVE',
    retriable,
    excluded,
    verified,
  });
  if (!config.expects(head.status)) return failure(config.retries(head.status));
  const verified = config.serviceName !== undefined;
  if (config.serviceName?.(header(head.headers, 'x-envoy-upstream-healthchecked-cluster') ?? '') === false) return failure(false, true);
  if (!containsInOrder(body, config.receive)) return failure(false, verified);
  return { kind: 'success', degraded: header(head.headers, 'x-envoy-degraded') !== undefined, excluded: false, verified };
}
