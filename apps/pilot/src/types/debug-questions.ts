import { create, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { AnySchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ClientConfigSchema, ConfigStatus } from '@xebec/protos/envoy/service/status/v3/csds';
import { createProtoRegistry } from '@xebec/protos/registry';
import type { EncodedResource, ResourceCache } from '@xebec/xds';
import { type Access, accessOf } from '../access.ts';
import { configDump, plainDump } from '../debug/config-dump.ts';
import type { DebugPage } from '../debug/pages.ts';
import { byProxy } from '../debug/sync-status.ts';
import type { ProxyStream, TypeProgress } from '../proxy-stream.ts';
import type { Questions } from './auxiliary-type.ts';

const DEBUG = 'istio.io/debug';
const SYNCZ = `${DEBUG}/syncz`;
const CONFIG_DUMP = `${DEBUG}/config_dump`;
const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';

export interface DebugQuestionsOptions {
  readonly cache: ResourceCache;
  readonly streams: () => readonly ProxyStream[];
  readonly pages: () => ReadonlyMap<string, DebugPage>;
  readonly allowedNamespaces: ReadonlySet<string>;
}

const STATES: Readonly<Record<TypeProgress['state'], ConfigStatus>> = {
  synced: ConfigStatus.SYNCED,
  pending: ConfigStatus.STALE,
  'not-sent': ConfigStatus.NOT_SENT,
  rejected: ConfigStatus.ERROR,
};

/**
 * What istioctl asks over xDS: `istio.io/debug/syncz` (one ClientConfig a proxy), `istio.io/debug/config_dump` (the sections of
 * one proxy's dump), and `istio.io/debug` with the path of a debug page as its one name, answered with the page's bytes.
 */
export function debugQuestions(options: DebugQuestionsOptions): Questions {
  const { cache } = options;
  const encode = (typeUrl: string, name: string, value: Uint8Array) => cache.intern(typeUrl, name, value);
  const visible = (access: Access) =>
    options
      .streams()
      .filter(({ proxy }) => access.kind === 'everything' || (access.kind === 'namespace' && proxy.namespace === access.namespace));
  return {
    handles: (typeUrl) => typeUrl === DEBUG || typeUrl.startsWith(`${DEBUG}/`),
    async answer(typeUrl, names, asker, { rootNamespace }) {
      const access = accessOf(asker, { rootNamespace, allowedNamespaces: options.allowedNamespaces });
      if (access.kind === 'nothing')
        return { code: status.UNAUTHENTICATED, message: `${typeUrl}: debug types need credentials; use the TLS port` };
      if (typeUrl === SYNCZ) {
        // Who only asks questions is no proxy of the mesh.
        const proxies = byProxy(visible(access)).filter((streams) => streams.some((stream) => stream.status().length > 0));
        return proxies.map((streams) => encode(CLIENT_CONFIG, streams[0]?.proxy.id ?? '', clientConfig(streams)));
      }
      const [name, ...more] = names;
      if (name === undefined || more.length > 0)
        return { code: status.INVALID_ARGUMENT, message: `${typeUrl}: name exactly one resource, but ${names.length} are named` };
      if (typeUrl === CONFIG_DUMP) {
        const stream = visible(access).find(({ id, proxy, connection }) => connection !== undefined && `${id} ${proxy.id}`.includes(name));
        return stream === undefined ? [] : dumpSections(cache, stream);
      }
      const [path = '', query = ''] = name.split('?');
      const page = options.pages().get(path);
      if (page === undefined) return { code: status.INVALID_ARGUMENT, message: `${typeUrl}: no debug page "${path}"` };
      if (access.kind === 'namespace' && page.ofProxy !== true)
        return { code: status.PERMISSION_DENIED, message: `${typeUrl}: page "${path}" is for namespace ${rootNamespace} only` };
      const answer = await page.read(new URLSearchParams(query), access);
      const text = 'text' in answer ? answer.text : JSON.stringify(answer.json);
      return [encode(DEBUG, name, new TextEncoder().encode(text))];
    },
  };
}

function clientConfig(streams: readonly ProxyStream[]): Uint8Array {
  const proxy = streams[0]?.proxy;
  const types = streams.flatMap((stream) => stream.status()).sort((a, b) => (a.typeUrl < b.typeUrl ? -1 : 1));
  const metadata: JsonObject = {
    CLUSTER_ID: proxy?.clusterId ?? '',
    NAMESPACE: proxy?.namespace ?? '',
    ISTIO_VERSION: String(proxy?.metadata['ISTIO_VERSION'] ?? ''),
  };
  return toBinary(
    ClientConfigSchema,
    create(ClientConfigSchema, {
      node: { id: proxy?.id ?? '', metadata },
      genericXdsConfigs: types.map(({ typeUrl, state, sentAt, lastError }) => {
        const lastUpdated = sentAt === undefined ? {} : { lastUpdated: timestampFromMs(sentAt) };
        const errorState =
          lastError === undefined
            ? {}
            : { errorState: { details: lastError, ...(sentAt === undefined ? {} : { lastUpdateAttempt: timestampFromMs(sentAt) }) } };
        return { typeUrl, configStatus: STATES[state], ...lastUpdated, ...errorState };
      }),
    }),
  );
}

function dumpSections(cache: ResourceCache, stream: ProxyStream): EncodedResource[] {
  const registry = createProtoRegistry();
  return plainDump(configDump(stream, { endpoints: false })).map((section) => {
    const any = fromJson(AnySchema, section, { registry });
    return cache.intern(any.typeUrl, '', any.value);
  });
}
