import { readFile } from 'node:fs/promises';
import { authoritiesOfMesh, createFederation, type FederatedBundle, type TrustAuthority } from '@xebec/agent';
import { type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import { type HostPort, hostPortOption } from '@xebec/daemon';
import { type BundleDocument, jwtKeySet } from '@xebec/identity';
import type { KeptText } from '../jwt-svid/kept-text.ts';
import { readFederationFile } from './federation-file.ts';
import { followMeshTrust, type MeshText, type MeshTrust, meshFile } from './mesh-trust.ts';

export const FEDERATION_OPTIONS = [
  {
    flags: '--mesh-config <file>',
    description: 'MeshConfig: caCertificates and trustDomainAliases count here; in a cluster ConfigMap istio',
  },
  { flags: '--federation <file>', description: 'bundle endpoints of other trust domains, as JSON' },
  { flags: '--federation-ca <file>', description: 'authorities of web certificates of bundle endpoints beside the usual ones, PEM' },
  { flags: '--bundle-addr <host:port>', description: 'serve the SPIFFE bundle of this trust domain over HTTPS' },
  {
    flags: '--bundle-cert <file>',
    description: 'web certificate of the bundle endpoint (https_web); without it Citadel shows its SVID (https_spiffe)',
  },
  { flags: '--bundle-key <file>', description: 'private key of that certificate' },
  { flags: '--bundle-refresh-hint-s <seconds>', description: 'how often others are to ask for the bundle', default: '300' },
] as const;

export interface RunFederationOptions {
  readonly flags: Readonly<Record<string, string>>;
  readonly trustDomain: string;
  /** MeshConfig of the cluster; `--mesh-config` goes before it. */
  readonly meshConfigMap?: MeshText;
  /** Where documents of endpoints are kept over restarts. */
  readonly kept: KeptText;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface RunningFederation {
  bundles(): readonly FederatedBundle[];
  /** Other names of the own trust domain. */
  aliases(): readonly string[];
  /** Roots of a signer outside by its name, as `caCertificates[].certSigners` gives them, PEM; empty where it does not. */
  signerRoots(name: string): string;
  subscribe(listener: () => void): () => void;
  close(): void;
}

/** Follows MeshConfig and the endpoints that it and `--federation` name. Throws XebecError `E_FLAG` for files that cannot be read. */
export async function runFederation(options: RunFederationOptions): Promise<RunningFederation> {
  const { flags, clock, random, logger, kept } = options;
  const caFile = flags['federationCa'];
  const caPem = caFile === undefined ? undefined : await readText(caFile, '--federation-ca');
  const file = flags['federation'];
  const fixed: readonly TrustAuthority[] = file === undefined ? [] : await readFederationFile(file, caPem);
  const meshConfig = flags['meshConfig'];
  const source = meshConfig === undefined ? options.meshConfigMap : meshFile(meshConfig);
  if (fixed.length === 0 && source === undefined)
    return { bundles: () => [], aliases: () => [], signerRoots: () => '', subscribe: () => () => undefined, close: () => undefined };

  const federation = createFederation({
    trustDomain: options.trustDomain,
    documents: await loadDocuments(kept, logger),
    clock,
    random,
    logger,
  });
  const listeners = new Set<() => void>();
  let aliases: readonly string[] = [];
  let signers: MeshTrust['caCertificates'] = [];
  let saved = '';
  const unsubscribe = federation.subscribe(() => {
    for (const listener of [...listeners]) listener();
    const text = JSON.stringify(federation.documents());
    if (text === saved || text === '{}') return;
    saved = text;
    save(kept, text).catch((error: unknown) => {
      saved = '';
      logger.warn(
        { code: 'E_CA_STORE' },
        `bundles of other trust domains cannot be kept in ${kept.description}: ${errorText(error).slice(0, 200)}`,
      );
    });
  });
  const apply = (trust: MeshTrust) => {
    aliases = (trust.trustDomainAliases ?? []).filter((alias) => alias !== options.trustDomain);
    signers = trust.caCertificates ?? [];
    federation.set([...fixed, ...authoritiesOfMesh(trust.caCertificates ?? [], caPem)]);
  };
  apply({});
  const following = source === undefined ? undefined : followMeshTrust({ source, clock, logger }, apply);
  return {
    bundles: () => federation.bundles(),
    aliases: () => aliases,
    signerRoots: (name) => {
      const named = (signers ?? []).filter(({ certSigners }) => Array.isArray(certSigners) && certSigners.includes(name));
      return named.flatMap(({ pem }) => (typeof pem === 'string' ? [pem] : [])).join('\n');
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      following?.close();
      unsubscribe();
      federation.close();
    },
  };
}

/** Reads the flags of the bundle endpoint; undefined when none is to be served. Throws XebecError `E_FLAG`. */
export function bundleEndpointSettings(flags: Readonly<Record<string, string>>):
  | {
      readonly address: HostPort;
      readonly files: { readonly certificateFile: string; readonly keyFile: string } | undefined;
      readonly refreshHintMs: number;
    }
  | undefined {
  const { bundleCert, bundleKey } = flags;
  if ((flags['bundleAddr'] ?? '') === '') return undefined;
  if ((bundleCert === undefined) !== (bundleKey === undefined))
    throw new XebecError('E_FLAG', '--bundle-cert and --bundle-key go together; without both Citadel shows its own SVID');
  const seconds = Number(flags['bundleRefreshHintS']);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new XebecError('E_FLAG', `--bundle-refresh-hint-s wants a whole number above 0, but got "${flags['bundleRefreshHintS'] ?? ''}"`);
  return {
    address: hostPortOption(flags, 'bundleAddr'),
    files: bundleCert === undefined || bundleKey === undefined ? undefined : { certificateFile: bundleCert, keyFile: bundleKey },
    refreshHintMs: seconds * 1000,
  };
}

/** What agents are told beside the own bundle: other domains, and the own domain again under each of its other names. */
export function otherBundles(
  federation: Pick<RunningFederation, 'bundles' | 'aliases'>,
  own: Pick<BundleDocument, 'roots'> | undefined,
  ownJwtKeys: string,
): { readonly trustDomain: string; readonly roots: Uint8Array[]; readonly jwtKeys: string }[] {
  const roots = (own?.roots ?? []).map(({ der }) => der);
  return [
    ...federation.aliases().map((trustDomain) => ({ trustDomain, roots, jwtKeys: ownJwtKeys })),
    ...federation.bundles().map((bundle) => ({
      trustDomain: bundle.trustDomain,
      roots: bundle.roots.map(({ der }) => der),
      jwtKeys: bundle.jwtKeys.length === 0 ? '' : jwtKeySet(bundle.jwtKeys),
    })),
  ];
}

async function save(kept: KeptText, text: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) if (await kept.save(text, await kept.load())) return;
  throw new XebecError('E_CA_STORE', 'others write at the same time');
}

/** Without what was kept the endpoints are asked all the same. */
async function loadDocuments(kept: KeptText, logger: Logger): Promise<Record<string, string>> {
  try {
    const value: unknown = JSON.parse((await kept.load())?.text ?? '{}');
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch (error) {
    logger.warn({ code: 'E_CA_STORE' }, `${kept.description} cannot be read: ${errorText(error).slice(0, 200)}`);
    return {};
  }
}

async function readText(file: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new XebecError('E_FLAG', `${flag} ${file}: ${errorText(error)}`);
  }
}
