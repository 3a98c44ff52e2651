import type { SourceReference } from '@xebec/schemas';

export type Level = 'Error' | 'Warning' | 'Info';

/** Codes, names and levels as istioctl has them. */
export const messageTypes = {
  IST0101: { name: 'ReferencedResourceNotFound', level: 'Error' },
  IST0102: { name: 'NamespaceNotInjected', level: 'Info' },
  IST0103: { name: 'PodMissingProxy', level: 'Warning' },
  IST0106: { name: 'SchemaValidationError', level: 'Error' },
  IST0109: { name: 'ConflictingMeshGatewayVirtualServiceHosts', level: 'Error' },
  IST0110: { name: 'ConflictingSidecarWorkloadSelectors', level: 'Error' },
  IST0111: { name: 'MultipleSidecarsWithoutWorkloadSelectors', level: 'Error' },
  IST0112: { name: 'VirtualServiceDestinationPortSelectorRequired', level: 'Error' },
  IST0118: { name: 'PortNameIsNotUnderNamingConvention', level: 'Info' },
  IST0127: { name: 'NoMatchingWorkloadsFound', level: 'Warning' },
  IST0130: { name: 'VirtualServiceUnreachableRule', level: 'Warning' },
  IST0132: { name: 'VirtualServiceHostNotFoundInGateway', level: 'Warning' },
} as const satisfies Record<string, { name: string; level: Level }>;

export type MessageCode = keyof typeof messageTypes;

/** The object a message is about. */
export interface Subject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly source?: SourceReference;
}

export interface Message {
  readonly code: MessageCode;
  readonly subject: Subject;
  /** Field it points at, such as `spec.http[0].route[0].destination.host`; empty: the whole object. */
  readonly path: string;
  readonly text: string;
}

export function levelOf(message: Message): Level {
  return messageTypes[message.code].level;
}

/** `reviews.default bookinfo.yaml:12`, or `Namespace default` for cluster-scoped objects. */
export function formatSubject(message: Message): string {
  const { kind, namespace, name, source } = message.subject;
  const line = source?.fieldLines?.[message.path] ?? source?.line;
  const file = source === undefined ? '' : ` ${source.file}:${line}`;
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}${file}`;
}

/** `Error [IST0101] (VirtualService default/reviews vs.yaml:12) Referenced host not found: "reviewsx"`. */
export function formatMessage(message: Message): string {
  return `${levelOf(message)} [${message.code}] (${formatSubject(message)}) ${message.text}`;
}
