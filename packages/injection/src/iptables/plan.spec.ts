import { describe, expect, it } from 'vitest';
import { iptablesArguments, iptablesOptionsOf } from '../pod/annotation-values.ts';
import { cleanupPlan } from './cleanup.ts';
import { defaultIptablesOptions, parseIptablesArguments } from './options.ts';
import { capturePlan, iptablesPlan } from './plan.ts';

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

describe('capturePlan', () => {
  it('takes inbound traffic by TPROXY with its policy routes', () => {
    const plan = capturePlan(parseIptablesArguments(['-m', 'TPROXY', '-b', '80', '-t', '0x1', '-r', '7']));
    expect(lines(plan.ipv4)).toContain('-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --tproxy-mark 0x1/0xffffffff --on-port 15006');
    expect(plan.ipv4.split('\n')).toContain('-I ISTIO_INBOUND 1 -p tcp -m mark --mark 0x1 -j RETURN');
    expect(plan.routes4).toEqual(['rule add fwmark 0x1 lookup 7', 'route add local 0.0.0.0/0 dev lo table 7']);
    expect(plan.routes6).toEqual([]);
  });
  it('has IPv6 rules for dual stack, each family with its own addresses', () => {
    const plan = capturePlan(parseIptablesArguments(['--dual-stack', '-i', '10.0.0.0/8,fd00::/8', '-x', 'fd01::/16']));
    expect(plan.ipv4).not.toContain('fd0');
    expect(lines(plan.ipv6).slice(-3)).toEqual([
      '-A ISTIO_OUTPUT -d ::1/128 -j RETURN',
      '-A ISTIO_OUTPUT -d fd01::/16 -j RETURN',
      '-A ISTIO_OUTPUT -d fd00::/8 -j ISTIO_REDIRECT',
    ]);
    expect(capturePlan(parseIptablesArguments([])).ipv6).toBe('');
  });
  it('captures groups or leaves them out', () => {
    const only = lines(capturePlan(parseIptablesArguments(['--istio-outbound-owner-groups', 'web,1000'])).ipv4);
    expect(only).toContain('-A ISTIO_OUTPUT -m owner ! --gid-owner web -m owner ! --gid-owner 1000 -j RETURN');
    const without = lines(capturePlan(parseIptablesArguments(['--istio-outbound-owner-groups-exclude', 'backup'])).ipv4);
    expect(without).toContain('-A ISTIO_OUTPUT -m owner --gid-owner backup -j RETURN');
  });
  it('captures DNS of all servers or of those named', () => {
    const all = capturePlan(parseIptablesArguments(['--redirect-dns', '--capture-all-dns'])).ipv4;
    expect(all).toContain('-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-ports 15053');
    const some = capturePlan(parseIptablesArguments(['--redirect-dns', '--dns-servers', '10.0.0.1'])).ipv4;
    expect(some).toContain('-A ISTIO_OUTPUT_DNS -p udp --dport 53 -d 10.0.0.1/32 -j REDIRECT --to-ports 15053');
  });
  it('has every flag of istio-iptables but native nftables', () => {
    const options = parseIptablesArguments([
      ...['--cni-mode', '--reconcile', '--force-apply', '--skip-rule-apply', '--run-validation', '-n', '--cleanup-only', '--drop-invalid'],
      ...['--network-namespace', '/var/run/netns/a', '--probe-timeout=2s', '--iptables-probe-port', '15003', '-c', 'eth1', '-k', 'net1'],
      ...['--force-iptables-binary', 'iptables-nft', '--log_output_level=all:debug', '-e', '15008', '-g', '0'],
    ]);
    expect(options).toMatchObject({ networkNamespace: '/var/run/netns/a', probeTimeoutMs: 2000, probePort: 15_003, dryRun: true });
    expect(() => parseIptablesArguments(['--native-nftables'])).toThrow('--native-nftables is not supported');
    expect(() => parseIptablesArguments(['--captur-all-dns'])).toThrow('does not know the argument "--captur-all-dns"');
  });
});

describe('cleanupPlan', () => {
  it('removes the capture and leaves the rest', () => {
    const saved = `*nat\n:OUTPUT ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n:OTHER - [0:0]\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A OUTPUT -j OTHER\n-A ISTIO_OUTPUT -j RETURN\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n`;
    expect(cleanupPlan(saved).rules).toBe('*nat\n-D OUTPUT -p tcp -j ISTIO_OUTPUT\n-F ISTIO_OUTPUT\n-X ISTIO_OUTPUT\nCOMMIT\n');
    expect(cleanupPlan('*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n').rules).toBe('');
  });
});
