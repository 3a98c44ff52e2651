import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { parseJsonObject } from './node-metadata.ts';

/** One rewritten probe: the Kubernetes form, at most one handler set. Times in seconds, as Kubernetes writes them. */
export interface AppProbe {
  readonly httpGet?: {
    readonly path?: string;
    readonly port: number | string;
    readonly host?: string;
    readonly scheme?: string;
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly tcpSocket?: { readonly port: number | string; readonly host?: string };
  readonly timeoutSeconds?: number;
}

export type AppProbes = ReadonlyMap<string, AppProbe>;

/** Reads `ISTIO_KUBE_APP_PROBERS`: JSON of probes by `/app-health/<container>/{livez,readyz,startupz}`. */
export function parseAppProbes(text: string | undefined): AppProbes {
  if (text === undefined || text === '') return new Map();
  const decoded = parseJsonObject(text);
  // The injector writes this value; unknown fields are ignored and wrong ones fail the probe.
  return new Map(
    Object.entries(decoded as Record<string, AppProbe>).filter(([path]) =>
      /^\/(app-health\/[^/]+\/(livez|readyz|startupz)|app-lifecycle\/[^/]+\/(poststartz|prestopz))$/.test(path),
    ),
  );
}

/** Runs a probe against the application at `address`; resolves to the status the kubelet sees. Bodies are dropped. */
export function runAppProbe(probe: AppProbe, address: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  return new Promise((resolve) => {
    if (probe.tcpSocket !== undefined) {
      const socket = connect({ host: probe.tcpSocket.host ?? address, port: Number(probe.tcpSocket.port), timeout: timeoutMs });
      const done = (status: number) => {
        socket.destroy();
        resolve(status);
      };
      socket.once('connect', () => done(200));
      socket.once('error', () => done(500));
      socket.once('timeout', () => done(500));
      return;
    }
    if (probe.httpGet === undefined) return resolve(404);
    const { path = '/', port, scheme, host, httpHeaders = [] } = probe.httpGet;
    const target = { host: host ?? address, port: Number(port), path, timeout: timeoutMs, agent: false };
    const sent = { ...headers, ...Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value])), connection: 'close' };
    // The kubelet does not judge certificates of probes either.
    const call =
      scheme === 'HTTPS' ? secureRequest({ ...target, headers: sent, rejectUnauthorized: false }) : request({ ...target, headers: sent });
    call.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 500);
    });
    call.once('timeout', () => call.destroy(new Error('timeout')));
    call.once('error', () => resolve(500));
    call.end();
  });
}
