import { isRecord } from '@xebec/config';
import type { ConfigObject } from '@xebec/schemas';

/** The fields of an SMI object: those below `spec` in newer versions stood at the top in older ones. */
export function fieldsOf(object: ConfigObject): Readonly<Record<string, unknown>> {
  const whole = isRecord(object.spec) ? object.spec : {};
  return isRecord(whole['spec']) && Object.keys(whole['spec']).length > 0 ? { ...whole, ...whole['spec'] } : whole;
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function records(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

export function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** A service as users name it, in full: `reviews`, `reviews.shop` and `reviews.shop.svc.cluster.local` are one. */
export function serviceHost(name: string, namespace: string, domain: string): string {
  const [service = '', given = namespace, ...rest] = name.replace(/\.$/, '').split('.');
  if (rest.length > 1) return name.replace(/\.$/, '');
  return `${service}.${given}.svc.${domain}`;
}
