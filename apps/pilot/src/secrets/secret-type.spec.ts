import { fromBinary } from '@bufbuild/protobuf';
import { silentLogger } from '@xebec/core';
import { createSnapshot, proxyFromNode } from '@xebec/model';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { defaultMeshConfig } from '@xebec/schemas';
import { ResourceCache } from '@xebec/xds';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../authenticate.ts';
import { sidecarNode } from '../testing/pilot-fixture.ts';
import type { CredentialData } from './credential-store.ts';
import { secretType } from './secret-type.ts';

const bytes = (entries: Record<string, string>): CredentialData =>
  new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]));
const STORED: Record<string, CredentialData> = {
  'secrets/default/tls': bytes({ 'tls.crt': 'CHAIN', 'tls.key': 'KEY', 'ca.crt': 'CA' }),
  'secrets/default/generic': bytes({ cert: 'CHAIN', key: 'KEY' }),
  'secrets/default/generic-cacert': bytes({ cacert: 'CA', crl: 'CRL' }),
  'secrets/other/tls': bytes({ 'tls.crt': 'CHAIN', 'tls.key': 'KEY' }),
  'configmaps/other/roots': bytes({ 'ca.crt': 'CA' }),
};

const node = proxyFromNode({ ...sidecarNode('gateway'), extensions: [] });
if (!node.ok) throw new Error(node.error);
const proxy = node.value;
const snapshot = createSnapshot({ version: '1', mesh: defaultMeshConfig, services: [], endpoints: new Map(), config: [] });

/** What a proxy gets of the names it asks for: the kind of each secret. */
function ask(names: string[], caller: Caller | undefined, allowed = true) {
  let errors = 0;
  const type = secretType({
    cache: new ResourceCache(),
    store: { get: (source, namespace, name) => STORED[`${source}/${namespace}/${name}`], mayRead: () => allowed },
    logger: silentLogger,
    onError: () => errors++,
  });
  const found = type.resources(snapshot, { proxy, caller, local: true }, new Set(names));
  return { given: Object.fromEntries([...found].map(([name, { value }]) => [name, fromBinary(SecretSchema, value).type.case])), errors };
}

const OWN: Caller = { namespace: 'default', serviceAccount: 'gateway' };

describe('SDS', () => {
  it('gives certificates of either form, and the CA beside them or in a Secret of its own', () => {
    const names = ['tls', 'default/generic', 'tls-cacert', 'generic-cacert', 'missing'].map((name) => `kubernetes://${name}`);
    expect(ask(names, OWN).given).toEqual({
      'kubernetes://tls': 'tlsCertificate',
      'kubernetes://default/generic': 'tlsCertificate',
      'kubernetes://tls-cacert': 'validationContext',
      'kubernetes://generic-cacert': 'validationContext',
    });
  });

  it('gives nothing without credentials, not even to this machine', () => {
    expect(ask(['kubernetes://tls'], undefined).given).toEqual({});
  });

  it('gives no Secret of another namespace, but a ConfigMap, which is public', () => {
    expect(ask(['kubernetes://other/tls', 'kubernetes-gateway://other/tls', 'configmap://other/roots'], OWN)).toEqual({
      given: { 'configmap://other/roots': 'validationContext' },
      errors: 2,
    });
  });

  it('gives only CA certificates to a service account that may not list Secrets', () => {
    expect(ask(['kubernetes://tls', 'kubernetes://generic-cacert'], OWN, false).given).toEqual({
      'kubernetes://generic-cacert': 'validationContext',
    });
  });

  it.each(['kubernetes://../../x', 'kubernetes://a/b/c', 'kubernetes://', 'default', 'configmap://roots'])(
    'leaves out the name %s',
    (name) => {
      expect(ask([name], OWN)).toEqual({ given: {}, errors: 1 });
    },
  );
});
