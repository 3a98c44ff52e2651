import { describe, expect, it } from 'vitest';
import { iptablesArguments, iptablesOptionsOf } from '../pod/annotation-values.ts';
import { defaultIptablesOptions, parseIptablesArguments } from './options.ts';
import { iptablesPlan } from './plan.ts';

const lines = (text: string) => text.split('\n').filter((line) => line.startsWith('-A'));

describe('iptablesPlan', () => {
  it('has the order of istio-iptables for an ordinary pod', () => {
    expect(lines(iptablesPlan(iptablesOptionsOf(iptablesArguments({}))))).toEqual([
      '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001',
      '-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006',
      '-A PREROUTING -p tcp -j ISTIO_INBOUND',
      '-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN',
      '-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN',
      '-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN',
      '-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN',
      '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT',
      '-A OUTPUT -p tcp -j ISTIO_OUTPUT',
      '-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN',
      '-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT',
      '-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN',
      '-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN',
      '-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT',
      '-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN',
      '-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN',
      '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN',
      '-A ISTIO_OUTPUT -j ISTIO_REDIRECT',
    ]);
  });
  it('is empty without interception', () => expect(iptablesPlan({ ...defaultIptablesOptions, mode: 'NONE' })).toBe(''));
  it('captures only what is included', () => {
    const plan = lines(
      iptablesPlan(parseIptablesArguments(['-i', '10.0.0.0/8', '-x', '10.1.0.0/16', '-q', '443', '-b', '80,81', '-o', '22'])),
    );
    expect(plan).toContain('-A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_IN_REDIRECT');
    expect(plan).not.toContain('-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT');
    expect(plan.slice(-4)).toEqual([
      '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN',
      '-A ISTIO_OUTPUT -d 10.1.0.0/16 -j RETURN',
      '-A ISTIO_OUTPUT -p tcp --dport 443 -j ISTIO_REDIRECT',
      '-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT',
    ]);
    expect(plan).toContain('-A ISTIO_OUTPUT -p tcp --dport 22 -j RETURN');
  });
  it('refuses values that would break out of their rule', () => {
    expect(() => parseIptablesArguments(['-x', '10.0.0.0/8 -j ACCEPT'])).toThrow('-x wants a comma-separated list');
    expect(() => parseIptablesArguments(['-p', '0'])).toThrow('-p wants a port');
    expect(() => parseIptablesArguments(['-m', 'MAGIC'])).toThrow('-m wants REDIRECT, TPROXY or NONE, but got "MAGIC"');
  });
});
