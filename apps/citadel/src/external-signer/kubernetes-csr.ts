import { CertificatesV1Api, type KubeConfig, type V1CertificateSigningRequest } from '@kubernetes/client-node';
import { type Clock, XebecError } from '@xebec/core';

/** Signs a request, PEM to PEM. Rejects with a XebecError `E_EXTERNAL_SIGNER`. */
export type SignExternally = (csrPem: string, signerName: string, ttlMs: number) => Promise<string>;

const USAGES = ['digital signature', 'key encipherment', 'server auth', 'client auth'];
const TIMEOUT_MS = 60_000;
const POLL_MS = 200;

/**
 * Has requests signed by whoever signs for a signer name in the cluster: makes a CertificateSigningRequest, approves it (the caller was
 * authenticated here), waits for the certificate and takes the object away.
 */
export function createKubernetesSigner(config: KubeConfig, clock: Clock): SignExternally {
  const api = config.makeApiClient(CertificatesV1Api);
  return async (csrPem, signerName, ttlMs) => {
    const created = await api.createCertificateSigningRequest({
      body: {
        metadata: { generateName: 'csr-workload-' },
        spec: {
          request: Buffer.from(csrPem).toString('base64'),
          signerName,
          usages: USAGES,
          // Kubernetes takes no less than ten minutes.
          expirationSeconds: Math.max(600, Math.floor(ttlMs / 1000)),
        },
      },
    });
    const name = created.metadata?.name ?? '';
    try {
      await api.replaceCertificateSigningRequestApproval({ name, body: approved(created) });
      const deadline = clock.monotonic() + TIMEOUT_MS;
      for (;;) {
        const { status } = await api.readCertificateSigningRequest({ name });
        if (status?.certificate !== undefined && status.certificate !== '')
          return Buffer.from(status.certificate, 'base64').toString('utf8');
        const refused = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
        if (refused !== undefined)
          throw new XebecError(
            'E_EXTERNAL_SIGNER',
            `${signerName} refused ${name}: ${(refused.message ?? refused.reason ?? '').slice(0, 200)}`,
          );
        if (clock.monotonic() > deadline)
          throw new XebecError(
            'E_EXTERNAL_SIGNER',
            `${signerName} has not signed ${name} in ${TIMEOUT_MS / 1000} s: does its controller run?`,
          );
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, POLL_MS));
      }
    } finally {
      await api.deleteCertificateSigningRequest({ name }).catch(() => undefined);
    }
  };
}

function approved(request: V1CertificateSigningRequest): V1CertificateSigningRequest {
  const condition = {
    type: 'Approved',
    status: 'True',
    reason: 'XebecApproved',
    message: 'the workload has proven its identity to Citadel',
  };
  return { ...request, status: { ...request.status, conditions: [condition] } };
}
