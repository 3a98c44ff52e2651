import { readFile } from 'node:fs/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { errorText, systemClock, XebecError } from '@xebec/core';
import { parseCertificates, type TrustDomain, unwrap } from '@xebec/identity';
import type { Issuer } from '../issuing/issuer.ts';

/** A CA outside that signs for this mesh. */
export interface ExternalCa {
  /** Its roots, PEM; empty where only its answers tell. */
  readonly rootPem: string;
  /** Who signs for callers that name a signer, or none; undefined for a name that no signer can have. */
  issuer(certSigner: undefined, known: KnownRoots): Issuer;
  issuer(certSigner: string, known: KnownRoots): Issuer | undefined;
}

/** What is known of roots at that moment, PEM. */
export interface KnownRoots {
  /** All that the mesh trusts. */
  bundlePem(): string;
  /** What MeshConfig says of a signer; empty where it says nothing. */
  signerRoots(signerName: string): string;
}

const ROOT_FILE = './etc/external-ca-cert/root-cert.pem';

/**
 * Istio's settings: EXTERNAL_CA=ISTIOD_RA_KUBERNETES_API has leaves signed over the Kubernetes CSR API by K8S_SIGNER, or by
 * CERT_SIGNER_DOMAIN/NAME for callers that name one. EXTERNAL_CA=VAULT is ours: the PKI engine of a Vault signs. Undefined when
 * EXTERNAL_CA is not set.
 */
export async function openExternalCa(
  config: KubeConfig | undefined,
  trustDomain: TrustDomain,
  env: NodeJS.ProcessEnv,
): Promise<ExternalCa | undefined> {
  const kind = env['EXTERNAL_CA'] ?? '';
  if (kind === '') return undefined;
  if (kind === 'VAULT') return openVaultCa(trustDomain, env);
  if (config === undefined)
    throw new XebecError('E_FLAG', `EXTERNAL_CA=${kind.slice(0, 80)} needs an API server; without one only VAULT does`);
  if (kind !== 'ISTIOD_RA_KUBERNETES_API')
    throw new XebecError('E_FLAG', `EXTERNAL_CA wants ISTIOD_RA_KUBERNETES_API or VAULT, but got "${kind.slice(0, 80)}"`);
  const signerName = env['K8S_SIGNER'] ?? '';
  const domain = env['CERT_SIGNER_DOMAIN'] ?? '';
  if (signerName === '' && domain === '') throw new XebecError('E_FLAG', 'EXTERNAL_CA needs K8S_SIGNER, or CERT_SIGNER_DOMAIN');
  const rootPem = await readRoots(env['EXTERNAL_CA_ROOT'] ?? ROOT_FILE, env['EXTERNAL_CA_ROOT'] !== undefined);
  // Loaded only here: most meshes sign by themselves.
  const { createKubernetesSigner } = await import('./kubernetes-csr.ts');
  const { createExternalIssuer } = await import('./external-issuer.ts');
  const sign = createKubernetesSigner(config, systemClock);
  const build = (name: string, known: KnownRoots) =>
    createExternalIssuer({
      sign,
      signerName: name,
      trustDomain,
      clock: systemClock,
      rootPem: () => known.signerRoots(name) || rootPem,
      bundlePem: () => known.bundlePem(),
    });
  function issuer(certSigner: undefined, known: KnownRoots): Issuer;
  function issuer(certSigner: string, known: KnownRoots): Issuer | undefined;
  function issuer(certSigner: string | undefined, known: KnownRoots): Issuer | undefined {
    if (certSigner === undefined) return build(signerName, known);
    return domain !== '' && /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(certSigner) ? build(`${domain}/${certSigner}`, known) : undefined;
  }
  return { rootPem, issuer };
}

async function openVaultCa(trustDomain: TrustDomain, env: NodeJS.ProcessEnv): Promise<ExternalCa> {
  const { createVaultSigner, vaultFromEnvironment } = await import('./vault-signer.ts');
  const { createExternalIssuer } = await import('./external-issuer.ts');
  const rootPem = await readRoots(env['EXTERNAL_CA_ROOT'] ?? ROOT_FILE, env['EXTERNAL_CA_ROOT'] !== undefined);
  const { client, path } = await vaultFromEnvironment(env);
  const sign = createVaultSigner(client);
  const build = (known: KnownRoots): Issuer =>
    createExternalIssuer({
      sign,
      signerName: path,
      trustDomain,
      clock: systemClock,
      rootPem: () => known.signerRoots(path) || rootPem,
      bundlePem: () => known.bundlePem(),
    });
  function issuer(certSigner: undefined, known: KnownRoots): Issuer;
  function issuer(certSigner: string, known: KnownRoots): Issuer | undefined;
  function issuer(certSigner: string | undefined, known: KnownRoots): Issuer | undefined {
    return certSigner === undefined ? build(known) : undefined;
  }
  return { rootPem, issuer };
}

async function readRoots(file: string, wanted: boolean): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (!wanted) return '';
    throw new XebecError('E_FLAG', `EXTERNAL_CA_ROOT ${file} cannot be read: ${errorText(error)}`);
  }
  unwrap(parseCertificates(text));
  return text;
}
