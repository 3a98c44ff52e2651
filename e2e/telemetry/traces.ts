import type { Collector } from '../mixer-telemetry/peers.ts';
import type { Zipkin } from '../src/zipkin.ts';

/** A span as Zipkin tells it. */
export interface SeenSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string;
  readonly kind: 'CLIENT' | 'SERVER' | '';
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** Every span that the Zipkin has. */
export async function zipkinSpans({ port }: Zipkin): Promise<SeenSpan[]> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v2/traces?limit=2000&lookback=3600000`);
  const traces: {
    traceId: string;
    id: string;
    parentId?: string;
    kind?: 'CLIENT' | 'SERVER';
    name?: string;
    tags?: Record<string, string>;
  }[][] = JSON.parse(await response.text());
  return traces.flat().map(({ traceId, id, parentId, kind, name, tags }) => ({
    traceId,
    id,
    parentId: parentId ?? '',
    kind: kind ?? '',
    name: name ?? '',
    tags: tags ?? {},
  }));
}

/** The part of OTLP's JSON that is read here. */
interface OtlpTraces {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly kind: number;
        readonly name: string;
        readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
      }[];
    }[];
  }[];
}

/** SpanKind of OTLP's trace.proto. */
const kinds: Readonly<Record<number, SeenSpan['kind']>> = { 2: 'SERVER', 3: 'CLIENT' };

/** Every span that a collector of OpenTelemetry has written. */
export async function collectedSpans(collector: Collector): Promise<SeenSpan[]> {
  // What the collector writes is OTLP's JSON; messages of other signals have no resourceSpans.
  const messages = (await collector.received()) as readonly OtlpTraces[];
  return messages
    .flatMap(({ resourceSpans = [] }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)))
    .map(({ traceId, spanId, parentSpanId, kind, name, attributes }) => ({
      traceId,
      id: spanId,
      parentId: parentSpanId ?? '',
      kind: kinds[kind] ?? '',
      name,
      tags: Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? ''])),
    }));
}
