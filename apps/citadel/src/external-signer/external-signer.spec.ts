import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import { systemClock } from '@xebec/core';
import {
  type Authority,
  certificatePem,
  createCsr,
  createSelfSignedRoot,
  issueLeaf,
  localSigner,
  parseCsr,
  parseSpiffeId,
  parseTrustDomain,
  unwrap,
} from '@xebec/identity';
import { describe, expect, it } from 'vitest';
import { createExternalIssuer } from './external-issuer.ts';
import { createKubernetesSigner } from './kubernetes-csr.ts';

const keysOf = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ID = unwrap(parseSpiffeId('spiffe://cluster.local/ns/default/sa/reviews')).id;
const OTHER = 'spiffe://cluster.local/ns/default/sa/ratings';

function authority(organization = 'signer.example'): Authority {
  const keys = keysOf();
  const now = Date.now();
  const certificate = unwrap(createSelfSignedRoot(keys, { organization, ttlMs: 3_600_000, now, serial: Buffer.alloc(16, 1) }));
  return { certificate, signer: localSigner(keys.privateKey), intermediates: [], rootPem: certificatePem(certificate) };
}

const outside = authority();

/** Grants what it is told to grant, whatever the request says. */
function signerOf(uri: string, by = outside, key?: KeyObject, dnsNames: string[] = []) {
  return async (csrPem: string) => {
    const spki = key?.export({ format: 'der', type: 'spki' });
    const request = unwrap(parseCsr(csrPem));
    const wanted = spki === undefined || key === undefined ? request : { ...request, publicKey: key, spki };
    const leaf = unwrap(issueLeaf(by, wanted, { uri, dnsNames, ttlMs: 60_000, now: Date.now(), serial: Buffer.alloc(16, 2) }));
    return certificatePem(leaf) + by.rootPem;
  };
}

function issuerOf(sign: (csr: string) => Promise<string>, rootPem = outside.rootPem) {
  return createExternalIssuer({
    sign,
    signerName: 'signer.example/mesh',
    trustDomain: unwrap(parseTrustDomain('cluster.local')),
    rootPem: () => rootPem,
    bundlePem: () => 'bundle',
    clock: systemClock,
  });
}

function order(uris: readonly string[]) {
  const csrPem = createCsr(keysOf(), uris);
  return { id: ID, dnsNames: [], ttlMs: 60_000, csrPem, request: unwrap(parseCsr(csrPem)) };
}

describe('an external signer', () => {
  it('signs for the caller, with the root that its answer brings or that is known', async () => {
    for (const root of ['', outside.rootPem]) {
      const { chain, serialNumber } = await issuerOf(signerOf(ID), root).issue(order([ID]));
      expect(chain).toHaveLength(2);
      expect(chain.at(-1)).toBe(outside.rootPem);
      expect(serialNumber).toMatch(/^42(02){15}$/);
    }
  });

  it.each([
    ['no name', []],
    ["another's name", [OTHER]],
    ['two names', [ID, OTHER]],
  ])('is not asked with a request for %s', async (_, uris) => {
    let asked = 0;
    const issuer = issuerOf(async () => String(asked++));
    await expect(issuer.issue(order(uris))).rejects.toThrow(`must ask for exactly ${ID}`);
    expect(asked).toBe(0);
  });

  it.each([
    ['for another name', signerOf(OTHER), 'another name or key'],
    ['for another key', signerOf(ID, outside, keysOf().publicKey), 'another name or key'],
    ['with a DNS name on top', signerOf(ID, outside, undefined, ['istiod.istio-system.svc']), 'another name or key'],
    ['by another root', signerOf(ID, authority('other.example')), 'does not lead to a trusted root'],
    ['without a leaf', async () => outside.rootPem, 'answered without a leaf'],
    ['with garbage', async () => 'hello', 'no PEM block'],
  ])('is not believed %s', async (_, sign, text) => {
    await expect(issuerOf(sign).issue(order([ID]))).rejects.toThrow(text);
  });
});

describe('the Kubernetes CSR API', () => {
  it.each([
    ['gives the certificate', { certificate: Buffer.from('signed').toString('base64') }, 'signed'],
    [
      'tells why it was refused',
      { conditions: [{ type: 'Failed', status: 'True', message: 'quota' }] },
      /signer.example\/mesh refused csr-workload-1: quota/,
    ],
  ])('%s, and the object is taken away', async (_, status, expected) => {
    const calls: string[] = [];
    const bodies: unknown[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
      request.on('end', () => {
        calls.push(`${request.method} ${request.url}`);
        if (body !== '') bodies.push(JSON.parse(body));
        const object = {
          kind: 'CertificateSigningRequest',
          metadata: { name: 'csr-workload-1' },
          spec: {},
          status: request.method === 'GET' ? status : {},
        };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(object));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const config = new KubeConfig();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    config.loadFromClusterAndUser({ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }, { name: 'me' });
    const answer = await createKubernetesSigner(config, systemClock)('CSR', 'signer.example/mesh', 3_600_000).catch(
      (error: Error) => error.message,
    );
    if (typeof expected === 'string') expect(answer).toBe(expected);
    else expect(answer).toMatch(expected);
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    expect(calls).toEqual([
      `POST ${path}`,
      `PUT ${path}/csr-workload-1/approval`,
      `GET ${path}/csr-workload-1`,
      `DELETE ${path}/csr-workload-1`,
    ]);
    expect(bodies).toMatchObject([
      {
        metadata: { generateName: 'csr-workload-' },
        spec: { signerName: 'signer.example/mesh', request: Buffer.from('CSR').toString('base64'), expirationSeconds: 3600 },
      },
      { status: { conditions: [{ type: 'Approved', status: 'True' }] } },
    ]);
    server.closeAllConnections();
    server.close();
  });
});
