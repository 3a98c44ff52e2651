import { expect } from 'vitest';

export interface KnownDifference {
  /** `intended`: as docs/differences.md says. `open`: to be made as Envoy does it, and then to leave this table. */
  readonly kind: 'intended' | 'open';
  readonly why: string;
  /** A part of what each proxy shows; it must hold, and the whole must differ. */
  readonly envoy: object;
  readonly xebec: object;
}

const first = (part: object): object => ({ answers: [part] });
const logged = (part: object): object => ({ log: [part] });
const seen = (part: object): object => ({ seen: [part] });
const missingLength: Omit<KnownDifference, 'why'> = {
  kind: 'open',
  envoy: seen({ method: 'OPTIONS', headers: { 'content-length': '0' } }),
  xebec: seen({ method: 'OPTIONS' }),
};
const noClusterInLog: KnownDifference = {
  kind: 'open',
  why: 'where a filter answers, Envoy logs the cluster of the route',
  envoy: logged({ cluster: 'main' }),
  xebec: logged({ cluster: null }),
};
const attemptsOfNone: KnownDifference = {
  kind: 'open',
  why: 'Envoy counts an attempt that found no host',
  envoy: logged({ attempts: 1, flags: 'UH' }),
  xebec: logged({ attempts: 0, flags: 'UH' }),
};

/** Where the two proxies differ, by the name of the exchange. */
export const knownDifferences: Readonly<Record<string, KnownDifference>> = {
  'method OPTIONS': { ...missingLength, why: 'Envoy adds content-length: 0 to OPTIONS without a body' },
  'CORS preflight of another origin': { ...missingLength, why: 'Envoy adds content-length: 0 to OPTIONS without a body' },
  'chunked body with trailers': {
    kind: 'open',
    why: 'Envoy drops HTTP/1 trailers unless enable_trailers is set',
    envoy: seen({ trailers: {} }),
    xebec: seen({ trailers: { 'x-end': 'yes' } }),
  },
  'response trailers over HTTP/1': {
    kind: 'open',
    why: 'Envoy drops HTTP/1 trailers unless enable_trailers is set',
    envoy: first({ trailers: {} }),
    xebec: first({ trailers: { 'x-end': 'done' } }),
  },
  'HEAD of a large body': {
    kind: 'open',
    why: 'Envoy answers HEAD with transfer-encoding where no length is known',
    envoy: first({ headers: { 'transfer-encoding': 'chunked' } }),
    xebec: first({ bodyBytes: 0 }),
  },
  'header mutations': {
    kind: 'open',
    why: '%RESPONSE_CODE% in response_headers_to_add is not known yet',
    envoy: first({ headers: { 'x-from': '200' } }),
    xebec: first({ headers: { 'x-from': '0' } }),
  },
  'fault abort': noClusterInLog,
  'RBAC denies': noClusterInLog,
  'CORS preflight': noClusterInLog,
  'no cluster': {
    kind: 'open',
    why: 'Envoy logs no cluster that does not exist',
    envoy: logged({ cluster: null, flags: 'NC' }),
    xebec: logged({ cluster: 'missing', flags: 'NC' }),
  },
  'no healthy upstream': attemptsOfNone,
  'gRPC to nobody': attemptsOfNone,
  websocket: {
    kind: 'open',
    why: 'the case of the word in connection',
    envoy: seen({ headers: { connection: 'Upgrade' } }),
    xebec: seen({ headers: { connection: 'upgrade' } }),
  },
  'TCP to nobody': {
    kind: 'open',
    why: 'flags and details of a TCP connection that finds nobody',
    envoy: logged({ flags: 'UF,URX', details: null }),
    xebec: logged({ flags: 'UF', details: 'upstream_connection_failed' }),
  },
  'HTTP/1.0': {
    kind: 'open',
    why: 'both refuse with 426; Envoy with a body, date and server',
    envoy: first({ body: expectation('HTTP/1.1 426 Upgrade Required') }),
    xebec: first({ body: expectation('HTTP/1.1 426 Upgrade Required') }),
  },
  'no host': {
    kind: 'open',
    why: 'both refuse with 400; Envoy with date and server',
    envoy: first({ body: expectation('HTTP/1.1 400 Bad Request') }),
    xebec: first({ body: expectation('HTTP/1.1 400 Bad Request') }),
  },
  'no request line': {
    kind: 'open',
    why: 'both refuse with 400; Envoy with a body, date and server',
    envoy: first({ body: expectation('HTTP/1.1 400 Bad Request') }),
    xebec: first({ body: expectation('HTTP/1.1 400 Bad Request') }),
  },
};

function expectation(start: string): unknown {
  return expect.stringMatching(new RegExp(`^${start}\\r\\n`));
}
