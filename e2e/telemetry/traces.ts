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
