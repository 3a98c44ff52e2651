import type {
  ListenerFilterChainMatchPredicateSchema,
  ListenerFilterSchema,
} from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { HttpInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { OriginalDstSchema } from '@xebec/protos/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import { TlsInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { extension, type Fields } from '../envoy/any.ts';

export type ListenerFilter = Fields<typeof ListenerFilterSchema>;
type Predicate = Fields<typeof ListenerFilterChainMatchPredicateSchema>;

export function originalDestination(): ListenerFilter {
  return extension('envoy.filters.listener.original_dst', OriginalDstSchema);
}

/** Reads the ClientHello; `exceptPorts` are connections that it must not wait on. */
export function tlsInspector(exceptPorts: readonly number[] = []): ListenerFilter {
  // A first read of 512 bytes suits plain text, which never fills more than that.
  return {
    ...extension('envoy.filters.listener.tls_inspector', TlsInspectorSchema, { initialReadBufferSize: 512 }),
    ...disabledOn(exceptPorts),
  };
}

/** Tells HTTP/1 and h2c from other plain text. It must come after the TLS inspector, which says whether the text is plain. */
export function httpInspector(exceptPorts: readonly number[] = []): ListenerFilter {
  return { ...extension('envoy.filters.listener.http_inspector', HttpInspectorSchema), ...disabledOn(exceptPorts) };
}

function disabledOn(ports: readonly number[]): { filterDisabled?: Predicate } {
  const rules = [...new Set(ports)]
    .sort((a, b) => a - b)
    .map((port): Predicate => ({ rule: { case: 'destinationPortRange', value: { start: port, end: port + 1 } } }));
  const [only] = rules;
  if (only === undefined) return {};
  return { filterDisabled: rules.length === 1 ? only : { rule: { case: 'orMatch', value: { rules } } } };
}
