import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { toResource } from '@xebec/mcp';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { ConfigObject } from '@xebec/schemas';

/** MCP's collection of VirtualServices: the only one that these tests publish. */
export const VIRTUAL_SERVICES = 'istio/networking/v1alpha3/virtualservices';

export function virtualServiceObject(name: string, host: string, version: string): ConfigObject {
  const metadata = {
    name,
    namespace: 'default',
    labels: {},
    annotations: {},
    creationTimestamp: '',
    resourceVersion: version,
    uid: '',
    generation: 0,
  };
  const spec = { hosts: [host], http: [{ route: [{ destination: { host } }] }] };
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec };
}

/** One collection that tests write to; `onPublish` hears each new content. */
export function publication(onPublish: (content: ReadonlyMap<string, ReadonlyMap<string, Resource>>, version: string) => void) {
  const resources = new Map<string, Resource>();
  let version = 0;
  const publish = () => onPublish(new Map([[VIRTUAL_SERVICES, new Map(resources)]]), String(version));
  return {
    publish,
    write: async (name: string, host: string): Promise<void> => {
      resources.set(`default/${name}`, toResource(virtualServiceObject(name, host, String(++version))));
      publish();
    },
    remove: async (name: string): Promise<void> => {
      version++;
      resources.delete(`default/${name}`);
      publish();
    },
  };
}

/** A gRPC server with one service on a port of its own. */
export async function serve(service: ServiceDefinition, implementation: UntypedServiceImplementation) {
  const server = new Server();
  server.addService(service, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { port, close: () => server.forceShutdown() };
}
