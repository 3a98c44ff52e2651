import { type CalendarEntry, calendarEntries } from '@xebec/agent';
import type { SecretInDump } from '../proxy-config/dump.ts';
import { pemOf, trustedRoots } from '../proxy-config/trusted-roots.ts';

/** Certificates that a proxy has been given by SDS, by resource. */
export function certificatesOfDump(place: string, secrets: readonly SecretInDump[], now: number): CalendarEntry[] {
  return secrets.flatMap(({ name, secret }) => {
    const type = secret?.type;
    if (type?.case === 'tlsCertificate') return calendarEntries(place, name, pemOf(type.value.certificateChain), now);
    if (type?.case === 'validationContext') return trustedRoots(type.value).flatMap(({ pem }) => calendarEntries(place, name, pem, now));
    return [];
  });
}
