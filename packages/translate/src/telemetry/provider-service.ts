import { type MeshProxy, type MeshSnapshot, resolveHost, type Service, sidecarScope } from '@xebec/model';
import { outboundCluster } from '../cluster/names.ts';

/** The service of a provider as a proxy reaches it. */
export interface ProviderService {
  readonly cluster: string;
  readonly hostname: string;
}

/**
 * The service that a provider of the mesh configuration names, `host` or `namespace/host`, if the proxy has a cluster for its
 * port: one that names a cluster it lacks would be refused with the whole listener.
 */
export function providerService(snapshot: MeshSnapshot, proxy: MeshProxy, name: string, port: number): ProviderService | undefined {
  const slash = name.indexOf('/');
  const namespace = slash < 0 ? undefined : name.slice(0, slash);
  const host = name.slice(slash + 1);
  const scope = sidecarScope(snapshot, proxy);
  const candidates = [
    host,
    resolveHost(host, snapshot.rootNamespace, snapshot.domain),
    `${host}.svc.${snapshot.domain}`,
    `${host}.${snapshot.domain}`,
  ];
  const fits = (service: Service | undefined) =>
    service !== undefined &&
    (namespace === undefined || service.namespace === namespace) &&
    service.ports.some((candidate) => candidate.number === port);
  const found = candidates.map((candidate) => scope.service(candidate)).find(fits);
  return found === undefined ? undefined : { cluster: outboundCluster(port, undefined, found.hostname), hostname: found.hostname };
}

/** `core.v3.GrpcService` of a provider. */
export function grpcService({ cluster, hostname }: ProviderService) {
  return { targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: cluster, authority: hostname } } };
}
