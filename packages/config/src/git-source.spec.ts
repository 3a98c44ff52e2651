import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger, systemClock } from '@xebec/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { createGitSource } from './git-source.ts';

const run = promisify(execFile);

async function openRepository() {
  const repository = await mkdtemp(join(tmpdir(), 'xebec-git-'));
  const git = (...args: string[]) =>
    run('git', ['-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'commit.gpgsign=false', ...args]);
  await git('init', '-q', '-b', 'main');
  await git('commit', '-q', '--allow-empty', '-m', 'start');
  const commit = async () => {
    await git('add', '-A');
    await git('commit', '-q', '--allow-empty', '-m', 'change');
  };
  return { repository, git, commit, remove: () => rm(repository, { recursive: true, force: true }) };
}

function open(repository: string, more: { ref?: string; folder?: string } = {}) {
  return createGitSource({ repository, defaultNamespace: 'default', pollMs: 1_000, clock: systemClock, logger: silentLogger, ...more });
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

describe('Git source', () => {
  describeConfigSource(async () => {
    const { repository, commit, remove } = await openRepository();
    const source = open(repository);
    const put = async (name: string, text: string) => {
      await writeFile(join(repository, `${name}.yaml`), text);
      await commit();
    };
    return {
      source,
      write: (name, host) => put(name, yaml(name, 'hosts', host)),
      remove: async (name) => {
        await rm(join(repository, `${name}.yaml`));
        await commit();
      },
      writeWrong: (name) => put(name, yaml(name, 'hots', 'x')),
      close: async () => {
        await source.close();
        await remove();
      },
    };
  });

  it('makes each commit one change, and does not look at what is not committed', async () => {
    const { repository, commit, remove } = await openRepository();
    onTestFinished(remove);
    await mkdir(join(repository, 'mesh/deep'), { recursive: true });
    for (const name of ['a', 'b', 'deep/c'])
      await writeFile(join(repository, `mesh/${name}.yaml`), yaml(name.replace('deep/', ''), 'hosts', 'one'));
    await writeFile(join(repository, 'outside.yaml'), yaml('outside', 'hosts', 'x'));
    await commit();
    const source = open(repository, { ref: 'main', folder: 'mesh' });
    onTestFinished(() => source.close());
    await source.start();
    expect(source.list().map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c']);
    const heard: string[][] = [];
    source.subscribe((changes) => heard.push(changes.map(({ type, key }) => `${type} ${key.split('/').at(-1)}`)));
    await writeFile(join(repository, 'mesh/a.yaml'), yaml('a', 'hosts', 'two'));
    await writeFile(join(repository, 'mesh/d.yaml'), yaml('d', 'hosts', 'two'));
    await rm(join(repository, 'mesh/b.yaml'));
    await source.refresh();
    expect(heard).toEqual([]);
    await commit();
    await until(() => heard.length > 0, 'the commit');
    expect(heard).toEqual([['delete b', 'upsert a', 'upsert d']]);
    expect(source.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(source.list()[0]?.source?.file).toBe(join(repository, 'mesh/a.yaml'));
  });

  it('follows a branch of a bare repository, also back to an older commit', async () => {
    const { repository, git, commit, remove } = await openRepository();
    onTestFinished(remove);
    await writeFile(join(repository, 'a.yaml'), yaml('a', 'hosts', 'one'));
    await commit();
    const bare = await mkdtemp(join(tmpdir(), 'xebec-bare-'));
    onTestFinished(() => rm(bare, { recursive: true, force: true }));
    await git('clone', '-q', '--bare', repository, bare);
    await git('remote', 'add', 'bare', bare);
    const source = open(bare, { ref: 'main' });
    onTestFinished(() => source.close());
    await source.start();
    await writeFile(join(repository, 'a.yaml'), yaml('a', 'hosts', 'two'));
    await commit();
    await git('push', '-q', 'bare', 'main');
    await until(() => JSON.stringify(source.list()).includes('two'), 'what was pushed');
    await git('push', '-q', '-f', 'bare', 'main~1:main');
    await until(() => JSON.stringify(source.list()).includes('one'), 'the older commit');
  });

  it('says what is wrong with a ref, keeps what it has, and comes back', async () => {
    const { repository, git, commit, remove } = await openRepository();
    onTestFinished(remove);
    const source = open(repository, { ref: 'release' });
    onTestFinished(() => source.close());
    await source.start();
    expect(source.synced).toBe(false);
    expect(source.problems()).toMatchObject([{ message: expect.stringMatching(/rev-parse .*failed|names no commit/) }]);
    await writeFile(join(repository, 'a.yaml'), yaml('a', 'hosts', 'one'));
    await commit();
    await git('branch', 'release');
    await until(() => source.synced, 'the branch');
    expect(source.list()).toHaveLength(1);
    await git('branch', '-D', 'release');
    await until(() => source.problems().length > 0, 'the problem');
    expect(source.list()).toHaveLength(1);
  });

  it('takes a ref for a name, never for an option', async () => {
    const { repository, remove } = await openRepository();
    onTestFinished(remove);
    const source = open(repository, { ref: '--help' });
    onTestFinished(() => source.close());
    await source.start();
    expect(source.synced).toBe(false);
    expect(source.problems()).toHaveLength(1);
  });
});
