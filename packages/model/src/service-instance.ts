import type { ConfigObject, SidecarSpec } from '@xebec/schemas';
import type { Service, ServicePort } from './service.ts';

type Ingress = NonNullable<SidecarSpec['ingress']>[number];

/** Where calls to a declared port go: the workload at an address and port, or a Unix socket. */
export type IngressEndpoint = { readonly address: string; readonly port: number } | { readonly path: string };

/** What a Sidecar's `ingress` says of one port. */
export interface DeclaredIngress {
  readonly sidecar: ConfigObject<SidecarSpec>;
  readonly entry: Ingress;
  /** Whether it is a listener of its own on its address, instead of a part of the one that iptables lead to. */
  readonly bound: boolean;
}

/** A port of a service that a proxy's own workload serves. */
export interface ServiceInstance {
  readonly service: Service;
  readonly port: ServicePort;
  /** Where the workload listens. */
  readonly targetPort: number;
  /** Where calls go instead of the port that was called: from a Sidecar's `ingress`. */
  readonly endpoint?: IngressEndpoint;
  /** The Sidecar's entry that declares the port, where one does. */
  readonly declared?: DeclaredIngress;
}
