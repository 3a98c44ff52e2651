import { X509Certificate } from 'node:crypto';
import { XebecError } from '@xebec/core';
import type { CertificateManager, WorkloadCertificate } from './certificate-manager.ts';
import type { FileSecrets } from './secrets/file-secrets.ts';
import { createTrustStore, trustOf } from './trust-store.ts';

/** Where another's certificate for this workload lies. */
export interface IdentityFiles {
  readonly chainFile: string;
  readonly keyFile: string;
  readonly rootFile: string;
}

/** An identity that somebody else keeps fresh in files: what a CertificateManager is to a CA, without asking any. */
export function fileIdentity(files: FileSecrets, where: IdentityFiles, trustDomain: string): CertificateManager {
  const trust = createTrustStore();
  const listeners = new Set<(certificate: WorkloadCertificate) => void>();
  const waiting = Promise.withResolvers<WorkloadCertificate>();
  waiting.promise.catch(() => undefined);
  let current: WorkloadCertificate | undefined;
  let rotations = 0;
  let closed = false;
  const load = async () => {
    const [roots, pair] = await Promise.all([
      files.get({ kind: 'file-roots', file: where.rootFile }),
      files.get({ kind: 'file-certificate', chainFile: where.chainFile, keyFile: where.keyFile }),
    ]);
    if (closed) return;
    if (roots?.kind === 'roots') trust.set('file', trustOf(trustDomain, roots.rootPem));
    if (pair?.kind !== 'certificate' || roots?.kind !== 'roots') return;
    if (current?.certificateChainPem === pair.chainPem && current.privateKeyPem === pair.keyPem) return;
    if (current !== undefined) rotations++;
    const fresh = {
      privateKeyPem: pair.keyPem,
      certificateChainPem: pair.chainPem,
      rootPem: roots.rootPem,
      serialNumber: new X509Certificate(pair.chainPem).serialNumber.toLowerCase().replace(/^0+(?=.)/, ''),
      notBefore: pair.notBefore,
      notAfter: pair.notAfter,
    };
    current = fresh;
    waiting.resolve(fresh);
    for (const listener of [...listeners]) listener(fresh);
  };
  const stop = files.subscribe(() => void load());
  void load();
  return {
    trust,
    current: () => current,
    ready: () => waiting.promise,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    renew: () => undefined,
    lastError: () => files.states().find(({ error }) => error !== undefined)?.error,
    statistics: () => ({ requests: 0, failures: 0, latencyMs: 0, rotations }),
    close() {
      closed = true;
      stop();
      listeners.clear();
      waiting.reject(new XebecError('E_CLOSED', 'the identity files were closed before they held a certificate'));
    },
  };
}

/** The identity of a workload whose certificates another SDS server hands to the data plane: the agent holds none. */
export function foreignIdentity(): CertificateManager {
  const trust = createTrustStore();
  return {
    trust,
    current: () => undefined,
    ready: () => Promise.reject(new XebecError('E_FOREIGN_SDS', "the workload's certificates are served by another SDS server")),
    subscribe: () => () => undefined,
    renew: () => undefined,
    lastError: () => undefined,
    statistics: () => ({ requests: 0, failures: 0, latencyMs: 0, rotations: 0 }),
    close: () => undefined,
  };
}
