import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@xebec/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { createDirectorySource } from './directory.ts';
import { problemText } from './source.ts';

async function openDirectory() {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-config-'));
  const source = createDirectorySource({ directory, defaultNamespace: 'default', clock: systemClock, logger: silentLogger });
  const close = async () => {
    await source.close();
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, source, close };
}

function yaml(name: string, field: string, host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${name}
spec:
  ${field}: [${host}]
  http:
  - route:
    - destination: {host: ${host}}
`;
}

describe('directory source', () => {
  describeConfigSource(async () => {
    const { directory, source, close } = await openDirectory();
    const file = (name: string) => join(directory, `${name}.yaml`);
    return {
      source,
      write: (name, host) => writeFile(file(name), yaml(name, 'hosts', host)),
      remove: (name) => rm(file(name)),
      writeWrong: (name) => writeFile(file(name), yaml(name, 'hots', 'x')),
      close,
    };
  });

  it('reads many documents and Lists of a file, takes platform kinds, and passes over kinds of others', async () => {
    const { directory, source, close } = await openDirectory();
    onTestFinished(close);
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } };
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service] });
    await writeFile(
      join(directory, 'all.yaml'),
      `${yaml('a', 'hosts', 'a')}---\n# nothing\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n${list}\n`,
    );
    await source.start();
    expect(source.list().map(({ kind, metadata, source: at }) => `${kind} ${metadata.namespace}/${metadata.name}:${at?.line}`)).toEqual([
      'VirtualService default/a:1',
      'Service default/s:17',
    ]);
    expect(source.list()[0]?.source?.fieldLines?.['spec.http[0].route[0].destination']).toBe(9);
    expect(source.problems()).toEqual([]);
  });

  it('names file and line of every mistake and spoils nothing else', async () => {
    const { directory, source, close } = await openDirectory();
    onTestFinished(close);
    const file = join(directory, 'bad.yaml');
    await writeFile(
      file,
      `${yaml('a', 'hosts', 'a')}---\nkind: [unclosed\n---\n${yaml('b', 'hots', 'b')}---\napiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: c}\n---\n${yaml('a', 'hosts', 'twice')}`,
    );
    await source.start();
    expect(source.list().map(({ metadata }) => metadata.name)).toEqual(['a']);
    const texts = source.problems().map(problemText);
    expect(texts).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/bad\.yaml:1[123]: malformed YAML: /),
        expect.stringContaining('bad.yaml:18: spec.hots: unknown field "hots"; did you mean "hosts"?'),
        expect.stringMatching(/bad\.yaml:\d+: kind: unknown kind "VirtualServise".*did you mean "VirtualService"/),
        expect.stringMatching(/bad\.yaml:\d+: VirtualService default\/a is already defined at .*bad\.yaml:1; the first one counts/),
      ]),
    );
  });

  it('follows a file that is replaced by a rename', async () => {
    const { directory, source, close } = await openDirectory();
    onTestFinished(close);
    const file = join(directory, 'a.yaml');
    await writeFile(file, yaml('a', 'hosts', 'one'));
    await source.start();
    await writeFile(join(directory, '.a.tmp'), yaml('a', 'hosts', 'two'));
    await rename(join(directory, '.a.tmp'), file);
    await until(() => JSON.stringify(source.list()).includes('two'), 'the new content');
    expect(source.list()).toHaveLength(1);
  });

  it('fails to start with a line that names the directory', async () => {
    const source = createDirectorySource({
      directory: '/nonexistent/dir',
      defaultNamespace: 'default',
      clock: systemClock,
      logger: silentLogger,
    });
    await expect(source.start()).rejects.toThrow('cannot read the configuration directory "/nonexistent/dir"');
    await source.close();
  });
});
