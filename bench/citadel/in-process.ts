/**
 * `node in-process.ts SECONDS`: issues certificates one after the other and prints `{"perSecond","cpuUs"}` as a line of JSON. What is
 * timed is what the service does between a decoded request and its encoded answer: text in, key proven, text out.
 */
import { randomBytes } from 'node:crypto';
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
console.log(JSON.stringify({ perSecond: (count * 1000) / (performance.now() - start), cpuUs: (user + system) / count }));
