import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { type Agent, certificateClient, startAgent } from '@xebec/agent';
import { silentLogger } from '@xebec/core';
import { createCsr, generateKeys } from '@xebec/identity';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';

const CLI = join(import.meta.dirname, '../../apps/cli/bin/xebec.ts');

/** As much of `xebec ca status -o json` as the suite reads. */
export interface Status {
  readonly phase: string;
  readonly paused: boolean;
  readonly bundleVersion: number;
  readonly signer: { readonly root: string; readonly kind: string };
  readonly other?: { readonly root: string };
  readonly bundle: readonly { readonly fingerprint: string }[];
  readonly instances: { readonly connected: number };
  readonly waitingFor: readonly { readonly id: string; readonly reason: string }[];
  readonly problem?: string;
}

export interface Output {
  readonly code: number;
  readonly text: string;
}

export function run(command: string, args: readonly string[]): Promise<Output> {
  return new Promise((resolve) => {
    execFile(command, [...args], { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), text: `${stdout}${error === null ? '' : stderr}` }),
    );
  });
}

/** A Citadel that runs without an API server, and the agents of workloads which call each other all the time. */
export class Mesh {
  readonly directory = mkdtempSync(join(tmpdir(), 'xebec-roots-'));
  readonly caDirectory = join(this.directory, 'ca');
  readonly agents = new Map<string, Agent>();
  readonly #servers = new Map<string, { readonly server: TlsServer; readonly port: number }>();
  readonly failures: string[] = [];
  calls = 0;
  port = 0;
  /** Of every Citadel that is started from now on. */
  environment: NodeJS.ProcessEnv = {};
  #citadel: RunningProcess | undefined;
  #signer: CryptoKey | undefined;
  #calling: Promise<void> | undefined;
  #closed = false;

  async start(): Promise<void> {
    const keys = await generateKeyPair('ES256', { extractable: true });
    this.#signer = keys.privateKey;
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256' };
    writeFileSync(join(this.directory, 'jwks.json'), JSON.stringify({ keys: [jwk] }));
    this.port = await freePort();
    await this.startCitadel();
  }
  /** Where the roots are, and who may say who he is. */
  protected flags(): readonly string[] {
    return ['--ca-dir', this.caDirectory, '--jwt-jwks', join(this.directory, 'jwks.json')];
  }
  async startCitadel(...more: readonly string[]): Promise<void> {
    this.#citadel = await this.startReplica(this.port, ...more);
  }
  /** One more Citadel of the same roots. */
  async startReplica(port: number, ...more: readonly string[]): Promise<RunningProcess> {
    const own = ['--root-key-type', 'ecdsa-p256', '--grpc-addr', `127.0.0.1:${port}`, '--http-addr', '127.0.0.1:0'];
    const citadel = startDaemon('citadel', [...this.flags(), ...own, ...more], this.environment);
    await eventually('citadel to sign', () => {
      if (citadel.child.exitCode !== null) throw new Error(`citadel ended: ${citadel.output()}`);
      return citadel.output().includes('"grpcPort"') ? true : undefined;
    });
    return citadel;
  }
  log(): string {
    return this.#citadel?.output() ?? '';
  }
  async kill(): Promise<void> {
    await this.#citadel?.stop('SIGKILL');
  }
  rootFile(): string {
    return join(this.caDirectory, 'bundle.pem');
  }
  async token(account: string): Promise<string> {
    if (this.#signer === undefined) throw new Error('start() comes first');
    return new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setSubject(`system:serviceaccount:default:${account}`)
      .setAudience('istio-ca')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(this.#signer);
  }
  /** Key and chain as whoever has the account's token gets them, without an agent. */
  async identity(account: string, ttlSeconds = 3_600): Promise<{ readonly key: string; readonly cert: string }> {
    const tokenFile = join(this.directory, `${account}.token`);
    writeFileSync(tokenFile, await this.token(account));
    const sign = certificateClient({
      caAddress: `127.0.0.1:${this.port}`,
      tokenFile,
      rootFile: this.rootFile(),
      serverName: 'istio-citadel.istio-system.svc',
    });
    const keys = await generateKeys('ecdsa-p256');
    const chain = await sign(createCsr(keys), ttlSeconds);
    return { key: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), cert: chain.slice(0, -1).join('') };
  }
  async addAgent(name: string, more: NodeJS.ProcessEnv = {}): Promise<Agent> {
    const cwd = join(this.directory, name);
    mkdirSync(join(cwd, 'var/run/secrets/tokens'), { recursive: true });
    writeFileSync(join(cwd, 'var/run/secrets/tokens/istio-token'), await this.token(name));
    const firstRoot = join(cwd, 'first-root.pem');
    writeFileSync(firstRoot, readFileSync(this.rootFile()));
    const env = {
      CA_ADDR: `127.0.0.1:${this.port}`,
      CA_ROOT_CA: firstRoot,
      XEBEC_STATUS_PORT: '0',
      XEBEC_PILOT_ADDR: '127.0.0.1:1',
      POD_NAME: name,
      POD_NAMESPACE: 'default',
      INSTANCE_IP: '10.0.0.1',
      ...more,
    };
    const agent = await startAgent({ env, cwd, role: 'sidecar', version: '1.32.0', logger: silentLogger });
    this.agents.set(name, agent);
    await agent.certificates.ready();
    return agent;
  }
  async removeAgent(name: string): Promise<void> {
    const agent = this.agents.get(name);
    this.agents.delete(name);
    this.#servers.get(name)?.server.close();
    this.#servers.delete(name);
    await agent?.close();
  }
  /** Every workload calls every other over mutual TLS, round and round; what fails is written down. */
  startCalls(): void {
    const loop = async () => {
      while (!this.#closed) {
        for (const from of [...this.agents.keys()]) {
          for (const to of [...this.agents.keys()]) await this.#call(from, to);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    this.#calling = loop();
  }
  async #call(from: string, to: string): Promise<void> {
    const client = this.agents.get(from);
    const server = await this.#serverOf(to);
    const certificate = client?.certificates.current();
    if (client === undefined || certificate === undefined || server === undefined) return;
    const roots = rootsOf(client);
    const answer = await new Promise<string>((resolve) => {
      const socket = connect({
        port: server,
        host: '127.0.0.1',
        key: certificate.privateKeyPem,
        cert: certificate.certificateChainPem,
        ca: roots,
        checkServerIdentity: () => undefined,
      });
      let text = '';
      socket.setTimeout(5000, () => socket.destroy(new Error('no answer in 5 s')));
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('end', () => resolve(text));
      socket.on('error', (error) => resolve(error.message));
    });
    this.calls++;
    if (answer !== 'hello' && this.agents.has(from) && this.agents.has(to)) this.failures.push(`${from} → ${to}: ${answer}`);
  }
  async #serverOf(name: string): Promise<number | undefined> {
    const known = this.#servers.get(name);
    if (known !== undefined) return known.port;
    const agent = this.agents.get(name);
    const certificate = agent?.certificates.current();
    if (agent === undefined || certificate === undefined) return undefined;
    const context = () => {
      const current = agent.certificates.current() ?? certificate;
      return { key: current.privateKeyPem, cert: current.certificateChainPem, ca: rootsOf(agent) };
    };
    const server = createTlsServer({ ...context(), requestCert: true, rejectUnauthorized: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.end('hello');
    });
    for (const subscribe of [agent.certificates.subscribe, agent.certificates.trust.subscribe])
      subscribe(() => server.setSecureContext({ ...context() }));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#servers.set(name, { server, port });
    return port;
  }
  /** `xebec ca …` */
  ca(...args: readonly string[]): Promise<Output> {
    return run(process.execPath, [CLI, 'ca', ...args, '--ca-dir', this.caDirectory]);
  }
  status(): Status {
    // Citadel writes it by rename, so it is always whole.
    return JSON.parse(readFileSync(join(this.caDirectory, 'control/status.json'), 'utf8')) as Status;
  }
  /** The same, however it is to be had. */
  protected async newStatus(): Promise<Status> {
    return this.status();
  }
  async until(what: string, wanted: (status: Status) => boolean, deadlineMs = 20_000): Promise<Status> {
    return eventually(
      what,
      async () => {
        const status = await this.newStatus();
        if (wanted(status)) return status;
        throw new Error(JSON.stringify(status));
      },
      deadlineMs,
    );
  }
  /** What `openssl verify` says of each agent's certificate against each agent's roots; empty when all is well. */
  async verifyAll(): Promise<string[]> {
    const bad: string[] = [];
    for (const [holder, { certificates }] of this.agents) {
      for (const [judge, agent] of this.agents) {
        const [leaf, roots] = [join(this.directory, 'leaf.pem'), join(this.directory, 'roots.pem')];
        writeFileSync(leaf, certificates.current()?.certificateChainPem ?? '');
        writeFileSync(roots, rootsOf(agent).join(''));
        const { code, text } = await run('openssl', ['verify', '-x509_strict', '-CAfile', roots, '-untrusted', leaf, leaf]);
        if (code !== 0) bad.push(`${judge} judges ${holder}: ${text}`);
      }
    }
    return bad;
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#calling;
    for (const { server } of this.#servers.values()) server.close();
    for (const agent of this.agents.values()) await agent.close();
    await this.#citadel?.stop('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function rootsOf(agent: Agent): string[] {
  return [...(agent.certificates.trust.current()?.domains[0]?.roots ?? [])];
}
