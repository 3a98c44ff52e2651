import type { ConfigObject, Destination, VirtualServiceSpec } from '@xebec/schemas';
import type { Message } from '../message.ts';
import { type AnalysisView, subjectOf } from '../view.ts';

interface Reference {
  readonly destination: Destination;
  readonly path: string;
}

/** Every destination that a VirtualService names, mirrors included, with its path. */
export function destinationsOf(spec: VirtualServiceSpec): Reference[] {
  const http = (spec.http ?? []).flatMap((route, i) => [
    ...(route.route ?? []).map(({ destination }, j) => ({ destination, path: `spec.http[${i}].route[${j}].destination` })),
    ...(route.mirror === undefined ? [] : [{ destination: route.mirror, path: `spec.http[${i}].mirror` }]),
    ...(route.mirrors ?? []).map(({ destination }, j) => ({ destination, path: `spec.http[${i}].mirrors[${j}].destination` })),
  ]);
  const streams = (['tls', 'tcp'] as const).flatMap((kind) =>
    (spec[kind] ?? []).flatMap((route, i) =>
      (route.route ?? []).map(({ destination }, j) => ({ destination, path: `spec.${kind}[${i}].route[${j}].destination` })),
    ),
  );
  return [...http, ...streams];
}

/** IST0101 for hosts and subsets that do not exist, IST0112 for a port that must be named. */
export function analyzeDestinations(view: AnalysisView): Message[] {
  return view.virtualServices.flatMap((object) =>
    destinationsOf(object.spec).flatMap((reference) => analyzeReference(view, object, reference)),
  );
}

function analyzeReference(view: AnalysisView, object: ConfigObject<VirtualServiceSpec>, { destination, path }: Reference): Message[] {
  const { namespace } = object.metadata;
  const subject = subjectOf(object);
  const host = view.findHost(destination.host, namespace);
  if (host === undefined) {
    return [{ code: 'IST0101', subject, path: `${path}.host`, text: `Referenced host not found: "${destination.host}"` }];
  }
  const messages: Message[] = [];
  if (destination.subset !== undefined && !hasSubset(view, host.hostname, destination.subset)) {
    messages.push({
      code: 'IST0101',
      subject,
      path: `${path}.subset`,
      text: `Referenced host+subset in destinationrule not found: "${destination.host}+${destination.subset}"`,
    });
  }
  if (destination.port === undefined && host.ports.length > 1) {
    const text = `This VirtualService routes to a service "${destination.host}" that exposes multiple ports ${JSON.stringify(host.ports)}. Specifying a port in the destination is required to disambiguate.`;
    messages.push({ code: 'IST0112', subject, path, text });
  }
  return messages;
}

function hasSubset(view: AnalysisView, hostname: string, subset: string): boolean {
  return view.destinationRules.some(
    ({ spec, metadata }) =>
      view.findHost(spec.host, metadata.namespace)?.hostname === hostname && spec.subsets?.some(({ name }) => name === subset) === true,
  );
}
