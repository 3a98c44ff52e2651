import { type Clock, type Logger, XebecError } from '@xebec/core';
import type { FilterUpstream, NodeInfo } from '@xebec/filters';
import { type FinishedSpan, type LocalEndpoint, SpanReporter, type StatsScope } from '@xebec/telemetry';
import type { HttpTarget } from '../http/http-target.ts';

export interface ZipkinReportersOptions extends ReporterEnvironment {
  readonly node: NodeInfo;
  /** Address of this proxy in its spans where the node's metadata has no `INSTANCE_IPS`. */
  readonly ownAddress: string;
}

/** What an exporter of spans works with. */
export interface ReporterEnvironment {
  readonly upstream: FilterUpstream;
  readonly stats: StatsScope;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of this proxy, for exporters that tell. */
  readonly version: string;
  /** Numbers of the runtime, such as `tracing.zipkin.min_flush_spans`. */
  readonly runtime: (key: string) => number | undefined;
}

/** Hold on a collector's reporter; `release` sends what has gathered. */
export interface ReporterHandle {
  readonly report: (span: FinishedSpan) => void;
  release(): void;
}

/** When a batch is sent: with so many spans, or after so long; the runtime's word is taken before the defaults. */
export function flushing(
  runtime: ReporterEnvironment['runtime'],
  tracer: string,
  spans: number,
  intervalMs: number,
): { readonly maxBatch: number; readonly flushIntervalMs: number } {
  return {
    maxBatch: runtime(`tracing.${tracer}.min_flush_spans`) ?? spans,
    flushIntervalMs: runtime(`tracing.${tracer}.flush_interval_ms`) ?? intervalMs,
  };
}

interface Shared {
  readonly reporter: SpanReporter;
  users: number;
}

const maxBatch = 100;
const flushIntervalMs = 1000;
/** Envoy's `tracing.zipkin.request_timeout`. */
const requestTimeoutMs = 5000;

/** The reporters of a process: connection managers with the same collector share batches. */
export class ZipkinReporters {
  readonly #options: ZipkinReportersOptions;
  readonly #shared = new Map<string, Shared>();
  readonly #local: LocalEndpoint;

  constructor(options: ZipkinReportersOptions) {
    this.#options = options;
    const { node, ownAddress } = options;
    const ips = node.metadata.INSTANCE_IPS;
    const first = typeof ips === 'string' ? ips.split(',')[0] : undefined;
    this.#local = { serviceName: node.cluster, address: first === undefined || first === '' ? ownAddress : first };
  }
  get environment(): ReporterEnvironment {
    return this.#options;
  }
  acquire(collector: HttpTarget): ReporterHandle {
    const key = JSON.stringify(collector);
    const shared = this.#shared.get(key) ?? this.#open(key, collector);
    shared.users++;
    let released = false;
    return {
      // Streams that outlive the configuration they began under still report.
      report: (span) => shared.reporter.report(span),
      release: () => {
        if (released) return;
        released = true;
        shared.users--;
        if (shared.users > 0) return;
        shared.reporter.close();
        this.#shared.delete(key);
      },
    };
  }
  #open(key: string, collector: HttpTarget): Shared {
    const { upstream, clock, logger } = this.#options;
    const scope = this.#options.stats.scope('tracing.zipkin');
    const spansSent = scope.counter('spans_sent');
    const reportsSent = scope.counter('reports_sent');
    const spansDropped = scope.counter('spans_dropped');
    const reportsDropped = scope.counter('reports_dropped');
    const transport = async (body: Buffer): Promise<void> => {
      const { head } = await upstream.http(
        collector.cluster,
        {
          method: 'POST',
          path: collector.path,
          authority: collector.authority,
          scheme: collector.scheme,
          version: 'HTTP/1.1',
          headers: ['content-type', 'application/json', 'content-length', String(body.length), ...collector.headers],
        },
        body,
        collector.timeoutMs ?? requestTimeoutMs,
      );
      if (head.status < 200 || head.status > 299) {
        throw new XebecError('E_UPSTREAM', `collector "${collector.cluster}" answered ${collector.path} with ${head.status}`);
      }
    };
    const reporter = new SpanReporter({
      local: this.#local,
      transport,
      clock,
      logger,
      ...flushing(this.#options.runtime, 'zipkin', maxBatch, flushIntervalMs),
      onSent: (spans) => {
        spansSent.add(spans);
        reportsSent.add(1);
      },
      onDropped: (spans) => {
        spansDropped.add(spans);
        reportsDropped.add(1);
      },
    });
    const shared = { reporter, users: 0 };
    this.#shared.set(key, shared);
    return shared;
  }
}
