import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What an operator may ask for. */
export const CA_VERBS = ['rotate', 'pause', 'resume', 'step', 'rollback', 'skip', 'revoke'] as const;
export type CaVerb = (typeof CA_VERBS)[number];

export interface CaRequest {
  /** Chosen by who asks; the answer carries it. */
  readonly id: string;
  readonly verb: CaVerb;
  /** Whom to skip, what to revoke. */
  readonly argument: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface CaAnswer {
  readonly id: string;
  readonly ok: boolean;
  readonly message: string;
}

/**
 * Where operators leave requests and read how it stands: who may write there is decided by the API server (RBAC on one ConfigMap) or by
 * the file system (a directory that its owner alone may enter). There is no port that anybody could reach.
 */
export interface ControlDesk {
  /** The request that lies there, answered or not; undefined for none or one that makes no sense. */
  request(): Promise<CaRequest | undefined>;
  /** Takes a request for this replica; false when another one has it. */
  claim(request: CaRequest): Promise<boolean>;
  show(status: string): Promise<void>;
  /** What was shown last, by whichever replica. */
  shown(): Promise<string | undefined>;
}

const MAX_REQUEST_BYTES = 4096;

/** Reads what somebody wrote; undefined where it is no request. */
export function parseRequest(text: string | undefined): CaRequest | undefined {
  if (text === undefined || text.length > MAX_REQUEST_BYTES) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const id = 'id' in value ? value.id : undefined;
  const verb = 'verb' in value ? CA_VERBS.find((known) => known === value.verb) : undefined;
  const argument = 'argument' in value ? value.argument : '';
  const at = 'at' in value ? value.at : 0;
  if (typeof id !== 'string' || !/^[A-Za-z0-9-]{1,64}$/.test(id) || verb === undefined) return undefined;
  if (typeof argument !== 'string' || argument.length > 2500 || typeof at !== 'number') return undefined;
  return { id, verb, argument, at };
}

/** `control/request.json` and `control/status.json` in the CA's directory. */
export function createDirectoryDesk(caDirectory: string): ControlDesk {
  const directory = join(caDirectory, 'control');
  return {
    request: async () => parseRequest(await readFile(join(directory, 'request.json'), 'utf8').catch(() => undefined)),
    // By a file that one process alone can make; it outlives a restart, so that nothing is done twice.
    claim: async ({ id }) => {
      const mark = join(directory, `.claimed-${createHash('sha256').update(id).digest('hex').slice(0, 32)}`);
      return await writeFile(mark, '', { flag: 'wx', mode: 0o600 }).then(
        () => true,
        () => false,
      );
    },
    shown: async () => await readFile(join(directory, 'status.json'), 'utf8').catch(() => undefined),
    async show(status) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await chmod(directory, 0o700);
      const staging = join(directory, '.status.new');
      await writeFile(staging, status, { mode: 0o600 });
      await rename(staging, join(directory, 'status.json'));
    },
  };
}
