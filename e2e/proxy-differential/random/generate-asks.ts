import type { Field, Reply } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { tokens } from './generate-security.ts';
import type { Ask } from './scene.ts';
import { askedHosts, configuredPaths, headerNames, headerValues, queries } from './vocabulary.ts';

const endings = [
  '',
  '',
  '',
  '',
  '/',
  'x',
  '/x',
  '/b',
  '%2f',
  '%2F',
  '/..',
  '/../a',
  '/./b',
  '//',
  '//b',
  '/%2e%2e/a',
  '%2e',
  '\\b',
  '%5cb',
  ';p=1',
  ';p=1/b',
  '%zz',
  '%',
  '%00',
  '.b',
  '/x.b',
  '/12',
  '%C3%A9',
  '/%62',
];

function askedPath(draw: Draw): string {
  const path = draw.pick(configuredPaths);
  const cased = draw.chance(0.12) ? path.toUpperCase() : path;
  return `${cased}${draw.pick(endings)}${draw.chance(0.4) ? draw.pick(queries) : ''}${draw.chance(0.01) ? `/${'l'.repeat(3000)}` : ''}`;
}

function headers(draw: Draw): Field[] {
  const fields: Field[] = draw.many(0, 3, () => [
    draw.chance(0.1) ? draw.pick(['X-A', 'X-B']) : draw.pick(headerNames),
    draw.pick(headerValues),
  ]);
  const add = (probability: number, ...some: Field[]): void => {
    if (draw.chance(probability)) fields.push(draw.pick(some));
  };
  add(0.15, ['x-who', 'v'], ['x-who', 'value'], ['x-who', '']);
  add(0.2, ['x-n', '5'], ['x-n', '17'], ['x-n', '42'], ['x-n', 'x'], ['x-n', '1.5'], ['x-n', '99999999999']);
  add(0.15, ['x-cluster', 'a'], ['x-cluster', 'b'], ['x-cluster', 'none'], ['x-cluster', '']);
  add(
    0.1,
    ['content-type', 'application/grpc'],
    ['content-type', 'application/grpc+proto'],
    ['content-type', 'application/json'],
    ['content-type', 'application/grpc-web'],
  );
  add(
    0.08,
    ['accept-encoding', 'gzip'],
    ['accept-encoding', 'br, gzip;q=0.5'],
    ['accept-encoding', '*'],
    ['accept-encoding', 'identity'],
    ['accept-encoding', 'gzip;q=0, br'],
  );
  if (draw.chance(0.25)) {
    const one = draw.pick(tokens);
    fields.push(
      draw.pick<Field>([
        ['authorization', `Bearer ${one}`],
        ['authorization', `Bearer ${one}`],
        ['authorization', `bearer ${one}`],
        ['x-token', one],
        ['x-token', `T ${one}`],
        ['cookie', `c=${one}`],
      ]),
    );
  }
  if (draw.chance(0.12)) {
    fields.push(['origin', draw.pick(['http://app.example', 'http://other.org', 'null', ''])]);
    if (draw.chance(0.6)) fields.push(['access-control-request-method', draw.pick(['GET', 'PUT'])]);
    add(0.3, ['access-control-request-headers', 'x-a'], ['access-control-request-private-network', 'true']);
  }
  add(
    0.1,
    ['x-forwarded-for', '10.0.0.1'],
    ['x-forwarded-for', '1.2.3.4, 10.0.0.1'],
    ['x-forwarded-for', '1.2.3.4,5.6.7.8, 9.9.9.9'],
    ['x-forwarded-for', 'garbage'],
    ['x-forwarded-for', ''],
  );
  add(
    0.1,
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-proto', 'ftp'],
    ['x-forwarded-host', 'fwd.example'],
    ['x-forwarded-port', '99'],
  );
  add(
    0.1,
    ['x-envoy-retry-on', '5xx'],
    ['x-envoy-retry-on', 'retriable-4xx,bogus'],
    ['x-envoy-max-retries', '2'],
    ['x-envoy-max-retries', 'x'],
    ['x-envoy-retriable-status-codes', '404,418'],
    ['x-envoy-retry-grpc-on', 'unavailable'],
    ['x-envoy-retriable-header-names', 'x-up'],
  );
  add(
    0.08,
    ['x-envoy-upstream-rq-timeout-ms', '900'],
    ['x-envoy-upstream-rq-timeout-ms', 'x'],
    ['x-envoy-upstream-rq-per-try-timeout-ms', '800'],
    ['x-envoy-expected-rq-timeout-ms', '700'],
    ['grpc-timeout', '2S'],
    ['grpc-timeout', '1x'],
    ['x-envoy-upstream-alt-stat-name', 'alt'],
    ['x-envoy-hedge-on-per-try-timeout', 'true'],
  );
  add(
    0.06,
    ['x-envoy-internal', 'true'],
    ['x-envoy-original-path', '/spoof'],
    ['x-envoy-decorator-operation', 'op'],
    ['x-envoy-force-trace', 'true'],
    ['x-envoy-ip-tags', 't'],
    ['x-envoy-attempt-count', '9'],
    ['x-envoy-downstream-service-cluster', 'me'],
  );
  add(
    0.06,
    ['x-envoy-fault-abort-request', '420'],
    ['x-envoy-fault-abort-grpc-request', '7'],
    ['x-envoy-fault-delay-request', '10'],
    ['x-envoy-fault-abort-request', 'x'],
  );
  add(0.05, ['x_under', '1'], ['x-request-id', 'mine'], ['x-request-id', ''], ['via', '1.1 before'], ['server', 'client']);
  add(0.1, ['cookie', 'c=1'], ['cookie', 'c=1; d=2'], ['cookie', 'd=2; c="q"'], ['cookie', 'c=']);
  add(
    0.05,
    ['te', 'trailers'],
    ['te', 'gzip'],
    ['connection', 'keep-alive, x-a'],
    ['connection', 'close'],
    ['keep-alive', 'x'],
    ['proxy-connection', 'close'],
    ['expect', '100-continue'],
    ['upgrade', 'websocket'],
    ['transfer-encoding', 'identity'],
  );
  add(
    0.05,
    ['user-agent', 'tester'],
    ['user-agent', ''],
    ['referer', 'http://a/b'],
    ['accept', '*/*'],
    ['range', 'bytes=0-1'],
    ['if-none-match', '"x"'],
    ['authorization', 'Bearer x'],
  );
  return fields;
}

function reply(draw: Draw): Reply {
  const fields: Field[] = [['content-type', draw.pick(['text/plain', 'application/json', 'application/grpc', 'text/html; charset=utf-8'])]];
  const add = (probability: number, ...some: Field[]): void => {
    if (draw.chance(probability)) fields.push(draw.pick(some));
  };
  add(0.4, ['x-up', 'v'], ['x-up', 'retry'], ['X-Up', 'V'], ['x-up', '']);
  add(0.2, ['server', 'upstream'], ['Server', 'x']);
  add(
    0.2,
    ['x-envoy-ratelimited', 'true'],
    ['x-envoy-overloaded', 'true'],
    ['x-envoy-upstream-service-time', '9'],
    ['x-envoy-attempt-count', '7'],
  );
  add(
    0.2,
    ['set-cookie', 'a=1'],
    ['etag', '"x"'],
    ['cache-control', 'no-transform'],
    ['vary', 'origin'],
    ['access-control-allow-origin', 'http://up.example'],
    ['via', '1.1 up'],
    ['proxy-status', 'up'],
  );
  add(0.1, ['grpc-status', '0'], ['grpc-status', '14'], ['grpc-status', '5'], ['grpc-status', 'x']);
  add(
    0.15,
    ['location', 'http://app.example/a'],
    ['location', '/a/b'],
    ['location', 'https://app.example/v1'],
    ['location', 'http://other.org/'],
    ['location', 'garbage'],
  );
  add(
    0.05,
    ['connection', 'close'],
    ['connection', 'x-up'],
    ['keep-alive', 'timeout=5'],
    ['trailer', 'x-t'],
    ['proxy-connection', 'close'],
  );
  const status = draw.pick([200, 200, 200, 204, 301, 302, 302, 304, 307, 404, 409, 418, 429, 500, 502, 503, 503, 504]);
  const instead = draw.chance(0.08) ? draw.pick(['close', 'reset'] as const) : undefined;
  return {
    status,
    headers: fields,
    body: status === 204 || status === 304 ? '' : draw.pick(['body', '', 'x'.repeat(150), '{"a":"b"}']),
    ...(draw.chance(0.1) && status === 200 ? { trailers: [['grpc-status', draw.pick(['0', '13'])] as const] } : {}),
    ...(draw.chance(0.1) && status !== 204 && status !== 304 ? { chunked: true } : {}),
    ...(instead === undefined ? {} : { instead }),
  };
}

function body(draw: Draw): { body?: string | readonly string[]; trailers?: readonly Field[] } {
  if (!draw.chance(0.25)) return {};
  const trailers: readonly Field[] | undefined = draw.chance(0.2) ? [['x-trail', 'er']] : undefined;
  return {
    body: draw.pick<string | readonly string[]>(['', 'x', 'body', 'longer body of a request', ['par', 'ts']]),
    ...(trailers === undefined ? {} : { trailers }),
  };
}

/** A request near the edges of what the vocabulary configures. */
export function ask(draw: Draw, numbered: boolean): Ask {
  const fields = numbered ? [...headers(draw).filter(([name]) => name !== 'x-n'), ['x-n', String(draw.int(100))] as const] : headers(draw);
  const path = askedPath(draw);
  const host = draw.chance(0.45) ? 'app.example' : draw.pick(askedHosts);
  const method = draw.chance(0.6) ? 'GET' : draw.pick(['POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']);
  const replies = draw.chance(0.55) ? {} : { replies: draw.many(1, 3, () => reply(draw)) };
  if (draw.chance(0.25)) {
    const plain = fields
      .filter(([name]) => !['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'transfer-encoding'].includes(name))
      .map(([name, value]): Field => [name.toLowerCase(), value]);
    return {
      does: {
        kind: 'http2',
        method,
        path,
        authority: host,
        headers: plain,
        ...(draw.chance(0.1) ? { scheme: 'https' } : {}),
        ...body(draw),
      },
      ...replies,
    };
  }
  const version = draw.chance(0.05) ? { version: '1.0' } : {};
  if (draw.chance(0.05))
    return { does: { method, path: `http://${draw.pick(askedHosts)}${path}`, host, headers: fields, ...version }, ...replies };
  if (draw.chance(0.02)) return { does: { method: 'CONNECT', path: host, host, headers: fields }, ...replies };
  if (draw.chance(0.01)) return { does: { method: 'OPTIONS', path: '*', host, headers: fields }, ...replies };
  return { does: { method, path, host, headers: fields, ...body(draw), ...version }, ...replies };
}
