import { create } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import type { FilterContext, HttpFilterDefinition } from '@xebec/filters';
import { ConfigSourceSchema, ExtensionConfigSourceSchema } from '@xebec/protos/envoy/config/core/v3/config_source';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { BufferSchema } from '@xebec/protos/envoy/extensions/filters/http/buffer/v3/buffer';
import { CorsSchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import { createStats } from '@xebec/telemetry';
import { expect, it } from 'vitest';
import { ExtensionStore, extensionTypeUrl } from './extension-store.ts';
import type { ResourceWatcher } from './subscribe.ts';

const cors: HttpFilterDefinition = {
  name: 'cors',
  typeNames: [CorsSchema.typeName],
  compile: () => ({
    create: () => ({}),
  }),
};

function open(source: { readonly defaultConfig?: Any; readonly applyDefaultConfigWithoutWarming?: boolean }) {
  let watcher: ResourceWatcher | undefined;
  const clock = new VirtualClock();
  const stats = createStats();
  const store = new ExtensionStore({
    clock,
    stats,
    subscribe: (_, typeUrl, _name, found) => {
      expect(typeUrl).toBe(extensionTypeUrl);
      watcher = found;
      return () => undefined;
    },
  });
  const context: FilterContext = {
    stats,
    statPrefix: 's',
    filterName: 'x',
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    node: { id: '', cluster: '', metadata: {} },
    direction: 'unspecified',
    upstream: { grpcUnary: () => Promise.reject(new Error('none')), http: () => Promise.reject(new Error('none')) },
  };
  const find = (typeName: string) => (cors.typeNames.includes(typeName) ? cors : undefined);
  const filter = store.open(
    'x',
    create(ExtensionConfigSourceSchema, { configSource: create(ConfigSourceSchema), typeUrls: [`t/${CorsSchema.typeName}`], ...source }),
    find,
    context,
  );
  if (watcher === undefined) throw new Error('not subscribed');
  return { store, filter, watcher };
}

const resource = (config: Any) => ({
  ...anyPack(TypedExtensionConfigSchema, create(TypedExtensionConfigSchema, { name: 'x', typedConfig: config })),
});

it('waits for a configuration, takes it, and keeps it when the next one is of another type', () => {
  const { store, filter, watcher } = open({});
  let ready = false;
  filter.whenReady(() => {
    ready = true;
  });
  expect(ready).toBe(false);
  expect(watcher.onResource(resource(anyPack(CorsSchema, create(CorsSchema))), '1')).toBeUndefined();
  expect(ready).toBe(true);
  expect(store.records).toMatchObject([{ name: 'x', version: '1' }]);
  const other = anyPack(BufferSchema, create(BufferSchema));
  expect(watcher.onResource(resource(other), '2')).toMatch(/has type URL envoy.extensions.filters.http.buffer.v3.Buffer but expect/);
  expect(store.records).toMatchObject([{ version: '1' }]);
});

it('is ready at once with a default that may be applied without warming', () => {
  const { filter } = open({ defaultConfig: anyPack(CorsSchema, create(CorsSchema)), applyDefaultConfigWithoutWarming: true });
  let ready = false;
  filter.whenReady(() => {
    ready = true;
  });
  expect(ready).toBe(true);
});

it('goes on with the default when nothing comes in time', () => {
  const { filter, watcher } = open({ defaultConfig: anyPack(CorsSchema, create(CorsSchema)) });
  let ready = false;
  filter.whenReady(() => {
    ready = true;
  });
  expect(ready).toBe(false);
  watcher.onTimeout?.();
  expect(ready).toBe(true);
});

it('refuses a default of a type that is not allowed', () => {
  expect(() => open({ defaultConfig: anyPack(BufferSchema, create(BufferSchema)) })).toThrow(/but expect/);
});
