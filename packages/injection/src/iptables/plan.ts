import type { IptablesOptions } from './options.ts';

const PASSTHROUGH_SOURCE = '127.0.0.6/32';

/** Rules of one table, in the order in which they are appended. */
interface Table {
  readonly name: string;
  readonly chains: string[];
  readonly rules: string[];
}

/**
 * The rules that bring a pod's TCP traffic to its sidecar, as one `iptables-restore --noflush` input (IPv4).
 * Chains and their order are istio-iptables': nat ISTIO_INBOUND, ISTIO_REDIRECT, ISTIO_IN_REDIRECT, ISTIO_OUTPUT, and
 * for TPROXY mangle ISTIO_DIVERT, ISTIO_TPROXY. Empty for mode NONE.
 */
export function iptablesPlan(options: IptablesOptions): string {
  if (options.mode === 'NONE') return '';
  const nat: Table = { name: 'nat', chains: ['ISTIO_INBOUND', 'ISTIO_REDIRECT', 'ISTIO_IN_REDIRECT', 'ISTIO_OUTPUT'], rules: [] };
  const mangle: Table = { name: 'mangle', chains: [], rules: [] };
  const raw: Table = { name: 'raw', chains: [], rules: [] };
  for (const name of options.excludeInterfaces) {
    nat.rules.push(`-A PREROUTING -i ${name} -j RETURN`, `-A OUTPUT -o ${name} -j RETURN`);
    if (options.mode === 'TPROXY') mangle.rules.push(`-A PREROUTING -i ${name} -j RETURN`);
  }
  nat.rules.push(`-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${options.outboundPort}`);
  nat.rules.push(`-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports ${options.inboundPort}`);
  for (const name of options.virtualInterfaces) nat.rules.push(`-A PREROUTING -i ${name} -j RETURN`);
  inbound(options, nat, mangle);
  outbound(options, nat, raw);
  if (options.dropInvalid) {
    mangle.chains.push('ISTIO_DROP');
    mangle.rules.push('-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP', '-A ISTIO_DROP -j DROP');
  }
  return [nat, mangle, raw].map(render).join('');
}

function inbound(options: IptablesOptions, nat: Table, mangle: Table): void {
  if (options.includeInboundPorts.length === 0) return;
  const tproxy = options.mode === 'TPROXY';
  const table = tproxy ? mangle : nat;
  const target = tproxy ? 'ISTIO_TPROXY' : 'ISTIO_IN_REDIRECT';
  if (tproxy) {
    mangle.chains.push('ISTIO_INBOUND', 'ISTIO_DIVERT', 'ISTIO_TPROXY');
    mangle.rules.push(`-A ISTIO_DIVERT -j MARK --set-mark ${options.tproxyMark}`, '-A ISTIO_DIVERT -j ACCEPT');
    mangle.rules.push(
      `-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --tproxy-mark ${options.tproxyMark}/0xffffffff --on-port ${options.inboundPort}`,
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

function outbound(options: IptablesOptions, nat: Table, raw: Table): void {
  const { rules } = nat;
  rules.push(`-A OUTPUT ${options.redirectDns ? '' : '-p tcp '}-j ISTIO_OUTPUT`);
  for (const port of options.excludeOutboundPorts) rules.push(`-A ISTIO_OUTPUT -p tcp --dport ${port} -j RETURN`);
  // 127.0.0.6 is what the inbound passthrough cluster binds to: it goes to the application as it is.
  rules.push(`-A ISTIO_OUTPUT -o lo -s ${PASSTHROUGH_SOURCE} -j RETURN`);
  const notDns = options.redirectDns ? '-p tcp ! --dport 53 ' : '';
  for (const [flag, owners] of [
    ['--uid-owner', options.proxyUid],
    ['--gid-owner', options.proxyGid],
  ] as const) {
    for (const owner of owners) {
      // The proxy calls its own pod's address: the call must enter through the inbound listener like anyone's.
      rules.push(
        `-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport ${options.tunnelPort} -m owner ${flag} ${owner} -j ISTIO_IN_REDIRECT`,
      );
      rules.push(`-A ISTIO_OUTPUT -o lo ${notDns}-m owner ! ${flag} ${owner} -j RETURN`);
      rules.push(`-A ISTIO_OUTPUT -m owner ${flag} ${owner} -j RETURN`);
    }
  }
  if (options.redirectDns) dns(options, nat, raw);
  rules.push('-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN');
  for (const cidr of options.excludeOutboundCidrs) rules.push(`-A ISTIO_OUTPUT -d ${cidr} -j RETURN`);
  const all = options.includeOutboundCidrs.includes('*');
  if (!all) for (const port of options.includeOutboundPorts) rules.push(`-A ISTIO_OUTPUT -p tcp --dport ${port} -j ISTIO_REDIRECT`);
  if (all) rules.push('-A ISTIO_OUTPUT -j ISTIO_REDIRECT');
  else for (const cidr of options.includeOutboundCidrs) rules.push(`-A ISTIO_OUTPUT -d ${cidr} -j ISTIO_REDIRECT`);
  for (const name of options.virtualInterfaces) {
    for (const cidr of all ? ['0.0.0.0/0'] : options.includeOutboundCidrs) {
      rules.push(`-I PREROUTING 1 -i ${name} -d ${cidr} -j ISTIO_REDIRECT`);
    }
  }
}

function dns(options: IptablesOptions, nat: Table, raw: Table): void {
  const servers = options.captureAllDns ? [''] : options.dnsServers.map((server) => `-d ${server}/32 `);
  for (const server of servers) nat.rules.push(`-A ISTIO_OUTPUT -p tcp --dport 53 ${server}-j REDIRECT --to-ports 15053`);
  nat.chains.push('ISTIO_OUTPUT_DNS');
  nat.rules.push('-A OUTPUT -p udp -j ISTIO_OUTPUT_DNS');
  for (const uid of options.proxyUid) nat.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner ${uid} -j RETURN`);
  for (const gid of options.proxyGid) nat.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --gid-owner ${gid} -j RETURN`);
  for (const server of servers) nat.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 ${server}-j REDIRECT --to-ports 15053`);
  // Two senders of one pod may use one source port towards one server: zones keep conntrack from mixing them up.
  raw.chains.push('ISTIO_OUTPUT_DNS', 'ISTIO_INBOUND');
  raw.rules.push('-A OUTPUT -p udp -j ISTIO_OUTPUT_DNS', '-A PREROUTING -p udp -j ISTIO_INBOUND');
  for (const uid of options.proxyUid) {
    raw.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner ${uid} -j CT --zone 1`);
    raw.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --uid-owner ${uid} -j CT --zone 2`);
  }
  for (const server of servers) raw.rules.push(`-A ISTIO_OUTPUT_DNS -p udp --dport 53 ${server}-j CT --zone 2`);
  raw.rules.push('-A ISTIO_INBOUND -p udp --sport 53 -j CT --zone 1');
}

function render(table: Table): string {
  if (table.rules.length === 0) return '';
  return [`*${table.name}`, ...table.chains.map((chain) => `:${chain} - [0:0]`), ...table.rules, 'COMMIT', ''].join('\n');
}
