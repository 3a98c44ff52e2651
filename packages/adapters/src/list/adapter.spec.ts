import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Logger, silentLogger } from '@xebec/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { list } from './adapter.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server whose answer tests change. */
async function serve() {
  const state = { status: 200, body: 'a\nb\n', asked: 0 };
  const server = createServer((_request, response) => {
    state.asked++;
    response.writeHead(state.status).end(state.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { state, url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/list?token=secret` };
}

function setup(params: object) {
  const logged: string[] = [];
  const note = (_fields: unknown, message?: string) => void logged.push(message ?? '');
  const logger: Logger = { ...silentLogger, warn: note, info: note };
  const { clock, environment } = testEnvironment({ logger });
  const handler = configured(list, params, environment);
  cleanups.push(() => handler.close());
  const ask = async (value: string, template = 'listentry') => {
    const field = { type: 'STRING', value } as const;
    const fields = template === 'apikey' ? { apiKey: field } : { value: field };
    return await handler.check?.({ name: 'i.istio-system', template, fields });
  };
  const code = async (value: string) => (await ask(value))?.code;
  return { clock, logged, handler, ask, code };
}

const violations = (params: object) => list.check(params).map(({ path, message }) => `${path.replace('spec.params.', '')}: ${message}`);

it('says of a misspelt field and of a value that is none what is right', () => {
  expect(violations({ blacklst: true, entry_type: 'IP_ADRESSES' })).toEqual([
    'entryType: "IP_ADRESSES" is not one of "STRINGS", "CASE_INSENSITIVE_STRINGS", "IP_ADDRESSES", "REGEX", 0, 1, 2, 3; did you mean "IP_ADDRESSES"?',
    'blacklst: unknown field "blacklst"; did you mean "blacklist"?',
  ]);
});

describe('a list at a URL', () => {
  it('is read before the first answer, beside the overrides, which come first', async () => {
    const { url } = await serve();
    const { code } = setup({ providerUrl: url, overrides: ['c'] });
    expect([await code('a'), await code('c'), await code('d')]).toEqual([0, 0, 7]);
  });
  it('is read again, and what is on it then counts', async () => {
    const { url, state } = await serve();
    const { code, clock } = setup({ providerUrl: url, refreshInterval: '10s', blacklist: true });
    expect(await code('a')).toBe(7);
    state.body = 'x';
    clock.advance(10_000);
    await vi.waitFor(async () => expect([await code('a'), await code('x')]).toEqual([0, 7]));
  });
  it('stays for its ttl while the provider is away, which is logged once, and so is its return', async () => {
    const { url, state } = await serve();
    const { code, clock, ask, logged } = setup({ provider_url: url, refresh_interval: '10s', ttl: '25s' });
    expect(await code('a')).toBe(0);
    state.status = 503;
    for (let i = 0; i < 2; i++) {
      const before = state.asked;
      clock.advance(10_000);
      await vi.waitFor(() => expect([state.asked, clock.pending]).toEqual([before + 1, 2]));
    }
    expect(await code('a')).toBe(0);
    clock.advance(5_000);
    await expect(ask('a')).rejects.toThrow('there is no list: it answered 503');
    state.status = 200;
    clock.advance(5_000);
    await vi.waitFor(async () => expect(await code('a')).toBe(0));
    expect(logged).toEqual([
      'cannot read the list: it answered 503; the last one stays for its ttl',
      'the list is dropped: it could not be read again for its ttl',
      'the list can be read again',
    ]);
  });
  it('stays when the next one has an entry that is none', async () => {
    const { url, state } = await serve();
    state.body = '10.0.0.0/8';
    const { code, clock, logged } = setup({ providerUrl: url, refreshInterval: '10s', entryType: 'IP_ADDRESSES' });
    expect(await code('10.1.1.1')).toBe(0);
    state.body = '10.0.0.0/8\nnonsense';
    clock.advance(10_000);
    await vi.waitFor(() => expect(logged[0]).toContain('line 2: "nonsense" is not an IP address'));
    expect(await code('10.1.1.1')).toBe(0);
  });
  it.each(['whitelist:\n- 10.0.0.0/8 # ours\n- "::1"\n', 'whitelist: [10.0.0.0/8, "::1"]'])('may be YAML: %j', async (body) => {
    const { url, state } = await serve();
    state.body = body;
    const { code } = setup({ providerUrl: url, entryType: 'IP_ADDRESSES' });
    expect([await code('10.1.1.1'), await code('::1'), await code('11.1.1.1')]).toEqual([0, 0, 7]);
  });
  it('may be no longer than its bound', async () => {
    const { url, state } = await serve();
    state.body = 'x'.repeat(17 * 1024 * 1024);
    await expect(setup({ providerUrl: url }).ask('a')).rejects.toThrow('it is longer than 16777216 bytes');
  });
  it('may be a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'list-'));
    cleanups.push(() => rm(directory, { recursive: true }));
    await writeFile(join(directory, 'list'), 'a\r\n\r\n^b+$\r\n');
    const { code } = setup({ providerUrl: pathToFileURL(join(directory, 'list')).href, entryType: 'REGEX' });
    expect([await code('bbb'), await code('c')]).toEqual([0, 7]);
  });
  it('leaves nothing running when it is closed', async () => {
    const { url } = await serve();
    const { code, handler, clock } = setup({ providerUrl: url });
    await code('a');
    await handler.close();
    expect(clock.pending).toBe(0);
  });
});

it('takes api keys', async () => {
  const { ask } = setup({ overrides: ['k'] });
  expect((await ask('k', 'apikey'))?.code).toBe(0);
  expect((await ask('x', 'apikey'))?.message).toBe('x is not whitelisted');
});
it('holds no empty text', async () => {
  expect((await setup({ overrides: [''] }).ask(''))?.code).toBe(7);
  expect((await setup({ overrides: [''], entryType: 'CASE_INSENSITIVE_STRINGS' }).ask(''))?.code).toBe(7);
});
it('has the validity of release 1.4, or what is said', async () => {
  expect(await setup({ overrides: ['a'] }).ask('a')).toMatchObject({ validDurationMs: 300_000, validUseCount: 10_000 });
  const { ask } = setup({ overrides: ['a'], cachingInterval: '1s', cachingUseCount: 3 });
  expect(await ask('b')).toMatchObject({ validDurationMs: 1000, validUseCount: 3 });
});
it('names what is wrong', () => {
  expect(violations({ providerUrl: 'list', refreshInterval: '5ms', ttl: '1ms', cachingUseCount: -1 })).toEqual([
    'providerUrl: is no URL: write http://host/path, https://host/path or file:///path',
    'refreshInterval: must be at least 1s, it is 5ms',
    'ttl: must be at least refreshInterval: 1ms is shorter than 5ms',
    'cachingUseCount: -1 is below 0',
  ]);
  expect(violations({ providerUrl: 'ftp://x/y' })[0]).toContain('cannot be read by ftp');
  expect(violations({ providerUrl: 'file://host/x' })[0]).toContain('names no file of this machine');
  expect(violations({ entryType: 'REGEX', overrides: ['a', '('] })).toEqual(['overrides[1]: "(" is not a regular expression (RE2)']);
});
