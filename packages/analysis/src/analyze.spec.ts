import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { analyze, formatMessage, toRawObject } from './index.ts';

function run(yaml: string): string[] {
  const objects = parseAllDocuments(yaml).flatMap((document) => toRawObject(document.toJS(), 'default') ?? []);
  return analyze(objects).map(formatMessage);
}

const service = (name: string, ports = '[{name: http, port: 9080}]') =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: ${ports}}}`;
const virtualService = (name: string, spec: string) =>
  `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${name}}, spec: ${spec}}`;

describe('analyze', () => {
  it('finds nothing in a sound configuration', () => {
    expect(
      run(`${service('reviews')}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: reviews}, spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}}
---
${virtualService('reviews', '{hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}')}`),
    ).toEqual([]);
  });

  it.each([
    [
      'IST0101 host',
      virtualService('reviews', '{hosts: [reviews], http: [{route: [{destination: {host: reviewsx}}]}]}'),
      'Error [IST0101] (VirtualService default/reviews) Referenced host not found: "reviewsx"',
    ],
    [
      'IST0101 subset',
      `${service('reviews')}\n---\n${virtualService('reviews', '{hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v9}}]}]}')}`,
      'Error [IST0101] (VirtualService default/reviews) Referenced host+subset in destinationrule not found: "reviews+v9"',
    ],
    [
      'IST0101 gateway',
      `${service('a')}\n---\n${virtualService('a', '{hosts: [a], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}')}`,
      'Error [IST0101] (VirtualService default/a) Referenced gateway not found: "gw"',
    ],
    [
      'IST0102',
      '{apiVersion: v1, kind: Namespace, metadata: {name: plain}}',
      'Info [IST0102] (Namespace plain) The namespace is not enabled',
    ],
    [
      'IST0103',
      '{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio-injection: enabled}}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: app}]}}',
      'Warning [IST0103] (Pod default/p) The pod default/p is missing the Istio proxy.',
    ],
    [
      'IST0106',
      virtualService('a', '{hosst: [a]}'),
      'Error [IST0106] (VirtualService default/a) Schema validation error: spec.hosst: unknown field "hosst"; did you mean "hosts"?',
    ],
    [
      'IST0109',
      `${service('a')}\n---\n${virtualService('x', '{hosts: [a], http: [{route: [{destination: {host: a}}]}]}')}\n---\n${virtualService('y', '{hosts: [a.default.svc.cluster.local], http: [{route: [{destination: {host: a}}]}]}')}`,
      'Error [IST0109] (VirtualService default/x) The VirtualServices default/x,default/y associated with mesh gateway define the same host a.default.svc.cluster.local',
    ],
    [
      'IST0111',
      '{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: a}, spec: {egress: [{hosts: ["./*"]}]}}\n---\n{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: b}, spec: {egress: [{hosts: ["./*"]}]}}',
      'Error [IST0111] (Sidecar default/a) The Sidecars [a b] in namespace "default" have no workload selector',
    ],
    [
      'IST0112',
      `${service('two', '[{name: http, port: 80}, {name: http-b, port: 81}]')}\n---\n${virtualService('two', '{hosts: [two], http: [{route: [{destination: {host: two}}]}]}')}`,
      'Error [IST0112] (VirtualService default/two) This VirtualService routes to a service "two" that exposes multiple ports [80,81].',
    ],
    ['IST0118', service('odd', '[{name: foo, port: 4711}]'), 'Info [IST0118] (Service default/odd) Port name foo (port: 4711)'],
    [
      'IST0127',
      '{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: a}}, spec: {containers: [{name: app}]}}\n---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: none}, spec: {selector: {matchLabels: {app: b}}}}',
      'Warning [IST0127] (AuthorizationPolicy default/none) No matching workloads for this resource with the following labels: app=b',
    ],
    [
      'IST0130',
      `${service('a')}\n---\n${virtualService('a', '{hosts: [a], http: [{route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /x}}], route: [{destination: {host: a}}]}]}')}`,
      'Warning [IST0130] (VirtualService default/a) VirtualService rule #1 not used (rule #0 before it matches everything).',
    ],
    [
      'IST0132',
      `${service('a')}\n---\n{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: gw}, spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [b.example.com]}]}}\n---\n${virtualService('a', '{hosts: [c.example.com], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}')}`,
      'Warning [IST0132] (VirtualService default/a) one or more host [c.example.com] defined in VirtualService not found in Gateway gw',
    ],
  ])('%s', (_name, yaml, wanted) => {
    const found = run(yaml);
    expect(found.some((line) => line.startsWith(wanted))).toBe(true);
  });

  it('leaves out what an object suppresses', () => {
    const object = toRawObject(
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'a', annotations: { 'galley.istio.io/analyze-suppress': 'IST0101' } },
        spec: { hosts: ['a'], http: [{ route: [{ destination: { host: 'nowhere' } }] }] },
      },
      'default',
    );
    expect(object === undefined ? undefined : analyze([object])).toEqual([]);
  });
});
