import type { RequestRecord } from './request-record.ts';

export interface RecordedRequests {
  readonly records: readonly RequestRecord[];
  /** Lines of calls that this proxy's workload made itself. */
  readonly outbound: number;
  /** `file:line: what is wrong`, of lines that are no record. */
  readonly problems: readonly string[];
}

const MAX_LINE = 64 * 1024;

/**
 * Reads recorded requests, a JSON object on each line: those of an access log in Istio's JSON format, also with fields of its own, or our
 * own (`port`, `method`, `path`, `authority`, `principal`, `source_ip`, `remote_ip`, `sni`, `headers`, `claims`, `protocol`).
 */
export function readRecordedRequests(text: string, file: string): RecordedRequests {
  const records: RequestRecord[] = [];
  const problems: string[] = [];
  let outbound = 0;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const origin = `${file}:${index + 1}`;
    const value = parseObject(line);
    if (value === undefined) {
      problems.push(`${origin}: not a JSON object; record access logs with accessLogEncoding: JSON`);
      continue;
    }
    if (/^outbound\|/.test(textOf(value, 'upstream_cluster'))) {
      outbound++;
      continue;
    }
    const record = recordOf(value, origin);
    if (typeof record === 'string') problems.push(`${origin}: ${record}`);
    else records.push(record);
  }
  return { records, outbound, problems };
}

function recordOf(value: Record<string, unknown>, origin: string): RequestRecord | string {
  const destination = hostAndPort(textOf(value, 'downstream_local_address', 'destination'));
  const cluster = /^inbound\|(\d+)\|/.exec(textOf(value, 'upstream_cluster'))?.[1];
  const port = Number(value['port'] ?? cluster ?? destination.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    return 'no port: it needs "port", or "upstream_cluster" or "downstream_local_address" of a log';
  const method = textOf(value, 'method');
  const protocol = value['protocol'] === 'tcp' || (method === '' && value['path'] === undefined) ? 'tcp' : 'http';
  const principal = textOf(value, 'principal', 'source_principal', 'downstream_peer_uri_san');
  const client = hostAndPort(textOf(value, 'remote_ip', 'downstream_remote_address')).host;
  const source = hostAndPort(textOf(value, 'source_ip', 'downstream_direct_remote_address')).host;
  const serverName = textOf(value, 'sni', 'requested_server_name');
  const claims = value['claims'];
  return {
    origin,
    port,
    protocol,
    method: method === '' ? 'GET' : method,
    path: textOf(value, 'path') || '/',
    authority: textOf(value, 'authority', 'host'),
    headers: headersOf(value),
    principal: principal === '' ? undefined : principal.startsWith('spiffe://') ? principal : `spiffe://${principal}`,
    // Between sidecars the server name is the mesh's own, and only mTLS has one.
    principalUnknown: principal === '' && serverName.startsWith('outbound_'),
    sourceAddress: source || client || '127.0.0.1',
    clientAddress: client || source || '127.0.0.1',
    destinationAddress: destination.host || '127.0.0.1',
    serverName,
    claims: typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? { ...claims } : undefined,
  };
}

/** What logs say of headers in fields of their own, and `headers` of our own form. */
function headersOf(value: Record<string, unknown>): string[] {
  const out: string[] = [];
  for (const [field, name] of [
    ['user_agent', 'user-agent'],
    ['x_forwarded_for', 'x-forwarded-for'],
    ['request_id', 'x-request-id'],
  ] as const) {
    const text = textOf(value, field);
    if (text !== '') out.push(name, text);
  }
  const { headers } = value;
  if (typeof headers !== 'object' || headers === null) return out;
  for (const [name, content] of Object.entries(headers)) {
    for (const one of Array.isArray(content) ? content : [content]) out.push(name.toLowerCase(), String(one));
  }
  return out;
}

/** The first of these fields that holds a text; `-` is a log's way to say nothing. */
function textOf(value: Record<string, unknown>, ...fields: readonly string[]): string {
  for (const field of fields) {
    const text = value[field];
    if (typeof text === 'string' && text !== '' && text !== '-') return text;
  }
  return '';
}

function hostAndPort(text: string): { readonly host: string; readonly port: number | undefined } {
  const [, host = text, port] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(text) ?? [];
  // An IPv6 address without brackets has colons of its own.
  if (/^[^[]*:[^\]]*:/.test(text)) return { host: text, port: undefined };
  return { host, port: port === undefined ? undefined : Number(port) };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (line.length > MAX_LINE) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
