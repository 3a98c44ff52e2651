import { pathToFileURL } from 'node:url';
import type { Failure } from '../protocol.ts';

/** What went wrong in a user's file, and where. Type stripping keeps lines and columns, so the stack's are the file's own. */
export function userFailure(thrown: unknown, path: string): Failure {
  const error = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  for (const form of [pathToFileURL(path).href, path]) {
    const at = stack.indexOf(`${form}:`);
    if (at === -1) continue;
    const position = /^:(\d+)(?::(\d+))?/.exec(stack.slice(at + form.length));
    if (position !== null) return { error, at: `${path}:${position[1]}${position[2] === undefined ? '' : `:${position[2]}`}` };
  }
  return { error, at: path };
}
