import { readFileSync } from 'node:fs';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import type { BootstrapNode } from '@xebec/injection';
import { type DnsProxy, startDnsProxy } from './dns-proxy.ts';
import { createNameTable, type NameEntry } from './name-table.ts';
import { watchNameTable } from './nds-client.ts';
import { parseResolvConf } from './resolv-conf.ts';

export interface PodDnsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A JSON object of hosts and their addresses, in force until the pilot sends a table; it need not exist. */
  readonly staticFile: string;
  readonly resolvConf: string;
  readonly xdsSocket: string;
  readonly node: BootstrapNode;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whether this pod's DNS is captured (`ISTIO_META_DNS_CAPTURE`). */
export function capturesDns(env: PodDnsOptions['env']): boolean {
  return env['ISTIO_META_DNS_CAPTURE'] === 'true';
}

/** Starts the pod's DNS proxy at `DNS_PROXY_ADDR` (`localhost:15053`) and keeps its table as the pilot has it. */
export async function startPodDns(options: PodDnsOptions): Promise<{ readonly port: number; close(): void }> {
  const { env, clock, logger } = options;
  const { address, port } = listenAddress(env['DNS_PROXY_ADDR'] ?? 'localhost:15053');
  const { servers, search } = parseResolvConf(readText(options.resolvConf) ?? '');
  const proxy: DnsProxy = await startDnsProxy({
    address,
    port,
    table: createNameTable(staticEntries(options.staticFile), search),
    upstream: servers.map((server) => ({ address: server, port: 53 })),
    clock,
    logger,
  });
  const watch = watchNameTable({
    socketPath: options.xdsSocket,
    node: options.node,
    clock,
    logger,
    onTable: (entries) => {
      proxy.table = createNameTable(entries, search);
    },
  });
  return {
    port: proxy.port,
    close() {
      watch.close();
      proxy.close();
    },
  };
}

function listenAddress(text: string): { address: string; port: number } {
  const match = /^\[?(.*?)\]?:(\d{1,5})$/.exec(text);
  if (match?.[1] === undefined || Number(match[2]) > 65_535) {
    throw new XebecError('E_ENV', `DNS_PROXY_ADDR wants address:port, but got "${text}"`);
  }
  return { address: match[1] === 'localhost' ? '127.0.0.1' : match[1], port: Number(match[2]) };
}

function staticEntries(file: string): Map<string, NameEntry> {
  const text = readText(file);
  if (text === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new XebecError('E_ENV', `${file}: not JSON: ${errorText(cause)}`, { cause });
  }
  if (typeof value !== 'object' || value === null) throw new XebecError('E_ENV', `${file}: want an object of hosts and lists of addresses`);
  const entries = new Map<string, NameEntry>();
  for (const [host, addresses] of Object.entries(value)) {
    if (!Array.isArray(addresses)) throw new XebecError('E_ENV', `${file}: "${host}" wants a list of addresses`);
    entries.set(host, { addresses: addresses.map(String) });
  }
  return entries;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
