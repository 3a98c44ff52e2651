import { type CalendarEntry, calendarEntries } from '@xebec/agent';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import type { SecretInDump } from '../proxy-config/dump.ts';

function pemOf(source: DataSource | undefined): string {
  if (source?.specifier.case === 'inlineBytes') return Buffer.from(source.specifier.value).toString('utf8');
  return source?.specifier.case === 'inlineString' ? source.specifier.value : '';
}

/** Certificates that a proxy has been given by SDS, by resource. */
export function certificatesOfDump(place: string, secrets: readonly SecretInDump[], now: number): CalendarEntry[] {
  return secrets.flatMap(({ name, secret }) => {
    const type = secret?.type;
    if (type?.case === 'tlsCertificate') return calendarEntries(place, name, pemOf(type.value.certificateChain), now);
    if (type?.case === 'validationContext') return calendarEntries(place, name, pemOf(type.value.trustedCa), now);
    return [];
  });
}
