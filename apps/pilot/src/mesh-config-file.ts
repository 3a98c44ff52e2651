import { readFile } from 'node:fs/promises';
import { type ConfigProblem, problemText } from '@xebec/config';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import type { MeshConfig } from '@xebec/schemas';
import { decodeMesh, withEnvironment } from './mesh-config.ts';

/** How often the file is looked at. A ConfigMap's mount changes by links, which tell watchers of files nothing. */
const EVERY_MS = 2_000;

/** The file of `--mesh-config`: read when pilot starts, and again when its text is another. */
export class MeshConfigFile {
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #text = '';
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(file: string, env: NodeJS.ProcessEnv, clock: Clock, logger: Logger) {
    this.#file = file;
    this.#env = env;
    this.#clock = clock;
    this.#logger = logger;
  }
  /** What the file says now; every violation is one line. */
  async read(): Promise<MeshConfig> {
    this.#text = await this.#readText();
    const decoded = this.#decode(this.#text);
    if (!('mesh' in decoded)) throw new XebecError('E_MESH_CONFIG', `--mesh-config ${decoded.problems.map(problemText).join('; ')}`);
    return decoded.mesh;
  }
  /** Tells of each other text that is right; of a wrong one there is a line in the log, and the last good one stays in force. */
  watch(onChange: (mesh: MeshConfig) => void): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.setTimeout(() => void this.#look(onChange).finally(() => this.watch(onChange)), EVERY_MS);
  }
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #look(onChange: (mesh: MeshConfig) => void): Promise<void> {
    try {
      const text = await this.#readText();
      if (text === this.#text || this.#closed) return;
      this.#text = text;
      const decoded = this.#decode(text);
      if ('mesh' in decoded) return onChange(decoded.mesh);
      for (const problem of decoded.problems) this.#logger.error({}, `--mesh-config ${problemText(problem)}; the last good one stays`);
    } catch (error) {
      this.#logger.warn({}, `${errorText(error)}; the last good one stays`);
    }
  }
  async #readText(): Promise<string> {
    try {
      return await readFile(this.#file, 'utf8');
    } catch (error) {
      throw new XebecError('E_MESH_CONFIG', `--mesh-config ${this.#file} cannot be read: ${errorText(error)}`, { cause: error });
    }
  }
  #decode(text: string): { readonly mesh: MeshConfig } | { readonly problems: readonly ConfigProblem[] } {
    const decoded = decodeMesh(text, { origin: this.#file });
    return decoded.ok ? { mesh: withEnvironment(decoded.value, this.#env) } : { problems: decoded.error };
  }
}
