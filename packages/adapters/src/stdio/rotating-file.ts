import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '@xebec/core';

export interface Rotation {
  /** A file that would grow beyond this is set aside. */
  readonly maxBytes: number;
  /** Files set aside that are older are removed; 0: none. */
  readonly maxAgeMs: number;
  /** So many are kept; 0: all. */
  readonly maxFiles: number;
}

const DAY_MS = 86_400_000;
export const dayMs = (days: number): number => days * DAY_MS;

/** Appends to a file that is opened when first written to. With a rotation, `access.log` is set aside as `access-<time>.log`. */
export class RotatingFile {
  readonly #path: string;
  readonly #rotation: Rotation | undefined;
  readonly #clock: Clock;
  #handle: FileHandle | undefined;
  #bytes = 0;

  constructor(path: string, rotation: Rotation | undefined, clock: Clock) {
    this.#path = path;
    this.#rotation = rotation;
    this.#clock = clock;
  }
  /** Appends whole lines; rejects as the file system does, and the next call opens the file anew. */
  async append(lines: readonly string[]): Promise<void> {
    try {
      let chunk = '';
      let bytes = 0;
      await this.#open();
      for (const line of lines) {
        const size = Buffer.byteLength(line) + 1;
        if (this.#rotation !== undefined && this.#bytes + bytes > 0 && this.#bytes + bytes + size > this.#rotation.maxBytes) {
          await this.#write(chunk, bytes);
          chunk = '';
          bytes = 0;
          await this.#rotate(this.#rotation);
        }
        chunk += `${line}\n`;
        bytes += size;
      }
      await this.#write(chunk, bytes);
    } catch (error) {
      await this.close();
      throw error;
    }
  }
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #open(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle;
    this.#handle = await open(this.#path, 'a', 0o600);
    this.#bytes = (await this.#handle.stat()).size;
    return this.#handle;
  }
  async #write(chunk: string, bytes: number): Promise<void> {
    if (chunk === '') return;
    await (await this.#open()).appendFile(chunk);
    this.#bytes += bytes;
  }
  async #rotate(rotation: Rotation): Promise<void> {
    await this.close();
    const { directory, prefix, suffix } = this.#backupName();
    const backups = await this.#backups();
    // Names are times in milliseconds: two within one must not have the same, and their order is the order of their names.
    const atMs = Math.max(Math.floor(this.#clock.now()), ...backups.map((backup) => backup.atMs + 1));
    const aside = `${prefix}${new Date(atMs).toISOString().replaceAll(':', '-').slice(0, -1)}${suffix}`;
    await rename(this.#path, join(directory, aside));
    await this.#open();
    const kept = [{ name: aside, atMs }, ...backups].sort((a, b) => b.atMs - a.atMs);
    for (const [i, { name, atMs: asideMs }] of kept.entries()) {
      const tooMany = rotation.maxFiles > 0 && i >= rotation.maxFiles;
      const tooOld = rotation.maxAgeMs > 0 && this.#clock.now() - asideMs > rotation.maxAgeMs;
      if (tooMany || tooOld) await rm(join(directory, name), { force: true });
    }
  }
  #backupName() {
    const suffix = extname(this.#path);
    return { directory: dirname(this.#path), prefix: `${basename(this.#path, suffix)}-`, suffix };
  }
  /** Files set aside, by the time in their names. */
  async #backups(): Promise<{ readonly name: string; readonly atMs: number }[]> {
    const { directory, prefix, suffix } = this.#backupName();
    return (await readdir(directory)).flatMap((name) => {
      if (!name.startsWith(prefix) || !name.endsWith(suffix)) return [];
      const stamp = name.slice(prefix.length, name.length - suffix.length);
      const [, date, hours, minutes, rest] = /^(\d{4}-\d{2}-\d{2}T)(\d{2})-(\d{2})-(\d{2}\.\d{3})$/.exec(stamp) ?? [];
      const atMs = date === undefined ? Number.NaN : Date.parse(`${date}${hours}:${minutes}:${rest}Z`);
      return Number.isNaN(atMs) ? [] : [{ name, atMs }];
    });
  }
}
