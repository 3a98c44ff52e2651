import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type ConfigSource,
  createDirectorySource,
  createKubernetesApi,
  createKubernetesSource,
  createSourceAt,
  type GitSource,
  type KubernetesApi,
  loadKubeConfig,
  type MergedSource,
  mergeSources,
  meshKinds,
  platformKinds,
} from '@xebec/config';
import { type Clock, type Logger, systemRandom, XebecError } from '@xebec/core';
import { collections } from '@xebec/mcp';
import { watchedSmiKinds } from '@xebec/smi';

export interface GalleySources {
  /** All of them as one. */
  readonly source: ConfigSource;
  /** Undefined: no source is an API server. */
  readonly api: KubernetesApi | undefined;
  /** Looks for changes now, where a source has to be asked. */
  refresh(): void;
  /** For `/debug/sourcez`, in order of precedence. */
  status(): unknown;
  /** Objects that another source, listed before, has too. */
  conflicts(): number;
}

/**
 * What the flags ask for: `--config-source` in order of precedence (a relative directory or Git repository is below the working
 * directory), after `--config-dir`; without both the API server.
 */
export function createGalleySources(options: Readonly<Record<string, string>>, clock: Clock, logger: Logger): GalleySources {
  const { configDir = '', configSource = '', kubeconfig = '' } = options;
  const addresses = configSource
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  const usesKubernetes = configDir === '' ? addresses.length === 0 || addresses.includes('k8s://') : addresses.includes('k8s://');
  const api = usesKubernetes ? createKubernetesApi(loadKubeConfig(kubeconfig, process.env)) : undefined;
  const kubernetes = (): ConfigSource => {
    if (api === undefined) throw new XebecError('E_CONFIG_SOURCE', '--config-source: an API server is written k8s://');
    const configMaps = platformKinds(['v1/ConfigMap']).map((kind) => ({ ...kind, fieldSelector: 'metadata.name=istio' }));
    return createKubernetesSource({
      api,
      watched: [...meshKinds(), ...watchedSmiKinds(), ...configMaps],
      clock,
      random: systemRandom,
      logger,
    });
  };
  const at = (address: string): ConfigSource =>
    createSourceAt(
      address.startsWith('/') || address.startsWith('.') ? pathToFileURL(resolve(address)).href.replace(/^file:/, 'fs:') : address,
      {
        id: 'xebec-galley',
        collections: collections.map(({ name }) => name),
        defaultNamespace: 'default',
        kubernetes,
        clock,
        random: systemRandom,
        logger,
      },
    );
  const sources: readonly ConfigSource[] = [
    ...(configDir === '' ? [] : [createDirectorySource({ directory: configDir, defaultNamespace: 'default', clock, logger })]),
    ...addresses.map(at),
    ...(configDir === '' && addresses.length === 0 ? [kubernetes()] : []),
  ];
  const [only] = sources;
  const merged: MergedSource | undefined = only === undefined || sources.length > 1 ? mergeSources(sources, logger) : undefined;
  return {
    source: merged ?? only ?? mergeSources([], logger),
    api,
    refresh: () => {
      for (const source of sources) if (isGit(source)) void source.refresh();
    },
    status: () => ({
      sources: sources.map((source) => ({
        name: source.name,
        synced: source.synced,
        objects: source.list().length,
        problems: source.problems(),
        ...(isGit(source) ? { commit: source.commit } : {}),
      })),
      conflicts: merged?.conflicts() ?? [],
    }),
    conflicts: () => merged?.conflicts().length ?? 0,
  };
}

function isGit(source: ConfigSource): source is GitSource {
  return 'refresh' in source;
}
