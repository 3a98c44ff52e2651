import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { type CodeGuard, withoutGuards } from './guards.ts';
import { type MessageAttack, messageAttacks } from './message-attacks.ts';
import { type NaiveUpstream, startNaiveUpstream } from './naive-upstream.ts';
import { exchange, statusOf } from './raw-connection.ts';
import { type ManagerSettings, relayConfig } from './relay-config.ts';

const HARMLESS = Buffer.from('GET /harmless HTTP/1.1\r\nHost: victim.example\r\nConnection: close\r\n\r\n');

let directory: string;
let upstream: NaiveUpstream;

/** A proxy in front of the naive upstream, with a listener for each set of settings. */
interface Relay {
  attack(attack: MessageAttack, settings: ManagerSettings): Promise<{ readonly upstream: string; readonly status: number }>;
  stop(): Promise<unknown>;
}

async function startRelay(name: string, settings: readonly ManagerSettings[], start: (file: string) => RunningProcess): Promise<Relay> {
  const ports = new Map<string, number>();
  for (const each of [{}, ...settings]) if (!ports.has(JSON.stringify(each))) ports.set(JSON.stringify(each), await freePort());
  const listeners = new Map([...ports].map(([key, port]) => [port, JSON.parse(key) as ManagerSettings]));
  const file = join(directory, `${name}.json`);
  writeFileSync(file, relayConfig(listeners, upstream.port));
  const running = start(file);
  const send = async (port: number, bytes: Buffer) => {
    upstream.take();
    const answer = await exchange(port, bytes);
    return { upstream: upstream.take(), status: statusOf(answer) };
  };
  for (const port of ports.values())
    await eventually(`${name} to relay`, async () => {
      if (running.child.exitCode !== null) throw new Error(running.output());
      return (await send(port, HARMLESS)).upstream.includes('/harmless') || undefined;
    }).catch((cause) => {
      throw new Error(running.output(), { cause });
    });
  return {
    attack: async ({ bytes }, chosen) => await send(ports.get(JSON.stringify(chosen)) ?? 0, bytes),
    stop: () => running.stop('SIGKILL'),
  };
}

const ours = (guards: readonly CodeGuard[]) => (file: string) =>
  startDaemon('proxy', ['-c', file, '--concurrency', '1', '-l', 'error'], guards.length === 0 ? {} : withoutGuards(guards));
const stock = (file: string) =>
  startProcess(requiredPeer('ENVOY'), ['-c', file, '--use-dynamic-base-id', '-l', 'critical', '--concurrency', '1']);

const guarded = (attack: MessageAttack) => attack.settings ?? {};
const allSettings = messageAttacks.flatMap((attack) =>
  'settings' in attack.without ? [guarded(attack), attack.without.settings] : [guarded(attack)],
);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-attacks-'));
  upstream = await startNaiveUpstream();
});
afterAll(() => {
  upstream?.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('with its guards, our proxy', () => {
  let relay: Relay;
  beforeAll(async () => {
    relay = await startRelay('guarded', allSettings, ours([]));
  });
  afterAll(async () => await relay?.stop());
  it.each(messageAttacks.map((attack) => [attack.name, attack] as const))('refuses: %s', async (_name, attack) => {
    const { upstream: seen } = await relay.attack(attack, guarded(attack));
    expect(attack.succeeded(seen), seen).toBe(false);
  });
  const configured = messageAttacks.flatMap((attack) =>
    'settings' in attack.without ? [[attack.name, attack, attack.without.settings] as const] : [],
  );
  it.each(configured)('lets pass where its configuration says so: %s', async (_name, attack, settings) => {
    const { upstream: seen, status } = await relay.attack(attack, settings);
    expect(attack.succeeded(seen), `${status} ${seen}`).toBe(true);
  });
});

describe('stock Envoy with the same configuration', () => {
  let relay: Relay;
  const compared = messageAttacks.filter(({ envoyPasses }) => envoyPasses === undefined);
  beforeAll(async () => {
    relay = await startRelay('stock', compared.map(guarded), stock);
  });
  afterAll(async () => await relay?.stop());
  it.each(compared.map((attack) => [attack.name, attack] as const))('refuses: %s', async (_name, attack) => {
    const { upstream: seen } = await relay.attack(attack, guarded(attack));
    expect(attack.succeeded(seen), seen).toBe(false);
  });
});

/** Attacks by the guard that keeps them out, so that one process without it meets all of them. */
const byGuard = Map.groupBy(
  messageAttacks.flatMap((attack) =>
    'code' in attack.without && attack.without.code.length > 0 ? [{ attack, code: attack.without.code }] : [],
  ),
  ({ code }) => JSON.stringify(code),
);

describe.each([...byGuard.values()].map((group, index) => [group[0]?.code[0]?.find ?? '', index, group] as const))(
  'without: %s',
  (_find, index, group) => {
    let relay: Relay;
    beforeAll(async () => {
      relay = await startRelay(
        `without-${index}`,
        group.map(({ attack }) => guarded(attack)),
        ours(group[0]?.code ?? []),
      );
    });
    afterAll(async () => await relay?.stop());
    it.each(group.map(({ attack }) => [attack.name, attack] as const))('passes: %s', async (_name, attack) => {
      const { upstream: seen, status } = await relay.attack(attack, guarded(attack));
      expect(attack.succeeded(seen), `${status} ${seen}`).toBe(true);
    });
  },
);
