import { randomBytes } from 'node:crypto';
import { createCertificateManager, createSdsServer } from '@xebec/agent';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import {
  certificateChain,
  certificatePem,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  unwrap,
} from '@xebec/identity';

/** Serves `default` and `ROOTCA` by SDS on a socket, from a CA made for the occasion: the agent's part beside a lone Envoy. */
export async function serveWorkloadSecrets(socketPath: string, spiffeId: string): Promise<{ close(): void }> {
  const keys = await generateKeys('ecdsa-p256');
  const now = () => systemClock.now();
  const root = unwrap(createSelfSignedRoot(keys, { organization: 'e2e', ttlMs: 86_400_000, now: now(), serial: randomBytes(16) }));
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
  const manager = createCertificateManager({
    signCsr: async (csr) => {
      const template = { uri: spiffeId, ttlMs: 3_600_000, now: now(), serial: randomBytes(16) };
      return certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(csr)), template)));
    },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  const server = await createSdsServer({ socketPath, manager, logger: silentLogger });
  return {
    close: () => {
      server.close();
      manager.close();
    },
  };
}
