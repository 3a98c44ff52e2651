import type { ConfigObject, GatewaySpec, MeshConfig, VirtualServiceSpec } from '@xebec/schemas';
import type { IngressBackend, IngressPath, KubernetesIngress, KubernetesIngressClass, KubernetesService } from './objects.ts';

/** Whoever runs the mesh's gateways answers for Ingresses of classes with this controller. */
const CONTROLLER = 'istio.io/ingress-controller';
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
/** Where gateways run, and so where the Gateways that are made of Ingresses stand. */
const GATEWAY_NAMESPACE = 'istio-system';
const DEFAULT_SERVICE = 'istio-ingressgateway';
/** Tells translation that a prefix of a path ends at a `/`: `/shop` takes `/shop/1` but not `/shopping`. */
const SEMANTICS = { 'internal.istio.io/route-semantics': 'ingress' };

export interface IngressSite {
  readonly classes: ReadonlyMap<string, KubernetesIngressClass>;
  /** A Service by `namespace/name`. */
  readonly services: (id: string) => KubernetesService | undefined;
  readonly mesh: MeshConfig;
  readonly domain: string;
}

/** One host of one rule of an Ingress. */
interface HostRule {
  readonly ingress: KubernetesIngress;
  readonly index: number;
  readonly paths: readonly IngressPath[];
}

type HttpRoute = NonNullable<VirtualServiceSpec['http']>[number];

/**
 * What Ingresses (networking.k8s.io/v1) that are the mesh's say in the mesh's own kinds: a Gateway for each, and a VirtualService for
 * each host, which the rules of all Ingresses for that host share. A default backend is not taken: it would stand against every
 * VirtualService for all hosts.
 */
export function ingressConfig(ingresses: readonly KubernetesIngress[], site: IngressSite): ConfigObject[] {
  const ours = ingresses.filter((ingress) => isOurs(ingress, site)).sort(byAge);
  const hosts = new Map<string, HostRule[]>();
  for (const ingress of ours)
    for (const [index, { host = '', http }] of (ingress.spec?.rules ?? []).entries()) {
      if (http === undefined || http === null) continue;
      const key = host === '' ? '*' : host;
      hosts.set(key, [...(hosts.get(key) ?? []), { ingress, index, paths: http.paths ?? [] }]);
    }
  return [
    ...ours.map((ingress) => gatewayOf(ingress, site.mesh)),
    ...[...hosts].flatMap(([host, rules]) => virtualServiceOf(host, rules, site)),
  ];
}

/** The annotation goes before the class; without either, `DEFAULT` takes an Ingress and `STRICT` leaves it. */
function isOurs({ metadata, spec }: KubernetesIngress, { classes, mesh }: IngressSite): boolean {
  const mode = mesh.ingressControllerMode ?? 'STRICT';
  const annotated = metadata?.annotations?.[CLASS_ANNOTATION];
  if (annotated !== undefined) return mode !== 'OFF' && annotated === (mesh.ingressClass ?? 'istio');
  const named = spec?.ingressClassName === undefined ? undefined : classes.get(spec.ingressClassName);
  if (named !== undefined) return named.spec?.controller === CONTROLLER;
  return mode === 'DEFAULT';
}

function gatewayOf(ingress: KubernetesIngress, mesh: MeshConfig): ConfigObject<GatewaySpec> {
  const { name, namespace } = nameOf(ingress);
  const https = (ingress.spec?.tls ?? []).flatMap(({ hosts, secretName = '' }, index) =>
    secretName === ''
      ? []
      : [
          {
            port: { number: 443, protocol: 'HTTPS', name: `https-443-ingress-${name}-${namespace}-${index}` },
            hosts: hosts === undefined || hosts === null || hosts.length === 0 ? ['*'] : [...hosts],
            tls: { mode: 'SIMPLE' as const, credentialName: secretName },
          },
        ],
  );
  const http = { port: { number: 80, protocol: 'HTTP', name: `http-80-ingress-${name}-${namespace}` }, hosts: ['*'] };
  const spec = { selector: gatewaySelector(mesh), servers: [...https, http] };
  return objectOf(ingress, 'Gateway', gatewayName(ingress), GATEWAY_NAMESPACE, {}, spec);
}

/** The pods that serve Ingresses: `ingressSelector`, else the name of the `ingressService`, else the default gateway. */
function gatewaySelector({ ingressSelector = '', ingressService = '' }: MeshConfig): Record<string, string> {
  if (ingressSelector !== '') return { istio: ingressSelector };
  return { istio: ingressService === '' || ingressService === DEFAULT_SERVICE ? 'ingressgateway' : ingressService };
}

function virtualServiceOf(host: string, rules: readonly HostRule[], site: IngressSite): ConfigObject<VirtualServiceSpec>[] {
  const [first] = rules;
  if (first === undefined) return [];
  const http = rules.flatMap(({ ingress, paths }) => paths.flatMap((path) => routeOf(path, nameOf(ingress).namespace, site)));
  const { name, namespace } = nameOf(first.ingress);
  const spec: VirtualServiceSpec = {
    hosts: [host],
    gateways: [`${GATEWAY_NAMESPACE}/${gatewayName(first.ingress)}`],
    http: http.sort(bySpecificity),
  };
  const own = `${host.replaceAll('.', '-')}-${name}-${DEFAULT_SERVICE}`;
  return [objectOf(first.ingress, 'VirtualService', own, namespace, SEMANTICS, spec)];
}

function routeOf({ path = '', pathType, backend }: IngressPath, namespace: string, site: IngressSite): HttpRoute[] {
  const port = portOf(backend, namespace, site);
  if (port === undefined) return [];
  const uri = uriOf(path, pathType);
  return [
    {
      ...(uri === undefined ? {} : { match: [{ uri }] }),
      route: [
        { destination: { host: `${backend?.service?.name ?? ''}.${namespace}.svc.${site.domain}`, port: { number: port } }, weight: 100 },
      ],
    },
  ];
}

function portOf(backend: IngressBackend | undefined, namespace: string, site: IngressSite): number | undefined {
  const { name = '', port = {} } = backend?.service ?? {};
  if (port.number !== undefined && port.number > 0) return port.number;
  const ports = site.services(`${namespace}/${name}`)?.spec?.ports ?? [];
  return ports.find((candidate) => candidate.name === port.name)?.port;
}

/** Without a type, `*` at the end means a prefix, as before there were types. */
function uriOf(path: string, type: string | undefined): { exact: string } | { prefix: string } | undefined {
  if (type === 'Exact') return { exact: path };
  if (type === 'Prefix') return { prefix: path };
  if (path === '' || path === '*' || path === '/*' || path === '.*') return undefined;
  if (path.endsWith('.*') || path.endsWith('/*')) return { prefix: path.slice(0, -2) };
  return { exact: path };
}

/** Longer paths first, and of two of the same length the exact one. */
function bySpecificity(a: HttpRoute, b: HttpRoute): number {
  const [one, other] = [specificity(a), specificity(b)];
  return other.length - one.length || Number(other.exact) - Number(one.exact);
}

function specificity(route: HttpRoute): { length: number; exact: boolean } {
  const uri = route.match?.[0]?.uri;
  if (uri?.exact !== undefined) return { length: uri.exact.length, exact: true };
  // What has no match takes everything, and so comes last, after a prefix that is empty.
  return uri?.prefix === undefined ? { length: -1, exact: false } : { length: uri.prefix.length, exact: false };
}

function gatewayName(ingress: KubernetesIngress): string {
  const { name, namespace } = nameOf(ingress);
  return `${name}-${DEFAULT_SERVICE}-${namespace}`;
}

function nameOf({ metadata }: KubernetesIngress): { name: string; namespace: string } {
  return { name: metadata?.name ?? '', namespace: metadata?.namespace ?? 'default' };
}

function byAge(a: KubernetesIngress, b: KubernetesIngress): number {
  const keys = [a, b].map((one) => [one.metadata?.creationTimestamp ?? '', nameOf(one).name, nameOf(one).namespace] as const);
  const [one, other] = keys;
  if (one === undefined || other === undefined) return 0;
  for (const [index, part] of one.entries()) {
    const against = other[index] ?? '';
    if (part !== against) return part < against ? -1 : 1;
  }
  return 0;
}

function objectOf<Spec>(
  ingress: KubernetesIngress,
  kind: string,
  name: string,
  namespace: string,
  annotations: Readonly<Record<string, string>>,
  spec: Spec,
): ConfigObject<Spec> {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: {
      name,
      namespace,
      labels: {},
      annotations,
      creationTimestamp: ingress.metadata?.creationTimestamp ?? '',
      resourceVersion: '',
      uid: '',
      generation: 0,
    },
    spec,
  };
}
