import { XebecError } from '@xebec/core';
import { vaultClientFromEnvironment } from '../external-signer/vault-signer.ts';
import { createFileKeyManager } from './file-key-manager.ts';
import type { KeyManager } from './key-manager.ts';
import type { Seal } from './seal.ts';
import { createVaultKeyManager } from './vault-key-manager.ts';

/** `--ca-keys`: `vault:MOUNT` (a transit engine, reached as `VAULT_ADDR` and its companions say) or `directory:DIR` (sealed files). */
export async function openKeyManager(
  where: string | undefined,
  seal: Seal | undefined,
  env: NodeJS.ProcessEnv,
): Promise<KeyManager | undefined> {
  if (where === undefined) return undefined;
  const [, kind, place] = /^(vault|directory):(.+)$/.exec(where) ?? [];
  if (kind === 'vault' && place !== undefined && /^\w[\w.-]*(\/\w[\w.-]*)*$/.test(place))
    return createVaultKeyManager(await vaultClientFromEnvironment(env), place);
  if (kind === 'directory' && place !== undefined) {
    if (seal === undefined)
      throw new XebecError('E_FLAG', '--ca-keys directory:DIR needs --ca-key-passphrase-file, which encrypts the keys');
    return createFileKeyManager(place, seal);
  }
  throw new XebecError('E_FLAG', `--ca-keys wants vault:MOUNT such as vault:transit, or directory:DIR, but got "${where.slice(0, 80)}"`);
}
