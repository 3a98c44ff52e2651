import { readFileSync } from 'node:fs';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { headerJoined } from '@xebec/wire';
import { describe, expect, it } from 'vitest';
import { isGrpcRequest } from './route-match.ts';
import { compileRouteTable } from './route-table.ts';
import { testRequest, testStreamInfo } from './test-stream-info.ts';

interface RouteCase {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** What Envoy answered; for forwarded requests what its upstream got. */
  readonly expect: Readonly<Record<string, unknown>>;
}

const file = readFileSync(new URL('../testdata/route-cases.json', import.meta.url), 'utf8');
const { config, cases } = JSON.parse(file) as { config: JsonValue; cases: RouteCase[] }; // The file is ours.
const table = compileRouteTable(fromJson(RouteConfigurationSchema, config, { registry: createProtoRegistry() }));
const echoed = [
  'x-config',
  'x-vhost',
  'x-over',
  'x-route',
  'x-gone',
  'x-absent',
  'x-exists',
  'x-empty',
  'x-envoy-original-path',
  'x-forwarded-host',
];

function answer({ method, authority, path, headers }: RouteCase): Record<string, unknown> {
  const list = Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]));
  const request = testRequest(path, authority, list, method);
  const info = testStreamInfo();
  info.protocol = 'HTTP/1.1';
  const route = table.route(request, { info, random: 0.5 });
  if (route === undefined) return { status: 404, body: '' };
  const { action } = route;
  switch (action.kind) {
    case 'direct-response':
      // A local reply to a gRPC request has its text in grpc-message.
      return { status: action.status, body: isGrpcRequest(request) ? '' : action.body.toString() };
    case 'redirect':
      return { status: action.status, location: action.location(request) };
    case 'non-forwarding':
      return { status: 404, body: '' };
    case 'forward': {
      const choice = action.chooseCluster(request, 0.5);
      expect(choice.name).toBe('echo');
      route.finalizeRequest(request, choice, { info, request });
      const seen: Record<string, string> = {};
      for (const name of echoed) {
        const value = headerJoined(request.headers, name);
        if (value !== undefined) seen[name] = value;
      }
      return { status: 200, path: request.path, authority: request.authority, headers: seen };
    }
  }
}

describe('route decisions are those of Envoy', () => {
  it.each(cases.map((one) => [`${one.method} ${one.authority} ${one.path} ${JSON.stringify(one.headers)}`, one] as const))(
    '%s',
    (_, one) => {
      expect(answer(one)).toEqual(one.expect);
    },
  );
});
