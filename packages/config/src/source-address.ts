import type { ChannelCredentials } from '@grpc/grpc-js';
import { type Clock, type Logger, type Random, XebecError } from '@xebec/core';
import { createDirectorySource } from './directory.ts';
import { createGitSource } from './git-source.ts';
import { createMcpSource } from './mcp-source.ts';
import type { ConfigSource } from './source.ts';
import { createXdsSource } from './xds-source.ts';

export interface SourceAddressOptions {
  /** What asks, as it is shown at servers: `xebec-pilot`. */
  readonly id: string;
  /** MCP names of the collections wanted, where the origin can be asked for some. */
  readonly collections: readonly string[];
  readonly defaultNamespace: string;
  /** Makes the source behind `k8s://`. */
  readonly kubernetes: () => ConfigSource;
  readonly credentials?: ChannelCredentials;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const FORMS = 'fs:///DIRECTORY, k8s://, git:///REPOSITORY?ref=REF&path=FOLDER, mcp://HOST:PORT or xds://HOST:PORT';

/** The source that an address names, as in `meshConfig.configSources`. Throws for addresses of another form. */
export function createSourceAt(address: string, options: SourceAddressOptions): ConfigSource {
  const { id, collections, defaultNamespace, clock, random, logger, credentials } = options;
  const wrong = (why: string) => new XebecError('E_CONFIG_SOURCE', `config source "${address}": ${why}; write ${FORMS}`);
  if (!URL.canParse(address)) throw wrong('not an address');
  const url = new URL(address);
  const path = decodeURIComponent(url.pathname);
  const peer = { address: url.host, id, collections, clock, random, logger, ...(credentials === undefined ? {} : { credentials }) };
  switch (url.protocol) {
    case 'fs:':
      if (url.host !== '' || path === '') throw wrong('three slashes begin the path of a directory');
      return createDirectorySource({ directory: path, defaultNamespace, clock, logger });
    case 'k8s:':
      return options.kubernetes();
    case 'git:': {
      if (url.host !== '' || path === '') throw wrong('the repository must be on this machine, and three slashes begin its path');
      const unknown = [...url.searchParams.keys()].find((name) => name !== 'ref' && name !== 'path');
      if (unknown !== undefined) throw wrong(`it knows ref and path, but not "${unknown}"`);
      const [ref, folder] = [url.searchParams.get('ref'), url.searchParams.get('path')];
      return createGitSource({
        repository: path,
        ...(ref === null ? {} : { ref }),
        ...(folder === null ? {} : { folder }),
        defaultNamespace,
        clock,
        logger,
      });
    }
    case 'mcp:':
      if (url.port === '') throw wrong('a host and a port are needed');
      return createMcpSource(peer);
    case 'xds:':
      if (url.port === '') throw wrong('a host and a port are needed');
      return createXdsSource({ ...peer, nodeId: `sidecar~127.0.0.1~${id}.istio-system~istio-system.svc.cluster.local` });
    default:
      throw wrong(`"${url.protocol}//" is no kind of source`);
  }
}

/** The addresses of `meshConfig.configSources`, which the schema takes as it is. */
export function configSourceAddresses(configSources: unknown): readonly string[] {
  if (!Array.isArray(configSources)) return [];
  return configSources.flatMap((entry: unknown) =>
    typeof entry === 'object' && entry !== null && 'address' in entry && typeof entry.address === 'string' ? [entry.address] : [],
  );
}
