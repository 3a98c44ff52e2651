import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';

const run = promisify(execFile);

export const VS = 'istio/networking/v1alpha3/virtualservices';
export const DR = 'istio/networking/v1alpha3/destinationrules';

/** A machine at work on other things starts a process slowly. */
export const START_DEADLINE_MS = 90_000;

export interface RunningGalley {
  readonly mcpPort: number;
  readonly process: RunningProcess;
  /** A debug page, decoded. */
  page(name: string): Promise<unknown>;
  stop(): Promise<void>;
}

export async function startGalley(args: readonly string[], mcpPort?: number): Promise<RunningGalley> {
  const [port, http] = [mcpPort ?? (await freePort()), await freePort()];
  const process = startDaemon('galley', ['--mcp-addr', `127.0.0.1:${port}`, '--http-addr', `127.0.0.1:${http}`, ...args]);
  const listens = async () => (await fetch(`http://127.0.0.1:${http}/debug/sourcez`)).ok || undefined;
  await eventually('galley', listens, START_DEADLINE_MS).catch((cause: unknown) => {
    throw new Error(`galley does not start; it printed:\n${process.output()}`, { cause });
  });
  return {
    mcpPort: port,
    process,
    page: async (name) => (await fetch(`http://127.0.0.1:${http}/debug/${name}`)).json(),
    stop: async () => void (await process.stop()),
  };
}

/** A folder for one test, with what is written into it. */
export async function openFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'xebec-distribution-'));
  return {
    folder,
    write: async (name: string, text: string) => {
      await mkdir(join(folder, name, '..'), { recursive: true });
      await writeFile(join(folder, name), text);
    },
    remove: (name: string) => rm(join(folder, name)),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

export function rule(name: string, host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${name}
  namespace: shop
spec:
  hosts:
  - ${host}
  http:
  - route:
    - destination:
        host: ${host}
`;
}

export function subsets(name: string, host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: ${name}
  namespace: shop
spec:
  host: ${host}
`;
}

export async function git(repository: string, ...args: readonly string[]): Promise<void> {
  await run('git', ['-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'commit.gpgsign=false', ...args]);
}

/** A root, and certificates by it with a SPIFFE ID each, in files. */
export async function certificates(folder: string, ids: Readonly<Record<string, string>>): Promise<void> {
  const openssl = (...args: readonly string[]) => run('openssl', [...args], { cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const usage = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  await openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/O=root', ...usage);
  for (const [name, id] of Object.entries(ids)) {
    await openssl('req', '-new', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/');
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth,clientAuth',
      `subjectAltName=critical,URI:${id},DNS:galley`,
    ];
    await writeFile(join(folder, `${name}.ext`), extensions.join('\n'));
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', `${name}.ext`];
    await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`);
  }
}
