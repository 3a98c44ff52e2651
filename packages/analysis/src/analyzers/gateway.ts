import { hostsOverlap } from '@xebec/model';
import type { Message } from '../message.ts';
import { type AnalysisView, subjectOf } from '../view.ts';

const MESH = 'mesh';

/** IST0101 for gateways that do not exist or select nothing, IST0132 for hosts that no named gateway admits. */
export function analyzeGateways(view: AnalysisView): Message[] {
  return [...gatewayReferences(view), ...gatewaySelectors(view)];
}

function gatewayReferences(view: AnalysisView): Message[] {
  return view.virtualServices.flatMap((object) => {
    const subject = subjectOf(object);
    const messages: Message[] = [];
    const admitted: string[] = [];
    let named = 0;
    for (const [index, reference] of (object.spec.gateways ?? []).entries()) {
      if (reference === MESH) continue;
      named++;
      const [namespace, name] = reference.includes('/') ? reference.split('/', 2) : [object.metadata.namespace, reference];
      const gateway = view.gateways.find((candidate) => candidate.metadata.namespace === namespace && candidate.metadata.name === name);
      if (gateway === undefined)
        messages.push({ code: 'IST0101', subject, path: `spec.gateways[${index}]`, text: `Referenced gateway not found: "${reference}"` });
      else admitted.push(...(gateway.spec.servers ?? []).flatMap((server) => server.hosts.map((host) => host.split('/').at(-1) ?? host)));
    }
    if (named === 0 || messages.length > 0) return messages;
    for (const [index, host] of (object.spec.hosts ?? []).entries()) {
      if (admitted.some((candidate) => hostsOverlap(candidate, host))) continue;
      const gateways = (object.spec.gateways ?? []).join(', ');
      messages.push({
        code: 'IST0132',
        subject,
        path: `spec.hosts[${index}]`,
        text: `one or more host [${host}] defined in VirtualService not found in Gateway ${gateways}`,
      });
    }
    return messages;
  });
}

function gatewaySelectors(view: AnalysisView): Message[] {
  // The default gateways live in the root namespace: without a look at it nothing can be said of them.
  if (!view.workloads.some(({ object }) => object.metadata.namespace === view.rootNamespace)) return [];
  return view.gateways.flatMap((gateway) => {
    const selector = gateway.spec.selector ?? {};
    const selected = view.workloads.some(({ labels }) => Object.entries(selector).every(([key, value]) => labels[key] === value));
    if (selected) return [];
    const text = Object.entries(selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    return [
      { code: 'IST0101', subject: subjectOf(gateway), path: 'spec.selector', text: `Referenced selector not found: "${text}"` } as const,
    ];
  });
}
