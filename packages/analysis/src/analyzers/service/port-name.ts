import { protocolOfPort } from '@xebec/model';
import type { Analyzer } from '../../analyzer.ts';
import { integer, records, text } from '../../fields.ts';
import type { Labels } from '../../selectors.ts';

const MANAGED: ReadonlySet<string> = new Set(['istio.io-gateway-controller', 'istio.io-mesh-controller', 'istio.io-eastwest-controller']);

/** Objects of the control plane itself. */
export function isControlPlane(labels: Labels): boolean {
  return 'istio' in labels || labels['release'] === 'istio';
}

/** IST0118: a port whose protocol has to be guessed; IST0150: the same, or `tcp`, of an ExternalName service. */
export const portName: Analyzer = {
  name: 'service.PortNameAnalyzer',
  description: 'Checks the port names associated with each service',
  inputs: ['Service'],
  codes: ['IST0118', 'IST0150'],
  analyze(view, report) {
    for (const resource of view.all('Service')) {
      if (isControlPlane(resource.labels) || MANAGED.has(resource.labels['gateway.istio.io/managed'] ?? '')) continue;
      const external = text(resource.spec['type']) === 'ExternalName';
      for (const [index, port] of records(resource.spec['ports']).entries()) {
        const name = text(port['name']);
        const number = integer(port['port']);
        const appProtocol = port['appProtocol'];
        const protocol = protocolOfPort({
          name,
          number,
          ...(typeof appProtocol === 'string' ? { appProtocol } : {}),
          ...(text(port['protocol']) === 'UDP' ? { transport: 'UDP' } : {}),
        });
        if (protocol !== 'auto' && !(external && name === 'tcp')) continue;
        const path = `spec.ports[${index}].port`;
        if (external) report('IST0150', resource, [], path);
        else report('IST0118', resource, [name, number, targetText(port['targetPort'])], path);
      }
    }
  },
};

export function targetText(target: unknown): string {
  return typeof target === 'string' || typeof target === 'number' ? String(target) : '0';
}
