import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { errorText, XebecError } from '@xebec/core';

/** A file of a commit. */
export interface GitFile {
  /** From the top of the tree that was listed, with `/`. */
  readonly path: string;
  /** Of its content. */
  readonly id: string;
  readonly bytes: number;
}

const TIMEOUT_MS = 60_000;
const MAX_LISTING_BYTES = 64 * 1024 * 1024;
const MAX_CONTENT_BYTES = 512 * 1024 * 1024;

/** Reads commits of a repository, a work tree or a bare one, by the `git` program: no shell, nothing of the repository is run. */
export class GitObjects {
  readonly #repository: string;
  readonly #running = new Set<ChildProcess>();

  constructor(repository: string) {
    this.#repository = repository;
  }
  /** The commit a branch, tag or any other revision names now. */
  async commit(revision: string): Promise<string> {
    const text = await this.#git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`]);
    const id = text.trim().split('\n').at(-1) ?? '';
    if (!/^[0-9a-f]{40,64}$/.test(id)) throw new XebecError('E_GIT', `${this.#repository}: "${revision}" names no commit; check ref=`);
    return id;
  }
  /** Where the repository's own files are, for watching. */
  async directory(): Promise<string> {
    return (await this.#git(['rev-parse', '--path-format=absolute', '--git-common-dir'])).trim();
  }
  /** The ordinary files of a commit below `folder` (empty: all); links and submodules are left out. */
  async list(commit: string, folder: string): Promise<readonly GitFile[]> {
    const text = await this.#git(['ls-tree', '-r', '-z', '-l', '--full-tree', folder === '' ? commit : `${commit}:${folder}`]);
    return text.split('\0').flatMap((entry) => {
      const match = /^100[0-7]{3} blob ([0-9a-f]+) +(\d+)\t(.+)$/s.exec(entry);
      return match?.[1] === undefined || match[3] === undefined ? [] : [{ id: match[1], bytes: Number(match[2]), path: match[3] }];
    });
  }
  /** Contents by id. */
  async read(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (ids.length === 0) return new Map();
    const output = await this.#batch(['cat-file', '--batch'], `${ids.join('\n')}\n`);
    const contents = new Map<string, string>();
    for (let at = 0; at < output.length; ) {
      const newline = output.indexOf(0x0a, at);
      const [id = '', type = '', size = ''] = output.subarray(at, newline).toString('latin1').split(' ');
      if (newline === -1 || type !== 'blob') throw new XebecError('E_GIT', `${this.#repository}: object ${id} cannot be read`);
      const end = newline + 1 + Number(size);
      contents.set(id, output.subarray(newline + 1, end).toString('utf8'));
      at = end + 1;
    }
    return contents;
  }
  close(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }

  #git(args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { env: environment(), timeout: TIMEOUT_MS, maxBuffer: MAX_LISTING_BYTES, encoding: 'utf8' } as const;
      const child = execFile('git', ['-C', this.#repository, ...args], options, (error, stdout, stderr) => {
        this.#running.delete(child);
        if (error === null) return resolve(stdout);
        const said = stderr.trim().split('\n')[0] ?? '';
        reject(
          new XebecError('E_GIT', `git ${args[0]} in ${this.#repository} failed: ${said === '' ? errorText(error).split('\n')[0] : said}`),
        );
      });
      this.#running.add(child);
    });
  }
  #batch(args: readonly string[], input: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const child = spawn('git', ['-C', this.#repository, ...args], { env: environment(), stdio: ['pipe', 'pipe', 'ignore'] });
      this.#running.add(child);
      const chunks: Buffer[] = [];
      let size = 0;
      const fail = (reason: string) => {
        child.kill('SIGKILL');
        reject(new XebecError('E_GIT', `git ${args[0]} in ${this.#repository} failed: ${reason}`));
      };
      const timer = setTimeout(() => fail(`no end within ${TIMEOUT_MS} ms`), TIMEOUT_MS);
      child.stdout.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_CONTENT_BYTES) fail(`more than ${MAX_CONTENT_BYTES} bytes`);
      });
      child.on('error', (error) => fail(error.message));
      child.stdin.on('error', () => undefined);
      child.on('close', (code) => {
        clearTimeout(timer);
        this.#running.delete(child);
        if (code === 0) resolve(Buffer.concat(chunks));
        else fail(`exit code ${code}`);
      });
      child.stdin.end(input);
    });
  }
}

/** Nothing is asked, fetched or locked, whatever the repository's own configuration says. */
function environment(): NodeJS.ProcessEnv {
  const { GIT_DIR: _dir, GIT_WORK_TREE: _tree, GIT_INDEX_FILE: _index, ...env } = process.env;
  return { ...env, GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', GIT_NO_LAZY_FETCH: '1', LC_ALL: 'C' };
}
