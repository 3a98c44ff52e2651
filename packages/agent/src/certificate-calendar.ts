import { X509Certificate } from 'node:crypto';

/** Parts of its life, in percent, at which a certificate that is still in use is worth a word. */
export const ALARM_LEVELS = [50, 80, 95] as const;

/** Percent of its life that a certificate has reached at least; 100: it has expired. */
export type AlarmLevel = 0 | (typeof ALARM_LEVELS)[number] | 100;

/** One certificate of the calendar. Times in milliseconds since 1970. */
export interface CalendarEntry {
  /** Where it was found: `Secret shop/web-cert`, `pod web.shop`. */
  readonly place: string;
  /** Which one of that place: a key of a Secret, a resource of SDS. */
  readonly name: string;
  readonly kind: 'leaf' | 'intermediate' | 'root';
  readonly subject: string;
  readonly issuer: string;
  /** Hex, lower-case. */
  readonly serialNumber: string;
  /** `URI:spiffe://…`, `DNS:…`. */
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** 0 at its beginning, 1 at its end; more when it has expired. */
  readonly lifeUsed: number;
  readonly alarm: AlarmLevel;
}

/** More certificates than any bundle has. */
const MAX_CERTIFICATES = 256;
const MAX_BYTES = 1 << 20;
const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Every certificate of a PEM text, in its order. Blocks that are none are left out, as are those past the limits. */
export function calendarEntries(place: string, name: string, pem: string, now: number): CalendarEntry[] {
  if (pem.length > MAX_BYTES) return [];
  return (pem.match(BLOCK) ?? []).slice(0, MAX_CERTIFICATES).flatMap((block) => {
    try {
      return [entryOf(place, name, new X509Certificate(block), now)];
    } catch {
      return [];
    }
  });
}

function entryOf(place: string, name: string, certificate: X509Certificate, now: number): CalendarEntry {
  const notBefore = Date.parse(certificate.validFrom);
  const notAfter = Date.parse(certificate.validTo);
  const lifeUsed = lifeUsedOf(notBefore, notAfter, now);
  const oneLine = (text: string | undefined) => (text ?? '').replaceAll('\n', ', ');
  return {
    place,
    name,
    kind: !certificate.ca ? 'leaf' : certificate.issuer === certificate.subject ? 'root' : 'intermediate',
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    serialNumber: certificate.serialNumber.toLowerCase(),
    names: (certificate.subjectAltName ?? '').split(', ').filter((each) => each !== ''),
    notBefore,
    notAfter,
    lifeUsed,
    alarm: alarmOf(lifeUsed),
  };
}

/** Which part of its life has gone; a certificate without any is over. */
export function lifeUsedOf(notBefore: number, notAfter: number, now: number): number {
  return notAfter <= notBefore ? 1 : Math.max(0, (now - notBefore) / (notAfter - notBefore));
}

export function alarmOf(lifeUsed: number): AlarmLevel {
  if (lifeUsed >= 1) return 100;
  return ALARM_LEVELS.findLast((level) => lifeUsed * 100 >= level) ?? 0;
}
