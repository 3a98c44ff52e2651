import type { McpPeer } from '@xebec/agent';
import {
  type ConfigSource,
  createDirectorySource,
  createKubernetesSource,
  createMcpSource,
  createSourceAt,
  type KubernetesApi,
  mergeSources,
  meshKinds,
  platformKinds,
} from '@xebec/config';
import { type Clock, type Logger, systemRandom, XebecError } from '@xebec/core';
import { CONFIG_MAPS, collections } from '@xebec/mcp';
import { createSmiSource, watchedSmiKinds } from '@xebec/smi';

/** What mixer alone reads. */
const MIXER_COLLECTIONS = /^istio\/(policy|config\/v1alpha2\/legacy)\//;
const PILOT_GROUPS = new Set(['networking.istio.io', 'security.istio.io', 'telemetry.istio.io', 'extensions.istio.io']);

/** What the registry of services reads. */
const PLATFORM = ['v1/Service', 'discovery.k8s.io/v1/EndpointSlice', 'v1/Pod', 'v1/Node', 'v1/Namespace'];
const INGRESSES = ['networking.k8s.io/v1/Ingress', 'networking.k8s.io/v1/IngressClass'];

export interface SourceOptions {
  readonly configDir: string;
  /** Undefined: configuration comes from no MCP server. */
  readonly mcp: Pick<McpPeer, 'address' | 'security'> | undefined;
  /** `meshConfig.configSources`, in order of precedence. Where there are any, the mesh's own kinds come from nowhere else by themselves. */
  readonly configSources?: readonly string[];
  /** Undefined: no API server is used. */
  readonly kubernetes: KubernetesApi | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Every source the flags ask for. */
export function createSources(options: SourceOptions): readonly ConfigSource[] {
  const { clock, logger } = options;
  const sources: ConfigSource[] = [];
  if (options.configDir !== '') {
    sources.push(
      createSmiSource(createDirectorySource({ directory: options.configDir, defaultNamespace: 'default', clock, logger }), logger),
    );
  }
  if (options.mcp !== undefined) {
    const { address, security } = options.mcp;
    const wanted = collections.map(({ name }) => name).filter((name) => name === CONFIG_MAPS || !MIXER_COLLECTIONS.test(name));
    sources.push(
      createMcpSource({
        address,
        id: 'xebec-pilot',
        collections: wanted,
        clock,
        random: systemRandom,
        logger,
        ...security,
      }),
    );
  }
  const addresses = options.configSources ?? [];
  if (addresses.length > 0) {
    const wanted = collections.map(({ name }) => name).filter((name) => name !== CONFIG_MAPS && !MIXER_COLLECTIONS.test(name));
    const own = mergeSources(
      addresses.map((address) =>
        createSourceAt(address, {
          id: 'xebec-pilot',
          collections: wanted,
          defaultNamespace: 'default',
          kubernetes: () => meshObjectsOf(options),
          clock,
          random: systemRandom,
          logger,
        }),
      ),
      logger,
    );
    sources.push(createSmiSource(own, logger));
  }
  if (options.kubernetes !== undefined) {
    // Without galley, and without a directory, the API server is the only place that configuration can come from.
    const alone = options.mcp === undefined && options.configDir === '' && addresses.length === 0;
    const watched = [
      ...platformKinds(PLATFORM),
      ...platformKinds(INGRESSES).map((kind) => ({ ...kind, optional: true })),
      ...(options.mcp === undefined
        ? platformKinds(['v1/ConfigMap']).map((kind) => ({ ...kind, fieldSelector: 'metadata.name=istio' }))
        : []),
      ...(alone ? [...meshKinds(PILOT_GROUPS), ...watchedSmiKinds()] : []),
    ];
    const source = createKubernetesSource({ api: options.kubernetes, watched, clock, random: systemRandom, logger });
    sources.push(alone ? createSmiSource(source, logger) : source);
  }
  return sources;
}

/** What `k8s://` among the sources stands for. */
function meshObjectsOf({ kubernetes, clock, logger }: SourceOptions): ConfigSource {
  if (kubernetes === undefined)
    throw new XebecError('E_CONFIG_SOURCE', 'meshConfig.configSources: k8s:// needs an API server, which --registries= turns off');
  const watched = [...meshKinds(PILOT_GROUPS), ...watchedSmiKinds()];
  return createKubernetesSource({ api: kubernetes, watched, clock, random: systemRandom, logger });
}
