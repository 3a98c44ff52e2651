import { connect, createServer, type Server } from 'node:net';
import type { V1Service } from '@kubernetes/client-node';
import { errorText, type Logger } from '@xebec/core';
import { type ServiceBackend, type ServiceView, servicePorts } from './network.ts';

/**
 * Exposes Services of type LoadBalancer on this machine: `mapping` gives the host port for a service port, and each
 * connection goes to a ready endpoint in turn.
 */
export class GatewayRelay {
  readonly #mapping: ReadonlyMap<number, number>;
  readonly #address: string;
  readonly #logger: Logger;
  readonly #listeners = new Map<number, { readonly server: Server; backends: readonly ServiceBackend[]; next: number }>();

  constructor(mapping: ReadonlyMap<number, number>, address: string, logger: Logger) {
    this.#mapping = mapping;
    this.#address = address;
    this.#logger = logger;
  }

  update(view: ServiceView): void {
    const names = new Set(
      view.services.filter(isLoadBalancer).map((service) => `${service.metadata?.namespace}/${service.metadata?.name}`),
    );
    for (const port of servicePorts(view)) {
      const hostPort = this.#mapping.get(port.port);
      if (hostPort === undefined || port.protocol !== 'TCP' || !names.has(`${port.namespace}/${port.name}`)) continue;
      const listener = this.#listeners.get(hostPort);
      if (listener === undefined) this.#listen(hostPort, port.backends);
      else listener.backends = port.backends;
    }
  }

  close(): void {
    for (const { server } of this.#listeners.values()) server.close();
    this.#listeners.clear();
  }

  #listen(hostPort: number, backends: readonly ServiceBackend[]): void {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const listener = this.#listeners.get(hostPort);
      client.on('error', () => client.destroy());
      const backend = listener?.backends[listener.next++ % Math.max(1, listener.backends.length)];
      if (backend === undefined) {
        client.resetAndDestroy();
        return;
      }
      const upstream = connect({ host: backend.address, port: backend.port, allowHalfOpen: true, noDelay: true });
      upstream.once('error', () => client.destroy());
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
    });
    server.on('error', (error) => {
      this.#listeners.delete(hostPort);
      this.#logger.warn({ hostPort }, `cannot expose a gateway on ${this.#address}:${hostPort}: ${errorText(error)}`);
    });
    this.#listeners.set(hostPort, { server, backends, next: 0 });
    server.listen({ port: hostPort, host: this.#address });
  }
}

export function isLoadBalancer(service: V1Service): boolean {
  return service.spec?.type === 'LoadBalancer';
}
