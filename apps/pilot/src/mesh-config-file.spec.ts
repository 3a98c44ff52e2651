import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@xebec/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MeshConfigFile } from './mesh-config-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-mesh-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(text: string, env: NodeJS.ProcessEnv = {}) {
  const path = join(directory, 'mesh.yaml');
  writeFileSync(path, text);
  return {
    path,
    file: new MeshConfigFile(path, env, { ...systemClock, setTimeout: (run) => systemClock.setTimeout(run, 5) }, silentLogger),
  };
}

describe('MeshConfigFile', () => {
  it('tells of what becomes another, and of nothing wrong', async () => {
    const { path, file } = open('trustDomain: a.example');
    expect((await file.read()).trustDomain).toBe('a.example');
    const seen: (string | undefined)[] = [];
    file.watch((mesh) => seen.push(mesh.trustDomain));
    writeFileSync(path, 'trustDomian: wrong');
    writeFileSync(path, 'trustDomain: b.example');
    await vi.waitFor(() => expect(seen.at(-1)).toBe('b.example'), { timeout: 5_000 });
    file.close();
    expect(seen).not.toContain('wrong');
  });
  it('names file, line and field of what is wrong at the start', async () => {
    const { path, file } = open('rootNamespace: mesh\nproxyListenPort: many');
    await expect(file.read()).rejects.toThrow(`--mesh-config ${path}:2: proxyListenPort`);
  });
  it('takes values of headers from the environment', async () => {
    const text = `extensionProviders:
- {name: otel, opentelemetry: {service: otel.default.svc.cluster.local, port: 4318, http: {path: /v1, headers: [{name: token, envName: OTEL_TOKEN}]}}}`;
    const { file } = open(text, { OTEL_TOKEN: 'abc' });
    expect((await file.read()).extensionProviders?.[0]?.opentelemetry?.http?.headers).toEqual([{ name: 'token', value: 'abc' }]);
  });
});
