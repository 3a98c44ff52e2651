import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { calendarTable, sorted, span } from './calendar-table.ts';
import { certificatesOfObject, mayHoldCertificates } from './manifest-certificates.ts';
import { run } from './run.ts';

const HOUR = 3_600_000;
const now = Date.now();
let directory: string;
let fresh: string;
let old: string;

async function root(usedHours: number): Promise<string> {
  const keys = await generateKeys('ecdsa-p256');
  const start = now - usedHours * HOUR;
  return certificatePem(
    unwrap(createSelfSignedRoot(keys, { organization: 'shop', ttlMs: 100 * HOUR, now: start, serial: randomBytes(16) })),
  );
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-calendar-'));
  [fresh, old] = await Promise.all([root(1), root(97)]);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const secret = (data: Record<string, string>) => ({ kind: 'Secret', metadata: { namespace: 'shop', name: 'web' }, data });
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('objects', () => {
  it('of a mesh show the certificates under the keys that it reads', () => {
    const entries = certificatesOfObject(secret({ 'tls.crt': base64(fresh), 'ca.crt': base64(old), other: base64(old) }), now);
    expect(entries.map(({ place, name, alarm }) => [place, name, alarm])).toEqual([
      ['Secret shop/web', 'tls.crt', 0],
      ['Secret shop/web', 'ca.crt', 95],
    ]);
    expect(certificatesOfObject({ kind: 'ConfigMap', metadata: { name: 'r' }, data: { 'root-cert.pem': fresh } }, now)).toHaveLength(1);
    const webhook = {
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'w' },
      webhooks: [{ clientConfig: { caBundle: base64(old) } }],
    };
    expect(certificatesOfObject(webhook, now).map(({ place }) => place)).toEqual(['ValidatingWebhookConfiguration w']);
    expect(certificatesOfObject({ kind: 'Service', metadata: { name: 's' } }, now)).toEqual([]);
    expect([mayHoldCertificates(secret({ 'tls.crt': '' })), mayHoldCertificates(secret({ token: '' }))]).toEqual([true, false]);
  });
});

describe('the table', () => {
  it.each([
    [400 * 86_400_000, '1y35d'],
    [27 * HOUR, '1d3h'],
    [90_000, '1m30s'],
    [10, '0s'],
  ])('writes %s ms as %s', (ms, text) => expect(span(ms)).toBe(text));

  it('has the soonest end first and each certificate once', () => {
    const entries = certificatesOfObject(secret({ 'tls.crt': base64(`${fresh}${fresh}`), 'ca.crt': base64(old) }), now);
    const lines = calendarTable(sorted(entries), now).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^PLACE +NAME +KIND +IDENTITY +EXPIRES +IN +LIFE +ALARM$/);
    expect(lines[1]).toMatch(/^Secret shop\/web +ca\.crt +root +O=shop.* 97% +95%$/);
    expect(lines[2]).toMatch(/ 1% +-$/);
  });
});

describe('the command', () => {
  const options = { failureThreshold: '95', output: 'short' };
  let printed: string;
  beforeEach(() => {
    printed = '';
    process.exitCode = undefined;
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    return () => {
      process.exitCode = undefined;
      vi.restoreAllMocks();
    };
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };

  it('ends with 79 where a certificate is past the threshold, and says which', async () => {
    await run({ ...options, file: [file('both.pem', `${fresh}${old}`)] });
    expect(process.exitCode).toBe(79);
    expect(printed.split('\n')[1]).toMatch(/95%$/);
  });
  it('shows only what is asked for', async () => {
    await run({ ...options, file: [file('fresh.pem', fresh)], alarm: '50' });
    expect([printed, process.exitCode]).toEqual(['No certificate is that far.\n', undefined]);
  });
  it('reads manifests and writes JSON', async () => {
    await run({
      ...options,
      output: 'json',
      file: [file('secret.yaml', JSON.stringify({ kind: 'List', items: [secret({ 'tls.crt': base64(fresh) })] }))],
    });
    expect(JSON.parse(printed)).toMatchObject([{ place: 'Secret shop/web', kind: 'root', alarm: 0 }]);
  });
  it.each([
    [{ output: 'xml' }, '-o xml'],
    [{ within: 'soon' }, '--within soon'],
    [{ failureThreshold: 'half' }, '--failure-threshold half'],
    [{ file: ['/nonexistent'] }, '/nonexistent'],
  ])('refuses %j in one line', async (more, word) => {
    await expect(run({ ...options, file: [file('x.pem', fresh)], ...more })).rejects.toThrow(word);
  });
});
