import { addressFamily, type Family, families } from './family.ts';
import type { IptablesOptions } from './options.ts';

/** Everything that captures a pod's traffic: what `iptables-restore --noflush` and `ip -batch -` read. */
export interface CapturePlan {
  readonly ipv4: string;
  /** Empty without dual stack. */
  readonly ipv6: string;
  /** Policy routing of TPROXY: lines for `ip -batch -` and `ip -6 -batch -`. */
  readonly routes4: readonly string[];
  readonly routes6: readonly string[];
}

/** Rules of one table, in the order in which they are appended. */
interface Table {
  readonly name: string;
  readonly chains: string[];
  readonly rules: string[];
}

/** Marks what the proxy sends to its own pod, so that it is captured and not what comes by. */
const ownTrafficMark = 1338;

/**
 * The rules that bring a pod's TCP traffic to its sidecar. Chains and their order are istio-iptables': nat ISTIO_INBOUND,
 * ISTIO_REDIRECT, ISTIO_IN_REDIRECT, ISTIO_OUTPUT, ISTIO_OUTPUT_DNS, and for TPROXY mangle ISTIO_INBOUND, ISTIO_DIVERT,
 * ISTIO_TPROXY. Everything is empty for mode NONE.
 */
export function capturePlan(options: IptablesOptions): CapturePlan {
  const routes = options.mode === 'TPROXY' && options.includeInboundPorts.length > 0;
  const lines = (family: Family): string[] => [
    `rule add fwmark ${options.tproxyMark} lookup ${options.tproxyRouteTable}`,
    `route add local ${family.everything} dev lo table ${options.tproxyRouteTable}`,
  ];
  return {
    ipv4: rulesOf(options, families.ipv4),
    ipv6: options.dualStack ? rulesOf(options, families.ipv6) : '',
    routes4: routes ? lines(families.ipv4) : [],
    routes6: routes && options.dualStack ? lines(families.ipv6) : [],
  };
}

/** The IPv4 rules alone. */
export function iptablesPlan(options: IptablesOptions): string {
  return capturePlan(options).ipv4;
}

function rulesOf(all: IptablesOptions, family: Family): string {
  if (all.mode === 'NONE') return '';
  const options = ofFamily(all, family);
  const nat: Table = { name: 'nat', chains: ['ISTIO_INBOUND', 'ISTIO_REDIRECT', 'ISTIO_IN_REDIRECT', 'ISTIO_OUTPUT'], rules: [] };
  const mangle: Table = { name: 'mangle', chains: [], rules: [] };
  const raw: Table = { name: 'raw', chains: [], rules: [] };
  for (const name of options.excludeInterfaces) {
    nat.rules.push(`-A PREROUTING -i ${name} -j RETURN`, `-A OUTPUT -o ${name} -j RETURN`);
    if (options.mode === 'TPROXY') mangle.rules.push(`-A PREROUTING -i ${name} -j RETURN`, `-A OUTPUT -o ${name} -j RETURN`);
  }
  nat.rules.push(`-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${options.outboundPort}`);
  nat.rules.push(`-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports ${options.inboundPort}`);
  for (const name of options.virtualInterfaces) nat.rules.push(`-A PREROUTING -i ${name} -j RETURN`);
  inbound(options, nat, mangle, family);
  outbound(options, nat, raw, family);
  if (options.mode === 'TPROXY') marks(options, mangle, family);
  if (options.dropInvalid) {
    mangle.chains.push('ISTIO_DROP');
    mangle.rules.push('-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP', '-A ISTIO_DROP -j DROP');
  }
  return [nat, mangle, raw].map(render).join('');
}

/** Without the addresses of the other family. */
function ofFamily(options: IptablesOptions, family: Family): IptablesOptions {
  const own = (list: readonly string[]) => list.filter((item) => item === '*' || addressFamily(item) === family.name);
  return {
    ...options,
    includeOutboundCidrs: own(options.includeOutboundCidrs),
    excludeOutboundCidrs: own(options.excludeOutboundCidrs),
    dnsServers: own(options.dnsServers),
  };
}

function inbound(options: IptablesOptions, nat: Table, mangle: Table, family: Family): void {
  if (options.includeInboundPorts.length === 0) return;
  const tproxy = options.mode === 'TPROXY';
  const table = tproxy ? mangle : nat;
  const target = tproxy ? 'ISTIO_TPROXY' : 'ISTIO_IN_REDIRECT';
  if (tproxy) {
    mangle.chains.push('ISTIO_INBOUND', 'ISTIO_DIVERT', 'ISTIO_TPROXY');
    mangle.rules.push(`-A ISTIO_DIVERT -j MARK --set-mark ${options.tproxyMark}`, '-A ISTIO_DIVERT -j ACCEPT');
    mangle.rules.push(
      `-A ISTIO_TPROXY ! -d ${family.loopback} -p tcp -j TPROXY --tproxy-mark ${options.tproxyMark}/0xffffffff --on-port ${options.inboundPort}`,
    );
  }
  table.rules.push('-A PREROUTING -p tcp -j ISTIO_INBOUND');
  table.rules.push(`-A ISTIO_INBOUND -p tcp --dport ${options.tunnelPort} -j RETURN`);
  if (options.includeInboundPorts.includes('*')) {
    for (const port of options.excludeInboundPorts) table.rules.push(`-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`);
    if (tproxy) table.rules.push('-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT');
    table.rules.push(`-A ISTIO_INBOUND -p tcp -j ${target}`);
    return;
  }
  for (const port of options.includeInboundPorts) {
    if (tproxy) table.rules.push(`-A ISTIO_INBOUND -p tcp --dport ${port} -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT`);
    table.rules.push(`-A ISTIO_INBOUND -p tcp --dport ${port} -j ${target}`);
  }
}

function outbound(options: IptablesOptions, nat: Table, raw: Table, family: Family): void {
  const { rules } = nat;
  rules.push(`-A OUTPUT ${options.redirectDns ? '' : '-p tcp '}-j ISTIO_OUTPUT`);
  for (const port of options.excludeOutboundPorts) rules.push(`-A ISTIO_OUTPUT -p tcp --dport ${port} -j RETURN`);
  // The inbound passthrough cluster binds to this address: it goes to the application as it is.
  rules.push(`-A ISTIO_OUTPUT -o lo -s ${family.passthroughSource} -j RETURN`);
  const notDns = options.redirectDns ? '-p tcp ! --dport 53 ' : '';
  for (const [flag, owners] of [
    ['--uid-owner', options.proxyUid],
    ['--gid-owner', options.proxyGid],
  ] as const) {
    for (const owner of owners) {
      // The proxy calls its own pod's address: the call must enter through the inbound listener like anyone's.
      rules.push(
        `-A ISTIO_OUTPUT -o lo ! -d ${family.loopback} -p tcp ! --dport ${options.tunnelPort} -m owner ${flag} ${owner} -j ISTIO_IN_REDIRECT`,
      );
      rules.push(`-A ISTIO_OUTPUT -o lo ${notDns}-m owner ! ${flag} ${owner} -j RETURN`);
      rules.push(`-A ISTIO_OUTPUT -m owner ${flag} ${owner} -j RETURN`);
    }
  }
  ownerGroups(options, rules);
  if (options.redirectDns) dns(options, nat, raw, family);
  rules.push(`-A ISTIO_OUTPUT -d ${family.loopback} -j RETURN`);
  for (const cidr of options.excludeOutboundCidrs) rules.push(`-A ISTIO_OUTPUT -d ${cidr} -j RETURN`);
  const all = options.includeOutboundCidrs.includes('*');
  if (!all) for (const port of options.includeOutboundPorts) rules.push(`-A ISTIO_OUTPUT -p tcp --dport ${port} -j ISTIO_REDIRECT`);
  if (all) rules.push('-A ISTIO_OUTPUT -j ISTIO_REDIRECT');
  else for (const cidr of options.includeOutboundCidrs) rules.push(`-A ISTIO_OUTPUT -d ${cidr} -j ISTIO_REDIRECT`);
  for (const name of options.virtualInterfaces) {
    for (const cidr of all ? [family.everything] : options.includeOutboundCidrs) {
      rules.push(`-I PREROUTING 1 -i ${name} -d ${cidr} -j ISTIO_REDIRECT`);
    }
  }
}

function ownerGroups({ includeOwnerGroups, excludeOwnerGroups }: IptablesOptions, rules: string[]): void {
  if (includeOwnerGroups.includes('*')) {
    for (const group of excludeOwnerGroups) rules.push(`-A ISTIO_OUTPUT -m owner --gid-owner ${group} -j RETURN`);
    return;
  }
  const none = includeOwnerGroups.map((group) => `-m owner ! --gid-owner ${group} `).join('');
  rules.push(`-A ISTIO_OUTPUT ${none}-j RETURN`);
}

/** Keeps TPROXY from capturing what the proxy itself sends to the application. */
function marks(options: IptablesOptions, mangle: Table, family: Family): void {
  const { rules } = mangle;
  const mark = options.tproxyMark;
  rules.push(`-A PREROUTING -p tcp -m mark --mark ${mark} -j CONNMARK --save-mark`);
  rules.push(`-A OUTPUT -p tcp -o lo -m mark --mark ${mark} -j RETURN`);
  for (const uid of options.proxyUid) {
    rules.push(`-A OUTPUT ! -d ${family.loopback} -p tcp -o lo -m owner --uid-owner ${uid} -j MARK --set-xmark ${ownTrafficMark}`);
  }
  for (const gid of options.proxyGid) {
    rules.push(`-A OUTPUT ! -d ${family.loopback} -p tcp -o lo -m owner --gid-owner ${gid} -j MARK --set-xmark ${ownTrafficMark}`);
  }
  rules.push(`-A OUTPUT -p tcp -m connmark --mark ${mark} -j CONNMARK --restore-mark`);
  if (options.includeInboundPorts.length === 0) return;
  rules.push(`-I ISTIO_INBOUND 1 -p tcp -m mark --mark ${mark} -j RETURN`);
  rules.push(`-I ISTIO_INBOUND 2 -p tcp -s ${family.passthroughSource} -i lo -j RETURN`);
  rules.push(`-I ISTIO_INBOUND 3 -p tcp -i lo -m mark ! --mark ${ownTrafficMark} -j RETURN`);
}

function dns(options: IptablesOptions, nat: Table, raw: Table, family: Family): void {
  const servers = options.captureAllDns ? [''] : options.dnsServers.map((server) => `-d ${server}${family.hostSuffix} `);
  for (const server of servers) nat.rules.push(`-A ISTIO_OUTPUT -p tcp --dport 53 ${server}-j REDIRECT --to-ports 15053`);
  nat.chains.push('ISTIO_OUTPUT_DNS');
  nat.rules.push('-A OUTPUT -p udp -j ISTIO_OUTPUT_DNS');
  for (const uid of options.proxyUid) nat.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner ${uid} -j RETURN`);
  for (const gid of options.proxyGid) nat.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --gid-owner ${gid} -j RETURN`);
  for (const server of servers) nat.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 ${server}-j REDIRECT --to-ports 15053`);
  // Two senders of one pod may use one source port towards one server: zones keep conntrack from mixing them up.
  raw.chains.push('ISTIO_OUTPUT_DNS', 'ISTIO_INBOUND');
  raw.rules.push('-A OUTPUT -p udp -j ISTIO_OUTPUT_DNS', '-A PREROUTING -p udp -j ISTIO_INBOUND');
  const owners = [...options.proxyUid.map((uid) => `--uid-owner ${uid}`), ...options.proxyGid.map((gid) => `--gid-owner ${gid}`)];
  for (const owner of owners) {
    raw.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner ${owner} -j CT --zone 1`);
    raw.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner ${owner} -j CT --zone 2`);
  }
  for (const server of servers) raw.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 ${server}-j CT --zone 2`);
  raw.rules.push('-A ISTIO_INBOUND -p udp --sport 53 -j CT --zone 1');
}

function render(table: Table): string {
  if (table.rules.length === 0) return '';
  return [`*${table.name}`, ...table.chains.map((chain) => `:${chain} - [0:0]`), ...table.rules, 'COMMIT', ''].join('\n');
}
