import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger, systemClock } from '@xebec/core';
import { TypeScriptPerRouteSchema, TypeScriptSchema } from '@xebec/protos/xebec/filters/http/typescript/v1/typescript';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FilterContext, HttpFilterFactory } from '../../http-filter.ts';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { typeScriptDefinition } from './config.ts';

let directory: string;
let file: string;
let logged: { fields: Record<string, unknown>; message: string }[];
let factories: HttpFilterFactory[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-typescript-'));
  file = join(directory, 'filter.ts');
  logged = [];
  factories = [];
});
afterEach(() => {
  for (const factory of factories) factory.close?.();
  rmSync(directory, { recursive: true, force: true });
});

const source = (body: string): string =>
  `import { defineFilter } from '@xebec/filter';\nexport default defineFilter<any>({\n${body}\n});\n`;

function compile(body: string, more: object = {}, changes: Partial<FilterContext> = {}) {
  writeFileSync(file, source(body));
  const remember = (fields: object, message = '') => logged.push({ fields: { ...fields }, message });
  const logger: Logger = { ...silentLogger, error: remember, info: remember };
  const { context, statsText } = testContext({ clock: systemClock, logger, ...changes });
  const factory = compileTest(typeScriptDefinition, TypeScriptSchema, { path: file, failureMode: 'CLOSED', ...more }, context);
  factories.push(factory);
  const { clock } = testContext();
  const open = (options: ConstructorParameters<typeof TestStream>[2] = {}) => new TestStream(factory, clock, options);
  return { open, statsText };
}
const settled = (stream: TestStream) => expect.poll(() => stream.continuedRequest + stream.replies.length, { timeout: 5000 }).toBe(1);

describe('xebec.filters.http.typescript', () => {
  it('changes a request, reads its configuration and leaves metadata and counters', async () => {
    const { open, statsText } = compile(
      `config: (raw: any): { name: string } => ({ name: raw.name }),
       onRequest(stream, config) {
         stream.request.headers.set('X-Hello', config.name);
         stream.request.path += '?from=' + stream.connection.remoteAddress;
         stream.setMetadata('mine', { seen: true });
         stream.count('hellos', 2);
       },`,
      { config: { name: 'world' } },
    );
    const stream = open({ request: { path: '/p', headers: ['accept', '*/*'] } });
    expect(stream.head()).toBe('stop');
    await settled(stream);
    expect(stream.request.headers).toEqual(['accept', '*/*', 'x-hello', 'world']);
    expect(stream.request.path).toBe('/p?from=10.0.0.1');
    expect(stream.info.dynamicMetadata.get('mine')).toEqual({ seen: true });
    expect(statsText()).toContain('http.test.typescript.filter.custom.hellos: 2');
    stream.complete();
  });
  it('awaits a call to a cluster, and answers', async () => {
    const { open, statsText } = compile(
      `async onRequest(stream) {
         const answer = await stream.fetch('users', { path: '/who', headers: { 'x-a': 'b' } });
         stream.reply({ status: 403, body: 'no, ' + answer.json().name, headers: { 'x-why': String(answer.status) }, details: 'not you' });
       },`,
      {},
      {
        upstream: {
          grpcUnary: () => Promise.reject(new Error('unused')),
          http: (cluster, head) =>
            Promise.resolve({ head: { status: 200, headers: [] }, body: Buffer.from(JSON.stringify({ name: cluster + head.path })) }),
        },
      },
    );
    const stream = open();
    stream.head();
    await settled(stream);
    expect(stream.replies).toEqual([{ status: 403, body: 'no, users/who', headers: ['x-why', '200'], details: 'not_you' }]);
    expect(statsText()).toContain('replies: 1');
    stream.complete();
  });
  it('replaces bodies and mends their length', async () => {
    const { open } = compile(`onRequestBody: (_stream, body) => Buffer.from(body).toString().toUpperCase(),`);
    const early = open({ request: { method: 'POST', headers: [] } });
    expect(early.head(false)).toBe('stop');
    // The file is not loaded yet: what comes meanwhile is kept.
    expect(early.filter.onRequestData?.(Buffer.from('first '), false)).toBe('taken');
    expect(early.filter.onRequestData?.(Buffer.from('last'), true)).toBe('taken');
    await settled(early);
    expect(early.passedRequest.map(({ data, end }) => [data.toString(), end])).toEqual([['FIRST LAST', true]]);
    early.complete();
    const second = open({ request: { method: 'POST', headers: ['content-length', '5'] } });
    expect(open().head(true)).toBe('continue');
    expect(second.head(false)).toBe('stop');
    expect(second.filter.onRequestData?.(Buffer.from('he'), false)).toBe('taken');
    expect(second.filter.onRequestData?.(Buffer.from('yß'), true)).toBe('taken');
    await settled(second);
    expect(second.passedRequest.map(({ data, end }) => [data.toString(), end])).toEqual([['HEYSS', true]]);
    expect(second.request.headers).toEqual(['content-length', '5']);
    second.complete();
  });
  it('changes a response with what the request left', async () => {
    const { open } = compile(
      `onRequest(stream) { stream.state.set('at', stream.request.path); },
       onResponse(stream) { stream.response!.status = 418; stream.response!.headers.append('x-at', String(stream.state.get('at'))); },`,
    );
    const stream = open({ request: { path: '/here' } });
    stream.head();
    await settled(stream);
    const head = stream.response(200, ['a', 'b']);
    await expect.poll(() => stream.continuedResponse).toBe(1);
    expect(head).toEqual({ status: 418, headers: ['a', 'b', 'x-at', '/here'] });
    stream.complete();
  });
  it.each([
    ['throws', 'onRequest() {\n  throw new TypeError("bad luck");\n},', 'TypeError: bad luck', 4],
    ['rejects', 'async onRequest() {\n  await null;\n  throw new Error("later");\n},', 'Error: later', 5],
  ])('a filter that %s answers 500 and names the line', async (_name, body, error, line) => {
    const { open, statsText } = compile(body);
    const stream = open();
    stream.head();
    await settled(stream);
    expect(stream.replies[0]).toMatchObject({ status: 500, details: 'typescript_filter_error' });
    expect(logged.find(({ message }) => message === 'a filter file failed')?.fields).toMatchObject({
      error,
      at: expect.stringContaining(`${file}:${line}:`),
    });
    expect(statsText()).toContain('errors: 1');
    stream.complete();
  });
  it('lets streams pass where failures are open', async () => {
    const { open, statsText } = compile('onRequest() { throw new Error("x"); },', { failureMode: 'OPEN' });
    const stream = open();
    stream.head();
    await settled(stream);
    expect(stream.continuedRequest).toBe(1);
    expect(stream.response(200).status).toBe(200);
    expect(statsText()).toContain('failed_open: 1');
    stream.complete();
  });
  it('ends a thread that loops for ever, and starts it again', async () => {
    const { open, statsText } = compile('onRequest(stream) { if (stream.request.path === "/loop") for (;;); },', { timeout: '0.1s' });
    const stuck = open({ request: { path: '/loop' } });
    stuck.head();
    await settled(stuck);
    expect(stuck.replies[0]?.status).toBe(500);
    await expect.poll(() => statsText(), { timeout: 5000 }).toContain('watchdog_ended: 1');
    await expect
      .poll(
        async () => {
          const next = open();
          next.head();
          await expect.poll(() => next.continuedRequest + next.replies.length).toBe(1);
          next.complete();
          return next.continuedRequest;
        },
        { timeout: 10_000 },
      )
      .toBe(1);
    stuck.complete();
  });
  it('survives a filter that ends its process, and errors in timers', async () => {
    const { open, statsText } = compile(
      'onRequest(stream) { if (stream.request.path === "/exit") process.exit(3); setTimeout(() => { throw new Error("late"); }, 1); },',
    );
    const exit = open({ request: { path: '/exit' } });
    exit.head();
    await settled(exit);
    expect(exit.replies[0]?.status).toBe(500);
    await expect.poll(() => statsText(), { timeout: 5000 }).toContain('restarts: 1');
    exit.complete();
    const stray = open();
    stray.head();
    await settled(stray);
    stray.complete();
    await expect.poll(() => statsText(), { timeout: 5000 }).toMatch(/stray_errors: 1|failed_closed: 2/);
  });
  it('follows changes of the file; streams end on the version they began with, and a bad version changes nothing', async () => {
    const version = (n: number) =>
      `onRequest(s) { s.request.headers.set('v', '${n}'); }, onResponse(s) { s.response!.headers.set('v', '${n}'); },`;
    const { open, statsText } = compile(version(1));
    const value = async (): Promise<string | undefined> => {
      const stream = open();
      stream.head();
      await settled(stream);
      stream.complete();
      return stream.request.headers[1];
    };
    expect(await value()).toBe('1');
    const old = open();
    old.head();
    await settled(old);
    writeFileSync(file, source(version(2)));
    await expect.poll(value, { timeout: 10_000 }).toBe('2');
    const head = old.response(200);
    await expect.poll(() => old.continuedResponse).toBe(1);
    expect(head.headers).toEqual(['v', '1']);
    old.complete();
    writeFileSync(file, `${source(version(3))}\nconst broken = ;`);
    await expect.poll(() => statsText(), { timeout: 10_000 }).toContain('reload_failures: 1');
    expect(logged.at(-1)).toMatchObject({ message: 'a filter file does not load: its last good version stays' });
    expect(await value()).toBe('2');
  });
  it('takes the configuration of a route, or is switched off by it', async () => {
    const { open } = compile(`onRequest: (stream, config) => stream.request.headers.set('c', config.c),`, { config: { c: 'own' } });
    const perRoute = (json: object) =>
      typeScriptDefinition.compilePerRoute?.(configBytes(TypeScriptPerRouteSchema, JSON.parse(JSON.stringify(json))), '');
    const stream = open({ perRoute: perRoute({ config: { c: 'route' } }) });
    stream.head();
    await settled(stream);
    expect(stream.request.headers).toEqual(['c', 'route']);
    expect(open({ perRoute: perRoute({ disabled: true }) }).head()).toBe('continue');
    stream.complete();
  });
  it.each([
    ['is not there', undefined, 'cannot be read'],
    ['is not TypeScript', 'export default defineFilter({', 'is not TypeScript'],
    ['needs more than taking types off', 'enum A { B }', 'is not TypeScript'],
  ])('refuses a configuration whose file %s', (_name, text, error) => {
    if (text !== undefined) writeFileSync(file, text);
    const { context } = testContext({ clock: systemClock });
    expect(() => compileTest(typeScriptDefinition, TypeScriptSchema, { path: file }, context)).toThrow(error);
  });
  it.each([
    ['has no default export', 'export const x = 1;', 'default export'],
    ['misspells a function', source('onRequests() {},'), 'defineFilter knows no "onRequests"'],
    ['throws when it is loaded', 'throw new Error("at load");', 'at load'],
    ['refuses its configuration', source('config() { throw new Error("needs a name"); },'), 'config: Error: needs a name'],
  ])('says when a file %s', async (_name, text, error) => {
    writeFileSync(file, text);
    const remember = (fields: object, message = '') => logged.push({ fields: { ...fields }, message });
    const { context, clock } = testContext({ clock: systemClock, logger: { ...silentLogger, error: remember } });
    const factory = compileTest(typeScriptDefinition, TypeScriptSchema, { path: file, failureMode: 'CLOSED' }, context);
    factories.push(factory);
    const stream = new TestStream(factory, clock);
    stream.head();
    await settled(stream);
    expect(stream.replies[0]?.status).toBe(500);
    expect(String(logged[0]?.fields['error'])).toContain(error);
    stream.complete();
  });
});
