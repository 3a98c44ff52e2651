import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { type AttackerIdentity, callTls } from './callers.ts';
import { Forger } from './forged-certificates.ts';

const FRIEND = 'URI:spiffe://cluster.local/ns/shop/sa/friend';

/** A sidecar's validation of callers, and the same with one thing left out. */
const VALIDATIONS = [
  'whole',
  'without certificate',
  'without names',
  'without root',
  'with expired ones',
  'without revocation',
  'untrusted',
] as const;
type Validation = (typeof VALIDATIONS)[number];

/** What a caller shows, and the validation that lets it in. */
const ATTACKS: readonly (readonly [name: string, leaf: string, passesAt: Validation])[] = [
  ['no certificate', 'nothing', 'without certificate'],
  ['an expired leaf', 'expired', 'with expired ones'],
  ['a leaf that is not valid yet', 'future', 'with expired ones'],
  ['a revoked leaf', 'revoked', 'without revocation'],
  ['a leaf of another root', 'alien', 'without root'],
  ['a self-made leaf with two URI names, one of them of the mesh', 'two', 'without root'],
  ['a leaf signed by a leaf', 'below', 'untrusted'],
  ['a leaf that is for servers alone', 'server', 'untrusted'],
  ['a leaf of another trust domain', 'foreign', 'without names'],
  ['a leaf of a trust domain that begins alike', 'longer', 'without names'],
  ['a leaf with a DNS name that looks like an identity', 'dns', 'without names'],
  ['a leaf with the identity in another letter case', 'upper', 'without names'],
];

let directory: string;
const leaves = new Map<string, AttackerIdentity | undefined>();

function validation(kind: Validation, forger: Forger): object {
  const both = join(directory, 'both.pem');
  const name = { san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } };
  return {
    trusted_ca: { filename: kind === 'without root' ? both : forger.path('root.pem') },
    ...(kind === 'without names' || kind === 'without certificate' ? {} : { match_typed_subject_alt_names: [name] }),
    ...(kind === 'without revocation' || kind === 'without root' ? {} : { crl: { filename: forger.path('crl.pem') } }),
    ...(kind === 'with expired ones' ? { allow_expired_certificate: true } : {}),
    ...(kind === 'untrusted' ? { trust_chain_verification: 'ACCEPT_UNTRUSTED' } : {}),
  };
}

function configuration(ports: ReadonlyMap<Validation, number>, forger: Forger): string {
  const type = (name: string) => `type.googleapis.com/envoy.extensions.${name}`;
  return JSON.stringify({
    static_resources: {
      listeners: [...ports].map(([kind, port]) => ({
        name: kind,
        address: { socket_address: { address: '127.0.0.1', port_value: port } },
        filter_chains: [
          {
            transport_socket: {
              name: 'envoy.transport_sockets.tls',
              typed_config: {
                '@type': type('transport_sockets.tls.v3.DownstreamTlsContext'),
                require_client_certificate: kind !== 'without certificate',
                common_tls_context: {
                  tls_certificates: [
                    { certificate_chain: { filename: forger.path('server.pem') }, private_key: { filename: forger.path('server.key') } },
                  ],
                  validation_context: validation(kind, forger),
                  alpn_protocols: ['istio-http/1.1'],
                },
              },
            },
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
                  stat_prefix: 'door',
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'all',
                        domains: ['*'],
                        routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'come in' } } }],
                      },
                    ],
                  },
                  http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': type('filters.http.router.v3.Router') } }],
                },
              },
            ],
          },
        ],
      })),
    },
  });
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-forged-'));
  const forger = new Forger(directory);
  forger.authority('root');
  forger.authority('other');
  writeFileSync(join(directory, 'both.pem'), forger.read('root.pem') + forger.read('other.pem'));
  const make = (name: string, options: Parameters<Forger['leaf']>[1]) => leaves.set(name, forger.leaf(name, options));
  leaves.set('nothing', undefined);
  make('server', {
    names: FRIEND,
    more: ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth'],
  });
  make('good', { names: FRIEND });
  make('expired', { names: FRIEND, from: '20240101000000Z', to: '20240201000000Z' });
  make('future', { names: FRIEND, from: '20980101000000Z', to: '20990101000000Z' });
  make('revoked', { names: FRIEND });
  make('alien', { names: FRIEND, issuer: 'other' });
  make('two', { names: `${FRIEND},URI:spiffe://evil.example/ns/a/sa/b`, issuer: 'other' });
  make('below', { names: FRIEND, issuer: 'good' });
  make('foreign', { names: 'URI:spiffe://evil.example/ns/shop/sa/friend' });
  make('longer', { names: 'URI:spiffe://cluster.local.evil.example/ns/shop/sa/friend' });
  make('dns', { names: 'DNS:spiffe.cluster.local' });
  make('upper', { names: 'URI:SPIFFE://CLUSTER.LOCAL/ns/shop/sa/friend' });
  forger.revoke('root', ['revoked']);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  ['our proxy', (file: string) => startDaemon('proxy', ['-c', file, '--concurrency', '1', '-l', 'error'])],
  [
    'stock Envoy',
    (file: string) => startProcess(requiredPeer('ENVOY'), ['-c', file, '--use-dynamic-base-id', '-l', 'warning', '--concurrency', '1']),
  ],
] as const)('%s', (name, start: (file: string) => RunningProcess) => {
  const ports = new Map<Validation, number>();
  let running: RunningProcess;
  const comesIn = async (leaf: string, kind: Validation) =>
    (await callTls('127.0.0.1', ports.get(kind) ?? 0, leaves.get(leaf), 'GET / HTTP/1.1\r\nHost: door\r\n\r\n')).includes('come in');
  beforeAll(async () => {
    for (const kind of VALIDATIONS) ports.set(kind, await freePort());
    const file = join(directory, `${name.replaceAll(' ', '-')}.json`);
    writeFileSync(file, configuration(ports, new Forger(directory)));
    running = start(file);
    for (const kind of VALIDATIONS)
      await eventually(`${name} to let callers in ${kind}`, async () => ((await comesIn('good', kind)) ? true : undefined)).catch(
        (cause) => {
          throw new Error(running.output(), { cause });
        },
      );
  });
  afterAll(async () => await running?.stop('SIGKILL'));
  it.each(ATTACKS)('refuses %s', async (_what, leaf) => {
    expect(await comesIn(leaf, 'whole')).toBe(false);
    expect(await comesIn('good', 'whole'), running.output().slice(-1_500)).toBe(true);
  });
  it.each(ATTACKS)('lets in %s once that is not looked at', async (_what, leaf, passesAt) => {
    expect(await comesIn(leaf, passesAt), running.output().slice(-1_500)).toBe(true);
  });
});
