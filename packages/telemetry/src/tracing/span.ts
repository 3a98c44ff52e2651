/** A finished span. */
export interface FinishedSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: 'CLIENT' | 'SERVER';
  /** Milliseconds since the epoch, fractions kept. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly tags: Readonly<Record<string, string>>;
  /** The client's span has the same id (`shared_span_context`). */
  readonly shared?: boolean;
  /** W3C `tracestate`. */
  readonly traceState?: string;
  /** The parent came with the request. */
  readonly remoteParent?: boolean;
}

/** This proxy in its spans. */
export interface LocalEndpoint {
  readonly serviceName: string;
  readonly address?: string;
  readonly port?: number;
}

/** Encodes spans for `POST /api/v2/spans` (Zipkin API v2, JSON). */
export function encodeZipkinV2(spans: readonly FinishedSpan[], local: LocalEndpoint): string {
  const localEndpoint = {
    serviceName: local.serviceName,
    ...(local.address === undefined ? {} : local.address.includes(':') ? { ipv6: local.address } : { ipv4: local.address }),
    port: local.port ?? 0,
  };
  return JSON.stringify(
    spans.map((span) => ({
      traceId: span.traceId,
      id: span.id,
      ...(span.parentId === undefined ? {} : { parentId: span.parentId }),
      name: span.name,
      kind: span.kind,
      timestamp: Math.round(span.startMs * 1000),
      duration: Math.max(1, Math.round(span.durationMs * 1000)),
      ...(span.shared === true ? { shared: true } : {}),
      localEndpoint,
      // The end as Zipkin 1 told it; Envoy still does.
      annotations: [{ timestamp: Math.round((span.startMs + span.durationMs) * 1000), value: span.kind === 'SERVER' ? 'ss' : 'cr' }],
      // As Envoy's tracer does it: a tag without a value is none.
      tags: Object.fromEntries(Object.entries(span.tags).filter(([, value]) => value !== '')),
    })),
  );
}
