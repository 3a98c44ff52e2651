import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Pod, startPod, startTrustDomain, type TrustDomainSite } from '../src/trust-domain.ts';
import { askAsWorkload, pythonWithSpiffe } from './python-spiffe.ts';

const run = promisify(execFile);
const DOMAIN = 'mesh.example';
let directory: string;
let python: string;
let site: TrustDomainSite;
let client: Pod;
let server: Pod;

beforeAll(async () => {
  python = await pythonWithSpiffe();
  directory = mkdtempSync(join(tmpdir(), 'xw-'));
  site = await startTrustDomain(DOMAIN, directory);
  [client, server] = await Promise.all([
    startPod({ site, account: 'shop/cart', env: { SECRET_TTL: '6s' } }),
    startPod({ site, account: 'shop/reviews' }),
  ]);
}, 300_000);
afterAll(async () => {
  await client?.stop();
  await server?.stop();
  await site?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const ask = (...command: string[]) => askAsWorkload(python, client.workloadSocket, command);

describe("Python's spiffe", () => {
  it('fetches the SVID and the bundles', async () => {
    expect(await ask('fetch')).toMatchObject({
      id: `spiffe://${DOMAIN}/ns/shop/sa/cart`,
      chain: 1,
      bundles: { [DOMAIN]: 1 },
      context_bundles: [DOMAIN],
      jwt_bundles: { [DOMAIN]: 1 },
    });
  });

  it('fetches a token, and judges it by itself and by the Workload API', async () => {
    const answer = await ask('token', 'db');
    expect(answer).toMatchObject({ id: client.id, audience: ['db'] });
    const token = String(answer['token']);
    expect(await ask('validate', token, 'db')).toEqual({ remote: client.id, local: client.id });
    expect((await ask('validate', token, 'other'))['error']).toMatch(/E_JWT_AUDIENCE|audience/i);
    const [header, , signature] = token.split('.');
    const claims = Buffer.from(JSON.stringify({ sub: `spiffe://${DOMAIN}/admin`, aud: ['db'], exp: 9_999_999_999 })).toString('base64url');
    expect((await ask('validate', `${header}.${claims}.${signature}`, 'db'))['error']).toBeDefined();
  });

  it('sees each rotation on its stream', async () => {
    const answer = await ask('rotations', '3');
    expect(answer['failure']).toEqual([]);
    expect(answer['serials']).toHaveLength(3);
  });

  it('calls a service of the mesh by mutual TLS, which knows it by its certificate and by nothing that it says', async () => {
    const answer = await ask('call', String(server.inboundPort));
    expect(answer).toMatchObject({ status: 200, server: [server.id] });
    const headers = Object(answer['headers']);
    expect(headers['x-forwarded-client-cert']).toContain(`URI=${client.id}`);
    expect(headers['x-forwarded-client-cert']).toContain(`By=${server.id}`);
    expect(headers['x-forwarded-client-cert']).not.toContain('forged');
  });

  it('is refused without a certificate', async () => {
    expect(await ask('call-without', String(server.inboundPort))).toHaveProperty('refused');
  });

  it('gets nothing from another network namespace, whoever it is there', async () => {
    const answer = await askAsWorkload(python, client.workloadSocket, ['fetch'], ['unshare', '--net']);
    expect(`${answer['error']} ${answer['cause']}`).toMatch(/PERMISSION_DENIED|no identity here/);
  });
});

describe('go-spiffe', () => {
  it('fetches SVID and token, and calls a service whose identity it checks', async () => {
    const program = join(directory, 'go-workload');
    await run('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'go-workload') });
    const env = { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${client.workloadSocket}` };
    const call = async (id: string) => JSON.parse((await run(program, [`https://127.0.0.1:${server.inboundPort}/`, id], { env })).stdout);
    const answer = await call(server.id);
    expect(answer).toMatchObject({ id: client.id, token: client.id, status: 200 });
    expect(answer.body).toContain(`URI=${client.id}`);
    expect((await call(client.id)).error).toContain('unexpected ID');
  }, 240_000);
});
