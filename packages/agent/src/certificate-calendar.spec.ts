import { randomBytes } from 'node:crypto';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { expect, it } from 'vitest';
import { alarmOf, calendarEntries, lifeUsedOf } from './certificate-calendar.ts';
import { CertificateAlarms } from './certificate-calendar-alarms.ts';

const HOUR = 3_600_000;

async function rootPem(now: number, ttlMs: number): Promise<string> {
  const keys = await generateKeys('ecdsa-p256');
  return certificatePem(unwrap(createSelfSignedRoot(keys, { organization: 'calendar', ttlMs, now, serial: randomBytes(16) })));
}

it.each([
  [0, 0],
  [0.49, 0],
  [0.5, 50],
  [0.8, 80],
  [0.949, 80],
  [0.95, 95],
  [1, 100],
  [7, 100],
])('%s of a life is alarm %s', (used, alarm) => expect(alarmOf(used)).toBe(alarm));

it('counts life from the beginning to the end, and none for what has no length', () => {
  expect(lifeUsedOf(0, 100, 25)).toBe(0.25);
  expect(lifeUsedOf(50, 100, 0)).toBe(0);
  expect(lifeUsedOf(100, 100, 0)).toBe(1);
});

it('reads every certificate of a text and leaves out what is none', async () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  const pem = await rootPem(now, 100 * HOUR);
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const entries = calendarEntries('Secret a/b', 'ca.crt', `${pem}${broken}${pem}`, now + 96 * HOUR);
  expect(entries).toHaveLength(2);
  expect(entries[0]).toMatchObject({ place: 'Secret a/b', name: 'ca.crt', kind: 'root', alarm: 95 });
  expect(calendarEntries('x', 'y', 'a'.repeat(2 << 20), now)).toEqual([]);
});

it('tells of each level once, and again of a certificate that came in its place', async () => {
  const start = Date.parse('2026-11-21T12:00:00Z');
  let now = start;
  let pem = await rootPem(start, 100 * HOUR);
  const told: string[] = [];
  const alarms = new CertificateAlarms(
    () => calendarEntries('Secret a/b', 'tls.crt', pem, now),
    ({ alarm }) => told.push(`${alarm}`),
  );
  for (const hours of [10, 55, 60, 81, 96, 97, 101]) {
    now = start + hours * HOUR;
    alarms.look();
  }
  expect(told).toEqual(['50', '80', '95', '100']);
  pem = await rootPem(now, 100 * HOUR);
  alarms.look();
  now += 60 * HOUR;
  alarms.look();
  expect(told).toEqual(['50', '80', '95', '100', '50']);
});
