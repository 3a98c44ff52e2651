import { connect } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../src/daemon-process.ts';
import { type Load, startLoad } from './load.ts';
import { cluster, type Site, secretOf, startSite, type UpstreamName, upstreamNames } from './site.ts';

/** How long each disturbance lasts. XEBEC_CHAOS_SECONDS makes it longer. */
const phaseMs = Number(process.env['XEBEC_CHAOS_SECONDS'] ?? '2') * 1000;
const clients = 6;

let site: Site;
let retried: Load;
let once: Load;
let fresh: Load;
let swaps = 0;
let stopSwapping: () => void;

const lasts = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));
const loads = (): Load[] => [retried, once, fresh];
/** Failures since the test began, equal ones as one line. */
function failuresOf(load: Load): string[] {
  const counts = new Map<string, number>();
  for (const { what } of load.failures) counts.set(what, (counts.get(what) ?? 0) + 1);
  return [...counts].map(([what, count]) => `${count} times ${what}`);
}

async function expectTraffic(load: Load): Promise<void> {
  const { ok } = load.counts;
  await eventually(
    `${load.name} to go on`,
    () => {
      if (site.proxy.child.exitCode !== null) throw new Error(`the proxy is gone: ${site.proxy.output()}`);
      return load.counts.ok > ok + clients ? true : undefined;
    },
    5000,
  );
}

function kill(name: UpstreamName): void {
  site.upstream(name).child.kill('SIGKILL');
}

async function servedCertificate(): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: site.ports.https, rejectUnauthorized: false }, () => {
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      resolve(String(subject.CN));
    });
    socket.once('error', reject);
  });
}

beforeAll(async () => {
  site = await startSite();
  retried = startLoad({ name: 'retried', port: site.ports.http, path: '/retried', clients, pauseMs: 5 });
  once = startLoad({ name: 'once', port: site.ports.http, path: '/once', clients, pauseMs: 5 });
  fresh = startLoad({
    name: 'fresh',
    port: site.ports.https,
    path: '/retried',
    clients: 3,
    pauseMs: 20,
    tls: true,
    freshConnections: true,
  });
  // Certificates change each second, whatever else happens.
  const timer = setInterval(() => {
    swaps++;
    const next = site.certificates[swaps % site.certificates.length];
    if (next !== undefined) site.ads.set('secret', [secretOf(next)]);
  }, 1000);
  stopSwapping = () => clearInterval(timer);
});

afterAll(async () => {
  stopSwapping?.();
  await Promise.all([retried, once, fresh].map((load) => load?.stop()));
  await site?.close();
});

beforeEach(() => {
  for (const load of loads()) load.failures.length = 0;
});

describe('under load', () => {
  it('calm: nothing fails', async () => {
    await lasts(phaseMs / 2);
    for (const load of loads()) {
      expect(failuresOf(load)).toEqual([]);
      await expectTraffic(load);
    }
  });

  it('an upstream killed: only what was in flight on it fails, and retries hide even that', async () => {
    for (const name of upstreamNames) {
      const before = once.failures.length;
      kill(name);
      await lasts(phaseMs / 2);
      // At most every client had one request on the killed host, and sent it one more before the proxy heard of its end.
      expect(once.failures.length - before).toBeLessThanOrEqual(2 * clients);
      await site.startUpstream(name);
      await lasts(100);
    }
    expect(failuresOf(retried)).toEqual([]);
    expect(failuresOf(fresh)).toEqual([]);
    for (const what of failuresOf(once)) expect(what).toMatch(/ times status 503/);
    await expectTraffic(once);
  });

  it('an upstream that resets: requests on it alone fail, and retries hide them', async () => {
    await site.tell('b', 'reset');
    await lasts(phaseMs);
    await site.tell('b', 'well');
    const resets = await site.resets('b');
    expect(failuresOf(retried)).toEqual([]);
    expect(failuresOf(fresh)).toEqual([]);
    for (const what of failuresOf(once)) expect(what).toMatch(/ times status 503.*reset reason: connection termination/);
    expect(once.failures.length).toBeGreaterThan(0);
    expect(once.failures.length).toBeLessThanOrEqual(resets);
    for (const load of loads()) await expectTraffic(load);
  });

  it('a slow upstream: nothing fails', async () => {
    await site.tell('c', 'slow');
    await lasts(phaseMs);
    await site.tell('c', 'well');
    for (const load of loads()) expect(failuresOf(load)).toEqual([]);
  });

  it('an upstream that hangs with its connections open: nothing fails', async () => {
    const { child } = site.upstream('a');
    child.kill('SIGSTOP');
    await lasts(phaseMs);
    child.kill('SIGCONT');
    for (const load of loads()) {
      await expectTraffic(load);
      expect(failuresOf(load)).toEqual([]);
    }
  });

  it('the control plane gone and back: nothing fails, and changes arrive again', async () => {
    site.ads.stop();
    await lasts(phaseMs);
    for (const load of loads()) {
      await expectTraffic(load);
      expect(failuresOf(load)).toEqual([]);
    }
    await site.restartAds();
    const before = await site.stat('cluster_manager.cds.update_success');
    await eventually('the proxy to come back', async () => {
      site.ads.pushAgain('cluster');
      return (await site.stat('cluster_manager.cds.update_success')) > before ? true : undefined;
    });
    for (const load of loads()) expect(failuresOf(load)).toEqual([]);
  });

  it('garbage and resources that cannot be used: refused, and the last good ones stay', async () => {
    const refused = async (send: () => void): Promise<string> => {
      const before = site.ads.nacks.length;
      send();
      return await eventually('a NACK', () => site.ads.nacks[before]?.detail, 5000);
    };
    const { ads } = site;
    const good = { cluster: site.state.get('cluster') ?? [], listener: site.state.get('listener') ?? [] };
    expect(await refused(() => ads.pushGarbage('cluster', Buffer.from('this is no cluster')))).not.toBe('');
    expect(await refused(() => ads.pushGarbage('listener', Buffer.alloc(1000, 0xff)))).not.toBe('');
    const unknown = { name: 'unknown', '@type': 'type.googleapis.com/envoy.config.core.v3.Node' };
    const { name: _, ...typedConfig } = unknown;
    const broken = {
      name: 'broken',
      address: { socket_address: { address: '127.0.0.1', port_value: 1 } },
      filter_chains: [{ filters: [{ name: 'unknown', typed_config: typedConfig }] }],
    };
    expect(await refused(() => ads.set('listener', [...good.listener, broken]))).toContain('broken');
    ads.set('listener', good.listener);
    const app = cluster([]);
    expect(await refused(() => ads.set('cluster', [...good.cluster, { ...app, name: 'wrong', type: 'EDS' }]))).toContain('wrong');
    ads.set('cluster', good.cluster);
    await lasts(phaseMs / 2);
    for (const load of loads()) {
      await expectTraffic(load);
      expect(failuresOf(load)).toEqual([]);
    }
  });

  it('certificates swapped each second: no handshake fails, and each is served', async () => {
    const seen = new Set<string>();
    await eventually('four certificates', async () => {
      seen.add(await servedCertificate());
      return seen.size === site.certificates.length ? true : undefined;
    });
    expect(swaps).toBeGreaterThan(4);
    expect(failuresOf(fresh)).toEqual([]);
  });

  it('hosts that come and go: nothing fails', async () => {
    const ports = upstreamNames.map((name) => site.upstreamPort(name));
    const end = Date.now() + phaseMs;
    for (let turn = 0; Date.now() < end; turn++) {
      site.ads.set('cluster', [cluster(ports.filter((_, index) => index !== turn % (ports.length + 1)))]);
      await lasts(50);
    }
    site.ads.set('cluster', [cluster(ports)]);
    for (const load of loads()) {
      await expectTraffic(load);
      expect(failuresOf(load)).toEqual([]);
    }
  });
});
