import { type AlarmLevel, type CalendarEntry, CertificateAlarms, calendarEntries } from '@xebec/agent';
import type { KubernetesApi } from '@xebec/config';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { Gauge, type Registry } from 'prom-client';
import type { HeldCredential } from './credential-store.ts';

export interface ExpiryWatchOptions {
  /** Secrets and ConfigMaps that proxies use. */
  readonly held: () => readonly HeldCredential[];
  /** Roots of the mesh, PEM. */
  readonly roots: () => readonly string[];
  readonly rootNamespace: () => string;
  /** Undefined: nobody is told but by metrics and the log. */
  readonly kubernetes: KubernetesApi | undefined;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_EVERY_MS = 60_000;
const EVENT_TIMEOUT_MS = 5_000;
/** Keys of certificates; what else a Secret holds is not looked at. */
const KEYS = ['tls.crt', 'cert', 'ca.crt', 'cacert'];
const LEVELS: readonly AlarmLevel[] = [50, 80, 95, 100];
const LABELS = ['place', 'name', 'kind'] as const;

/** What an entry is about, in Kubernetes. */
interface Subject {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
}

/**
 * Watches what pilot gives to proxies and the roots of the mesh: metrics say how far each certificate is, and an Event on its Secret
 * tells when 50, 80 and 95 % of its life are over and when it has expired.
 */
export class ExpiryWatch {
  readonly #options: ExpiryWatchOptions;
  readonly #alarms: CertificateAlarms;
  #subjects = new Map<string, Subject>();
  #cancel: (() => void) | undefined;

  constructor(options: ExpiryWatchOptions) {
    this.#options = options;
    this.#alarms = new CertificateAlarms(
      () => this.entries(),
      (entry) => this.#tell(entry),
    );
    const registers = [options.registry];
    const of = (set: (gauge: Gauge<(typeof LABELS)[number]>, entry: CalendarEntry) => void) =>
      function collect(this: Gauge<(typeof LABELS)[number]>): void {
        this.reset();
        for (const entry of entries()) set(this, entry);
      };
    const entries = () => this.entries();
    const labels = ({ place, name, kind }: CalendarEntry) => ({ place, name, kind });
    new Gauge({
      name: 'xebec_certificate_expiry_timestamp_seconds',
      help: 'When a certificate that pilot hands out or trusts expires.',
      labelNames: LABELS,
      registers,
      collect: of((gauge, entry) => gauge.set(labels(entry), entry.notAfter / 1000)),
    });
    new Gauge({
      name: 'xebec_certificate_life_used_ratio',
      help: 'Part of its life that a certificate has used: 0 at its beginning, 1 and more when it has expired.',
      labelNames: LABELS,
      registers,
      collect: of((gauge, entry) => gauge.set(labels(entry), entry.lifeUsed)),
    });
    new Gauge({
      name: 'xebec_certificate_alarms',
      help: 'Certificates that have used at least this percentage of their life.',
      labelNames: ['percent'],
      registers,
      collect() {
        const all = entries();
        for (const level of LEVELS) this.set({ percent: String(level) }, all.filter(({ alarm }) => alarm >= level).length);
      },
    });
  }
  start(): void {
    this.#alarms.look();
    this.#cancel = this.#options.clock.setTimeout(() => this.start(), LOOK_EVERY_MS);
  }
  close(): void {
    this.#cancel?.();
  }
  /** What there is now. */
  entries(): CalendarEntry[] {
    const { held, roots, rootNamespace, clock } = this.#options;
    const now = clock.now();
    const subjects = new Map<string, Subject>();
    const found = held().flatMap(({ source, namespace, name, data }) => {
      const kind = source === 'secrets' ? 'Secret' : 'ConfigMap';
      const place = `${kind} ${namespace}/${name}`;
      subjects.set(place, { kind, namespace, name });
      return KEYS.flatMap((key) => {
        const value = data.get(key);
        return value === undefined ? [] : calendarEntries(place, key, Buffer.from(value).toString('utf8'), now);
      });
    });
    const namespace = rootNamespace();
    const place = 'roots of the mesh';
    subjects.set(place, { kind: 'ConfigMap', namespace, name: 'istio-ca-root-cert' });
    this.#subjects = subjects;
    return [...found, ...calendarEntries(place, 'ROOTCA', roots().join('\n'), now)];
  }

  #tell(entry: CalendarEntry): void {
    const { logger, kubernetes, clock } = this.#options;
    const { place, name, alarm, notAfter, serialNumber } = entry;
    const expired = alarm === 100;
    const until = new Date(notAfter).toISOString().replace(/\.\d+Z$/, 'Z');
    const message = expired
      ? `the certificate ${name} (serial number ${serialNumber}) expired at ${until}`
      : `the certificate ${name} (serial number ${serialNumber}) has used ${alarm} % of its life; it expires at ${until}`;
    const text = `${place}: ${message}`;
    if (alarm >= 80) logger.warn({ place, serialNumber, alarm }, text);
    else logger.info({ place, serialNumber, alarm }, text);
    const subject = this.#subjects.get(place);
    if (kubernetes === undefined || subject === undefined) return;
    const time = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { generateName: `${subject.name}.`, namespace: subject.namespace },
      involvedObject: { apiVersion: 'v1', ...subject },
      reason: expired ? 'CertificateExpired' : 'CertificateExpiring',
      message,
      type: alarm >= 80 ? 'Warning' : 'Normal',
      source: { component: 'xebec-pilot' },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    kubernetes
      .send('POST', `/api/v1/namespaces/${subject.namespace}/events`, event, AbortSignal.timeout(EVENT_TIMEOUT_MS))
      .catch((error: unknown) => logger.warn({ place }, `no Event could be written about ${place}: ${errorText(error)}`));
  }
}
