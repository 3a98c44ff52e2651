import type { ConfigObject } from '@xebec/schemas';
import { EXTENSION_TYPE, NAME_TABLE_TYPE, PROXY_CONFIG_TYPE, type ResourceCache, SECRET_TYPE } from '@xebec/xds';
import { apiType, parseKindUrl } from './api.ts';
import type { AuxiliaryType, AuxiliaryTypes } from './auxiliary-type.ts';
import { type ExtensionSource, extensionType } from './extensions.ts';
import type { ForeignRoots } from './foreign-roots.ts';
import { nameTableType } from './name-table.ts';
import { trustBundleType } from './trust-bundle.ts';

export interface ServedTypesOptions {
  readonly cache: ResourceCache;
  readonly config: () => readonly ConfigObject[];
  /** Roots that this server's own certificate leads to, PEM. */
  readonly ownRoots: () => readonly string[];
  readonly foreignRoots: Pick<ForeignRoots, 'of'>;
  readonly debugNamespaces: ReadonlySet<string>;
  /** Undefined where no API server can be asked for Secrets. */
  readonly secrets: AuxiliaryType | undefined;
  readonly extensions: ExtensionSource;
  /** Whether trust bundles are sent (`ISTIO_MULTIROOT_MESH`). */
  readonly multiRoot: boolean;
}

/** The types beside CDS, EDS, LDS and RDS. A node with `GENERATOR=api` gets configuration objects and nothing else of these. */
export function servedTypes(options: ServedTypesOptions): AuxiliaryTypes {
  const { cache, config, debugNamespaces } = options;
  const fixed = new Map<string, AuxiliaryType>([
    [NAME_TABLE_TYPE, nameTableType(cache)],
    [EXTENSION_TYPE, extensionType(cache, options.extensions)],
  ]);
  if (options.multiRoot) fixed.set(PROXY_CONFIG_TYPE, trustBundleType(cache, options.ownRoots, options.foreignRoots));
  if (options.secrets !== undefined) fixed.set(SECRET_TYPE, options.secrets);
  const kinds = new Map<string, AuxiliaryType>();
  return (typeUrl, { proxy }) => {
    if (proxy.metadata['GENERATOR'] !== 'api') return fixed.get(typeUrl);
    const name = parseKindUrl(typeUrl);
    if (name === undefined) return undefined;
    let type = kinds.get(`${name.group}/${name.kind}`);
    if (type === undefined) {
      type = apiType(name, cache, config, debugNamespaces);
      // Whoever asks for kinds that do not exist must not make this grow.
      if (config().some(({ kind }) => kind === name.kind)) kinds.set(`${name.group}/${name.kind}`, type);
    }
    return type;
  };
}
