import { seededRandom } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { AggregateHosts, type AggregateMember } from './aggregate-hosts.ts';
import { Host, type HostConfig, plainCheck } from './host.ts';
import type { HostRequest } from './host-selection.ts';

const config: HostConfig = {
  address: { kind: 'tcp', address: '10.0.0.1', port: 80 },
  hostname: '',
  weight: 1,
  priority: 0,
  locality: undefined,
  localityWeight: 0,
  eds: 'healthy',
  check: plainCheck,
  metadata: {},
};
const request: HostRequest = { hash: undefined, avoid: undefined, destination: undefined, header: undefined };

class Member implements AggregateMember {
  readonly usesHash = false;
  readonly host = new Host(config, 0);
  readonly asked: (number | undefined)[] = [];
  readonly levels: AggregateMember['levels'];

  constructor(...healthyOfTwo: number[]) {
    this.levels = healthyOfTwo.map((healthy) => ({ total: 2, healthy, degraded: 0 }));
  }
  choose({ onlyPriority }: HostRequest): Host {
    this.asked.push(onlyPriority);
    return this.host;
  }
  ownerOf(): this {
    return this;
  }
}

function choose(members: Readonly<Record<string, Member>>, names = Object.keys(members)) {
  const hosts = new AggregateHosts({ names, find: (name) => members[name], panicPercent: 0, random: seededRandom(1) });
  const host = hosts.choose(request);
  return { host, owner: host === undefined ? undefined : hosts.ownerOf(host) };
}

describe('AggregateHosts', () => {
  it('goes to the first member while it is healthy', () => {
    const [first, second] = [new Member(2), new Member(2)];
    expect(choose({ first, second }).owner).toBe(first);
    expect(second.asked).toEqual([]);
  });
  it('goes on to later priorities and members, and tells the member which of its priorities', () => {
    const [first, second] = [new Member(0, 0), new Member(0, 2)];
    expect(choose({ first, second }).owner).toBe(second);
    expect(second.asked).toEqual([1]);
  });
  it('passes over members that do not exist or have no hosts', () => {
    const [empty, second] = [new Member(), new Member(2)];
    expect(choose({ empty, second }, ['missing', 'empty', 'second']).owner).toBe(second);
    expect(choose({}, ['missing']).host).toBeUndefined();
  });
});
