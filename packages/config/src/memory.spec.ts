import { decodeObject } from '@xebec/schemas';
import { describe } from 'vitest';
import { describeConfigSource } from './config-source.contract.ts';
import { createMemorySource } from './memory.ts';

function virtualService(name: string, host: string) {
  const decoded = decodeObject({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace: 'default' },
    spec: { hosts: [host], http: [{ route: [{ destination: { host } }] }] },
  });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value;
}

describe('memory source', () => {
  describeConfigSource(async () => {
    const initial: ReturnType<typeof virtualService>[] = [];
    const source = createMemorySource(initial);
    return {
      source,
      write: async (name, host) => {
        if (source.synced) source.apply([virtualService(name, host)]);
        else initial.push(virtualService(name, host));
      },
      remove: async (name) => source.apply([], [`networking.istio.io/VirtualService/default/${name}`]),
      close: () => source.close(),
    };
  });
});
