import { readFile } from 'node:fs/promises';
import { systemClock, systemRandom, XebecError } from '@xebec/core';
import { createVaultClient, type VaultAuth, type VaultClient } from '../key-manager/vault-client.ts';
import type { SignExternally } from './kubernetes-csr.ts';

const POD_TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * Leaves by Vault's PKI engine: the signer's name is the path, `<mount>/sign/<role>`. The role must allow the URI SANs of the mesh and
 * may take them from the request, which asks for nothing but the caller's own.
 */
export function createVaultSigner(client: VaultClient): SignExternally {
  return async (csrPem, path, ttlMs) => {
    const data = await client.call('POST', path, { csr: csrPem, ttl: `${Math.floor(ttlMs / 1000)}s`, format: 'pem' });
    if (data === undefined) throw new XebecError('E_EXTERNAL_SIGNER', `Vault has nothing at ${path}`);
    const given = data['ca_chain'];
    const chain: readonly unknown[] = Array.isArray(given) && given.length > 0 ? given : [data['issuing_ca']];
    return [data['certificate'], ...chain].filter((text) => typeof text === 'string').join('\n');
  };
}

/** A signer's path, and Vault by the variables that its own tools read. */
export async function vaultFromEnvironment(env: NodeJS.ProcessEnv): Promise<{ client: VaultClient; path: string }> {
  const path = env['VAULT_SIGN_PATH'];
  if (env['VAULT_ADDR'] === undefined || path === undefined || !/^\w[\w.-]*(\/\w[\w.-]*)*\/sign\/\w[\w.-]*$/.test(path))
    throw new XebecError('E_FLAG', 'EXTERNAL_CA=VAULT needs VAULT_ADDR, and VAULT_SIGN_PATH such as pki/sign/mesh');
  return { client: await vaultClientFromEnvironment(env), path };
}

/** Vault by the variables that its own tools read, and the pod's service account where `VAULT_KUBERNETES_ROLE` names a role. */
export async function vaultClientFromEnvironment(env: NodeJS.ProcessEnv): Promise<VaultClient> {
  const [address, namespace] = [env['VAULT_ADDR'], env['VAULT_NAMESPACE']];
  if (address === undefined) throw new XebecError('E_FLAG', 'VAULT_ADDR must say where Vault is');
  return createVaultClient({
    address,
    ...(namespace === undefined ? {} : { namespace }),
    auth: await authFrom(env),
    clock: systemClock,
    random: systemRandom,
  });
}

async function authFrom(env: NodeJS.ProcessEnv): Promise<VaultAuth> {
  const role = env['VAULT_KUBERNETES_ROLE'];
  if (role !== undefined) {
    const readToken = async () => (await readFile(env['VAULT_KUBERNETES_TOKEN_FILE'] ?? POD_TOKEN_FILE, 'utf8')).trim();
    return { kind: 'kubernetes', mount: env['VAULT_KUBERNETES_MOUNT'] ?? 'kubernetes', role, readToken };
  }
  const file = env['VAULT_TOKEN_FILE'];
  const token = file === undefined ? env['VAULT_TOKEN'] : (await readFile(file, 'utf8')).trim();
  if (token === undefined || token === '')
    throw new XebecError('E_FLAG', 'Vault needs VAULT_KUBERNETES_ROLE, VAULT_TOKEN_FILE or VAULT_TOKEN in the environment');
  return { kind: 'token', token };
}
