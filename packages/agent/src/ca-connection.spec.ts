import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type CaConnection, caConnection } from './ca-connection.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function newConnection(): CaConnection {
  const folder = mkdtempSync(join(tmpdir(), 'xebec-ca-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'token');
  const connection = caConnection({ caAddress: '127.0.0.1:1', tokenFile, rootFile: join(folder, 'none'), moreRoots: () => [''] });
  closers.push(() => connection.close());
  return connection;
}

it('shares a connection between calls, also with one that comes soon after', async () => {
  const connection = newConnection();
  const first = await connection.open('token');
  const second = await connection.open('token');
  expect(second.client).toBe(first.client);
  first.release();
  second.release();
  const third = await connection.open('token');
  expect(third.client).toBe(first.client);
  third.release();
});

it('gives another connection after one over which nothing came; who still uses the old one may', async () => {
  const connection = newConnection();
  const first = await connection.open('token');
  const second = await connection.open('token');
  first.release(true);
  const third = await connection.open('token');
  expect(third.client).not.toBe(first.client);
  second.release(true);
  const fourth = await connection.open('token');
  expect(fourth.client).toBe(third.client);
  third.release();
  fourth.release();
});
