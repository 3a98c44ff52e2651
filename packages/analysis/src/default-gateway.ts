import { type RawObject, toRawObject } from './object.ts';

const PORTS = [
  { name: 'http2', port: 80, targetPort: 8080 },
  { name: 'https', port: 443, targetPort: 8443 },
  { name: 'tcp', port: 31400 },
  { name: 'tls', port: 15443 },
];

/** The ingress gateway that a mesh has by default: files seldom bring it along, and name it all the same. */
export function defaultIngressGateway(rootNamespace: string): readonly RawObject[] {
  const labels = { istio: 'ingressgateway' };
  const name = 'istio-ingressgateway';
  const ports = PORTS.map((port) => ({ protocol: 'TCP', targetPort: port.port, ...port }));
  return [
    { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: { containers: [{ name: 'istio-proxy', image: 'default' }] } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: labels, ports } },
  ].flatMap((content) => toRawObject(content, rootNamespace) ?? []);
}
