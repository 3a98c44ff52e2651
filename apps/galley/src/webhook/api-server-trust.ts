import { type CertificateManager, ownRoots, type TrustConsumer, type TrustSnapshot } from '@xebec/agent';
import type { Clock } from '@xebec/core';
import type { CaBundle } from './ca-bundle.ts';

const RETRY_MS = 2000;

/** The API server as one who uses the mesh's trust: by the CA bundle of the webhook configurations, which is written at each change. */
export function apiServerTrust(certificates: CertificateManager, bundle: CaBundle, clock: Clock): TrustConsumer {
  const listeners = new Set<() => void>();
  let accepted: TrustSnapshot | undefined;
  let refusal = '';
  const write = async (): Promise<void> => {
    const wanted = certificates.trust.current();
    if (wanted === undefined || wanted === accepted) return;
    const done = await bundle.update(ownRoots(certificates.trust).join(''));
    if (certificates.trust.current() !== wanted) return;
    refusal = done ? '' : 'the CA bundle of a webhook configuration is not written';
    if (done) accepted = wanted;
    else clock.setTimeout(() => void write(), RETRY_MS);
    for (const listener of [...listeners]) listener();
  };
  certificates.trust.subscribe(() => void write());
  void write();
  return {
    trust: () => accepted ?? 'none',
    certificate: () => undefined,
    refusal: () => refusal,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
