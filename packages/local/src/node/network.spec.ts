import type { Packet } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { answerQuery, ClusterNames } from './dns-server.ts';
import { createImageMap, repositoryOf, unknownImageMessage } from './images.ts';
import { addressAt, rejectRules, type ServiceView, servicePorts, serviceRules } from './network.ts';

const slice = (
  service: string,
  port: { name?: string; port: number },
  ...addresses: { ip: string; ready?: boolean; hostname?: string }[]
) => ({
  addressType: 'IPv4',
  metadata: { namespace: 'n', labels: { 'kubernetes.io/service-name': service } },
  ports: [port],
  endpoints: addresses.map(({ ip, ready = true, hostname }) => ({
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined ? {} : { hostname }),
  })),
});
const view: ServiceView = {
  services: [
    { metadata: { name: 'web', namespace: 'n' }, spec: { clusterIP: '10.96.0.7', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] } },
    { metadata: { name: 'idle', namespace: 'n' }, spec: { clusterIP: '10.96.0.8', ports: [{ port: 53, protocol: 'UDP' }] } },
    { metadata: { name: 'set', namespace: 'n' }, spec: { clusterIP: 'None', ports: [{ name: 'tcp', port: 5 }] } },
    { metadata: { name: 'away', namespace: 'n' }, spec: { type: 'ExternalName', externalName: 'example.com' } },
  ],
  slices: [
    slice('web', { name: 'http', port: 8080 }, { ip: '10.244.0.12' }, { ip: '10.244.0.11' }, { ip: '10.244.0.13', ready: false }),
    slice('set', { name: 'tcp', port: 5 }, { ip: '10.244.0.20', hostname: 'set-0' }, { ip: '10.244.0.21' }),
  ],
};

describe('service rules', () => {
  it('share connections evenly among the ready backends', () => {
    expect(serviceRules(servicePorts(view))).toBe(
      [
        '*nat',
        ':XEBEC_SERVICES - [0:0]',
        '-A XEBEC_SERVICES -d 10.96.0.7/32 -p tcp --dport 80 -m statistic --mode random --probability 0.5000000000 -j DNAT --to-destination 10.244.0.11:8080',
        '-A XEBEC_SERVICES -d 10.96.0.7/32 -p tcp --dport 80 -j DNAT --to-destination 10.244.0.12:8080',
        'COMMIT',
        '',
      ].join('\n'),
    );
  });
  it('refuse a service without backends, and say nothing of headless ones', () => {
    expect(rejectRules(servicePorts(view))).toBe(
      ['*filter', ':XEBEC_REJECT - [0:0]', '-A XEBEC_REJECT -d 10.96.0.8/32 -p udp --dport 53 -j REJECT', 'COMMIT', ''].join('\n'),
    );
  });
  it('number addresses through the /16', () => {
    expect([addressAt('10.244', 10), addressAt('10.244', 258)]).toEqual(['10.244.0.10', '10.244.1.2']);
  });
});

describe('DNS answers', () => {
  const names = new ClusterNames(view);
  const ask = (name: string, type: 'A' | 'AAAA' | 'SRV' = 'A') => {
    const query: Packet = { type: 'query', id: 7, flags: 0x0100, questions: [{ type, name }] };
    return answerQuery(names, query);
  };
  const data = (name: string, type: 'A' | 'AAAA' | 'SRV' = 'A') =>
    ask(name, type)?.answers?.map((answer) => ('data' in answer ? answer.data : undefined));

  it.each([
    ['web.n.svc.cluster.local', ['10.96.0.7']],
    ['WEB.n.svc.cluster.local', ['10.96.0.7']],
    ['set.n.svc.cluster.local', ['10.244.0.20', '10.244.0.21']],
    ['set-0.set.n.svc.cluster.local', ['10.244.0.20']],
    ['10-244-0-21.set.n.svc.cluster.local', ['10.244.0.21']],
  ])('%s has %j', (name, expected) => {
    expect(data(name)).toEqual(expected);
  });
  it('tells a port by SRV', () => {
    expect(data('_http._tcp.web.n.svc.cluster.local', 'SRV')).toEqual([
      { priority: 0, weight: 100, port: 80, target: 'web.n.svc.cluster.local' },
    ]);
  });
  it('knows no such name, but knows a name without such a record', () => {
    expect((ask('nope.n.svc.cluster.local')?.flags ?? 0) & 15).toBe(3);
    const empty = ask('web.n.svc.cluster.local', 'AAAA');
    expect([(empty?.flags ?? 0) & 15, empty?.answers]).toEqual([0, []]);
    expect((empty?.flags ?? 0) & 0x0100).toBe(0x0100);
  });
  it('leaves other domains to the name server above, also one that only looks alike', () => {
    expect(ask('example.com')).toBeUndefined();
    expect(ask('notcluster.local')).toBeUndefined();
  });
});

describe('image map', () => {
  it.each([
    ['nginx', 'nginx'],
    ['nginx:1.2', 'nginx'],
    ['localhost:5000/a/b:v1', 'localhost:5000/a/b'],
    ['r.io/a@sha256:00', 'r.io/a'],
    ['r.io/a:v1@sha256:00', 'r.io/a'],
  ])('the repository of %s is %s', (image, repository) => {
    expect(repositoryOf(image)).toBe(repository);
  });

  const checkout = new URL('../../../..', import.meta.url).pathname;
  const images = createImageMap(checkout, '/node', { 'me/app': ['run', 'it'] });
  it('finds scripts of the checkout, and commands that were added', () => {
    const reviews = images.resolve('docker.io/istio/examples-bookinfo-reviews-v2:1.20.3');
    expect(reviews?.entrypoint[1]).toMatch(/apps\/bookinfo\/reviews\/bin\/reviews\.ts$/);
    expect(reviews?.env).toEqual({ SERVICE_VERSION: 'v2' });
    expect(images.resolve('docker.io/istio/proxyv2:1.29.0')?.impliedArgument).toBe('proxy');
    expect(images.resolve('me/app:v3')).toEqual({ entrypoint: ['run', 'it'], args: [], env: {} });
    expect(images.resolve('example.com/unknown')).toBeUndefined();
  });
  it('says what to do about another image', () => {
    expect(unknownImageMessage('a.io/b:1')).toContain("XEBEC_IMAGE='a.io/b=COMMAND ARG…'");
  });
});
