/**
 * `node in-process.ts SECONDS`: issues certificates one after the other and prints `{"perSecond","cpuUs","rawUs"}` as a line of JSON. What is
 * timed is what the service does between a decoded request and its encoded answer: text in, key proven, text out.
 */
import { createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import {
  certificateChain,
  certificatePem,
  createCsr,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  unwrap,
} from '@xebec/identity';

const DIFFERENT_KEYS = 256;
const WARM_UP = 3_000;
const BATCH = 500;
const RAW_ROUNDS = 3_000;
const DAY_MS = 86_400_000;

const rootKeys = await generateKeys('ecdsa-p256');
const root = createSelfSignedRoot(rootKeys, {
  organization: 'cluster.local',
  ttlMs: 3650 * DAY_MS,
  now: Date.now(),
  serial: randomBytes(16),
});
const privateKey = rootKeys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const authority = unwrap(loadAuthority({ certificate: certificatePem(unwrap(root)), privateKey }));
const requests = await Promise.all(
  Array.from({ length: DIFFERENT_KEYS }, async (_, i) => ({
    csr: createCsr(await generateKeys('ecdsa-p256')),
    uri: `spiffe://cluster.local/ns/default/sa/workload-${i}`,
  })),
);

let made = 0;
function issueOne(): void {
  const { csr, uri } = requests[made++ % DIFFERENT_KEYS] ?? { csr: '', uri: '' };
  const template = { uri, ttlMs: DAY_MS, now: Date.now(), serial: randomBytes(16) };
  const chain = certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(csr)), template)));
  if (chain.length !== 2) throw new Error('a chain has leaf and root');
}

for (let i = 0; i < WARM_UP; i++) issueOne();
const cpu = process.cpuUsage();
const start = performance.now();
const end = start + Number(process.argv[2] ?? '3') * 1000;
const before = made;
while (performance.now() < end) for (let i = 0; i < BATCH; i++) issueOne();
const { user, system } = process.cpuUsage(cpu);
const count = made - before;

/** What no CA can do without: a key read, its signature verified, one made. Tells how disturbed the machine is. */
const data = randomBytes(400);
const spki = rootKeys.publicKey.export({ format: 'der', type: 'spki' });
const rawStart = process.cpuUsage();
for (let i = 0; i < RAW_ROUNDS; i++)
  verify('sha256', data, createPublicKey({ key: spki, format: 'der', type: 'spki' }), sign('sha256', data, rootKeys.privateKey));
const raw = process.cpuUsage(rawStart);
const rawUs = (raw.user + raw.system) / RAW_ROUNDS;
console.log(JSON.stringify({ rawUs, perSecond: (count * 1000) / (performance.now() - start), cpuUs: (user + system) / count }));
