import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { type ApiServer, createApiServer } from '../kubernetes-platform/api-server.ts';
import { eventually } from '../src/daemon-process.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOUND = 79;
const UNREADABLE = 65;
const messages = z.array(
  z.looseObject({
    code: z.string(),
    level: z.string(),
    origin: z.string(),
    reference: z.string().optional(),
    documentationUrl: z.string(),
  }),
);

const virtualService = (name: string, host: string): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'shop' },
  spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host } }] }] },
});
const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'reviews', namespace: 'shop' },
  spec: { selector: { app: 'reviews' }, ports: [{ name: 'http', port: 9080 }] },
};

const folder = mkdtempSync(join(tmpdir(), 'xebec-analyze-'));
const file = (name: string, ...documents: object[]): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, documents.map((document) => stringify(document)).join('---\n'));
  return path;
};

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function xebec(args: readonly string[], input = ''): Outcome {
  const { status, stderr, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'apps/cli/bin/xebec.ts'), ...args], {
    encoding: 'utf8',
    input,
    timeout: 50_000,
  });
  return { code: status, stdout, stderr };
}
const offline = (...args: string[]): Outcome => xebec(['analyze', '--use-kube=false', ...args]);
const codesOf = ({ stdout }: Outcome): string[] => messages.parse(JSON.parse(stdout)).map(({ code }) => code);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('analyze of a live mesh', () => {
  let server: ApiServer;
  const live = (...args: string[]): Outcome => xebec(['analyze', '--kubeconfig', server.kubeconfig, ...args]);

  beforeAll(async () => {
    server = createApiServer();
    await server.start();
    await server.kubectl('apply', '--server-side', '-f', join(ROOT, 'deploy/crds'));
    const namespace = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'istio-injection': 'enabled' } },
    });
    await server.apply([namespace('shop'), namespace('other'), SERVICE]);
    await eventually('the kinds', () =>
      server.apply([virtualService('good', 'reviews'), virtualService('bad', 'reviewsx')]).then(
        () => true,
        () => undefined,
      ),
    );
  }, 120_000);
  afterAll(() => server.close());

  it('finds what is wrong in all namespaces, with istioctl’s fields, and ends with 79', () => {
    const outcome = live('-A', '-o', 'json');
    expect(outcome.code).toBe(FOUND);
    expect(messages.parse(JSON.parse(outcome.stdout))).toContainEqual(
      expect.objectContaining({ code: 'IST0101', level: 'Error', origin: 'VirtualService shop/bad' }),
    );
  });
  it('looks at one namespace alone', () => {
    expect(live('-n', 'other')).toMatchObject({ code: 0, stdout: '' });
    expect(live('-n', 'shop').stdout).toContain('Error [IST0101] (VirtualService shop/bad)');
  });
  it('puts a file over what is there, before it is applied', () => {
    const outcome = live('-n', 'shop', '-o', 'json', file('mended.yaml', virtualService('bad', 'reviews')));
    expect(codesOf(outcome)).not.toContain('IST0101');
    const worse = live('-n', 'shop', file('worse.yaml', virtualService('good', 'nowhere')));
    expect(worse.stdout).toMatch(/IST0101.*VirtualService shop\/good .*worse\.yaml:/);
  });
});

describe('analyze of files', () => {
  const bad = file('deep/folder/bad.yaml', SERVICE, virtualService('bad', 'reviewsx'));

  it('reads folders with all below them', () => {
    expect(codesOf(offline('-o', 'json', join(folder, 'deep')))).toContain('IST0101');
    expect(offline('-R', join(folder, 'deep'))).toMatchObject({ code: FOUND });
  });
  it('reads standard input', () => {
    const { code, stdout } = xebec(['analyze', '--use-kube=false', '-'], stringify(virtualService('bad', 'nowhere')));
    expect({ code, found: stdout.includes('[IST0101]') }).toEqual({ code: FOUND, found: true });
  });
  it.each([
    { args: ['--failure-threshold', 'Error'], code: FOUND },
    { args: ['--suppress', 'IST0101=VirtualService shop/bad'], code: 0 },
    { args: ['-S', 'IST0101=VirtualService shop/*'], code: 0 },
    { args: ['-S', 'IST0101=VirtualService other/*'], code: FOUND },
    { args: ['--analyzer', 'service.PortNameAnalyzer'], code: 0 },
  ])('ends with $code by $args', ({ args, code }) => expect(offline(...args, bad).code).toBe(code));
  it('shows from a level on, and fails by another', () => {
    const warned = file('warned.yaml', {
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'a', namespace: 'shop' },
      spec: { host: 'x.example', trafficPolicy: { outlierDetection: { consecutiveErrors: 3 } } },
    });
    expect(offline(warned)).toMatchObject({ code: 0, stdout: expect.stringContaining('Warning [IST0133]') });
    expect(offline('--output-threshold', 'Error', warned)).toMatchObject({ code: 0, stdout: '' });
    expect(offline('--failure-threshold', 'Warning', warned).code).toBe(FOUND);
  });
  it('writes YAML and SARIF', () => {
    expect(messages.parse(parse(offline('-o', 'yaml', bad).stdout)).map(({ code }) => code)).toContain('IST0101');
    expect(JSON.parse(offline('-o', 'sarif', bad).stdout)).toMatchObject({
      version: '2.1.0',
      runs: [
        { tool: { driver: { name: 'xebec analyze' } }, results: expect.arrayContaining([expect.objectContaining({ ruleId: 'IST0101' })]) },
      ],
    });
  });
  it('judges by the mesh config that it is given', () => {
    const policy = file('policy.yaml', {
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: { name: 'a', namespace: 'shop' },
      spec: { accessLogging: [{ disabled: false }] },
    });
    const mesh = file('mesh.yaml', { defaultProviders: { accessLogging: ['envoy'] } });
    expect(codesOf(offline('-o', 'json', policy))).toContain('IST0157');
    expect(codesOf(offline('-o', 'json', '--meshConfigFile', mesh, policy))).not.toContain('IST0157');
  });
  it('ends with 65 where a document cannot be read, unless that is ignored', () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'apiVersion: v1\nkind: [\n');
    expect(offline(broken)).toMatchObject({ code: UNREADABLE, stderr: expect.stringContaining('broken.yaml:') });
    expect(offline('--ignore-unknown', broken).code).toBe(0);
  });
  it('refuses flags that it does not know in one line', () => {
    expect(offline('-o', 'xml', bad)).toMatchObject({
      stdout: '',
      stderr: 'Error: -o xml is not an output format; use one of log, json, yaml, sarif\n',
    });
  });
});
