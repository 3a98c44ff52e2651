import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

const ARTIFACT = 'io.zipkin:zipkin-server:3.5.1:jar:exec';

export interface Zipkin {
  readonly port: number;
  stop(): Promise<void>;
}

/** The executable jar from Maven Central, kept in the user's cache. Fails where Java or Maven is missing. */
function zipkinJar(): string {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'xebec-ci/zipkin');
  const find = () => (existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith('.jar')) : undefined);
  if (find() === undefined) {
    mkdirSync(folder, { recursive: true });
    execFileSync('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${folder}`], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }
  const name = find();
  if (name === undefined) throw new Error(`mvn copied no jar for ${ARTIFACT}`);
  return join(folder, name);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A real Zipkin with in-memory storage, at this address: pods reach one that listens at 0.0.0.0. */
export async function startZipkin(host: string, wanted?: number, timeoutMs = 90_000): Promise<Zipkin> {
  const port = wanted ?? (await freePort());
  const child = spawn('java', ['-Xmx256m', '-jar', zipkinJar()], {
    env: { ...process.env, QUERY_PORT: String(port), SERVER_ADDRESS: host, STORAGE_TYPE: 'mem' },
    stdio: 'ignore',
  });
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`zipkin ended with code ${child.exitCode}`);
    const up = await fetch(`http://127.0.0.1:${port}/health`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) break;
    if (performance.now() > deadline) throw new Error(`zipkin is not up after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    port,
    async stop() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
