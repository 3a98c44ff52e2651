import { type CalendarEntry, calendarEntries } from '@xebec/agent';

/** Keys under which Secrets and ConfigMaps of a mesh hold certificates, in the order in which they are shown. */
const KEYS = ['tls.crt', 'cert', 'ca.crt', 'cacert', 'ca-cert.pem', 'cert-chain.pem', 'root-cert.pem'];

function record(value: unknown): Readonly<Record<string, unknown>> {
  // Checked to be an object; its fields stay unknown.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Certificates of one Kubernetes object as the API gives it: Secret, ConfigMap or webhook configuration; nothing of any other. */
export function certificatesOfObject(object: unknown, now: number): CalendarEntry[] {
  const { kind, metadata, data, stringData, webhooks } = record(object);
  const { namespace, name } = record(metadata);
  if (typeof kind !== 'string' || typeof name !== 'string') return [];
  const place = `${kind} ${typeof namespace === 'string' ? `${namespace}/` : ''}${name}`;
  if (kind === 'Secret' || kind === 'ConfigMap') {
    const encoded = kind === 'Secret';
    return KEYS.flatMap((key) => {
      const clear = record(stringData)[key];
      const value = clear ?? record(data)[key];
      if (typeof value !== 'string') return [];
      return calendarEntries(place, key, encoded && clear === undefined ? Buffer.from(value, 'base64').toString('utf8') : value, now);
    });
  }
  if (!Array.isArray(webhooks)) return [];
  return webhooks.flatMap((webhook: unknown) => {
    const bundle = record(record(webhook)['clientConfig'])['caBundle'];
    if (typeof bundle !== 'string') return [];
    return calendarEntries(place, 'caBundle', Buffer.from(bundle, 'base64').toString('utf8'), now);
  });
}

/** Whether a Secret can hold certificates of the mesh: the others are not even decoded. */
export function mayHoldCertificates(object: unknown): boolean {
  const data = record(record(object)['data']);
  return KEYS.some((key) => key in data);
}
