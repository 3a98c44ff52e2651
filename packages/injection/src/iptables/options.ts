import { XebecError } from '@xebec/core';

/** The flags of istio-iptables that shape rules. Lists hold ports, CIDRs or interface names; `*` means all. */
export interface IptablesOptions {
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly tunnelPort: number;
  readonly proxyUid: readonly string[];
  readonly proxyGid: readonly string[];
  readonly mode: 'REDIRECT' | 'TPROXY' | 'NONE';
  readonly includeInboundPorts: readonly string[];
  readonly excludeInboundPorts: readonly string[];
  readonly includeOutboundCidrs: readonly string[];
  readonly excludeOutboundCidrs: readonly string[];
  readonly includeOutboundPorts: readonly string[];
  readonly excludeOutboundPorts: readonly string[];
  readonly excludeInterfaces: readonly string[];
  readonly virtualInterfaces: readonly string[];
  readonly tproxyMark: string;
  readonly tproxyRouteTable: string;
  readonly redirectDns: boolean;
  readonly captureAllDns: boolean;
  /** Name servers whose traffic is captured when not all DNS is. */
  readonly dnsServers: readonly string[];
  readonly dropInvalid: boolean;
  /** Only processes of these groups are captured; `*` means all. */
  readonly includeOwnerGroups: readonly string[];
  readonly excludeOwnerGroups: readonly string[];
  /** Rules for IPv6 too. Without it IPv6 that comes in is left alone. */
  readonly dualStack: boolean;
  /** Where rules go and how, rather than which. */
  readonly dryRun: boolean;
  readonly skipRuleApply: boolean;
  /** Removes the rules and adds none. */
  readonly cleanupOnly: boolean;
  /** Removes what an earlier run left before adding. */
  readonly reconcile: boolean;
  readonly forceApply: boolean;
  /** After applying: tries whether a connection really is redirected; else exit code 126. */
  readonly runValidation: boolean;
  readonly probePort: number;
  readonly probeTimeoutMs: number;
  /** Path of a network namespace to enter, such as `/var/run/netns/pod`. */
  readonly networkNamespace: string;
  /** Such as `legacy` or `nft`. */
  readonly forceBinary: string;
}

export const defaultIptablesOptions: IptablesOptions = {
  outboundPort: 15001,
  inboundPort: 15006,
  tunnelPort: 15008,
  proxyUid: ['1337'],
  proxyGid: ['1337'],
  mode: 'REDIRECT',
  includeInboundPorts: ['*'],
  excludeInboundPorts: [],
  includeOutboundCidrs: ['*'],
  excludeOutboundCidrs: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
  virtualInterfaces: [],
  tproxyMark: '1337',
  tproxyRouteTable: '133',
  redirectDns: false,
  captureAllDns: false,
  dnsServers: [],
  dropInvalid: false,
  includeOwnerGroups: ['*'],
  excludeOwnerGroups: [],
  dualStack: false,
  dryRun: false,
  skipRuleApply: false,
  cleanupOnly: false,
  reconcile: false,
  forceApply: false,
  runValidation: false,
  probePort: 15_002,
  probeTimeoutMs: 5000,
  networkNamespace: '',
  forceBinary: '',
};

type Field = keyof IptablesOptions;
const VALUE_FLAGS: Readonly<Record<string, Field>> = {
  '-p': 'outboundPort',
  '--envoy-port': 'outboundPort',
  '-z': 'inboundPort',
  '--inbound-capture-port': 'inboundPort',
  '-e': 'tunnelPort',
  '--inbound-tunnel-port': 'tunnelPort',
  '-u': 'proxyUid',
  '--proxy-uid': 'proxyUid',
  '-g': 'proxyGid',
  '--proxy-gid': 'proxyGid',
  '-m': 'mode',
  '--istio-inbound-interception-mode': 'mode',
  '-b': 'includeInboundPorts',
  '--istio-inbound-ports': 'includeInboundPorts',
  '-d': 'excludeInboundPorts',
  '--istio-local-exclude-ports': 'excludeInboundPorts',
  '-i': 'includeOutboundCidrs',
  '--istio-service-cidr': 'includeOutboundCidrs',
  '-x': 'excludeOutboundCidrs',
  '--istio-service-exclude-cidr': 'excludeOutboundCidrs',
  '-q': 'includeOutboundPorts',
  '--istio-outbound-ports': 'includeOutboundPorts',
  '-o': 'excludeOutboundPorts',
  '--istio-local-outbound-ports-exclude': 'excludeOutboundPorts',
  '-c': 'excludeInterfaces',
  '--istio-exclude-interfaces': 'excludeInterfaces',
  '-k': 'virtualInterfaces',
  '--kube-virt-interfaces': 'virtualInterfaces',
  '-t': 'tproxyMark',
  '--istio-inbound-tproxy-mark': 'tproxyMark',
  '-r': 'tproxyRouteTable',
  '--istio-inbound-tproxy-route-table': 'tproxyRouteTable',
  '--istio-outbound-owner-groups': 'includeOwnerGroups',
  '--istio-outbound-owner-groups-exclude': 'excludeOwnerGroups',
  '--dns-servers': 'dnsServers',
  '--iptables-probe-port': 'probePort',
  '--probe-timeout': 'probeTimeoutMs',
  '--network-namespace': 'networkNamespace',
  '--force-iptables-binary': 'forceBinary',
};
const SWITCHES: Readonly<Record<string, Field>> = {
  '--redirect-dns': 'redirectDns',
  '--capture-all-dns': 'captureAllDns',
  '--drop-invalid': 'dropInvalid',
  '--dual-stack': 'dualStack',
  '-n': 'dryRun',
  '--dry-run': 'dryRun',
  '--skip-rule-apply': 'skipRuleApply',
  '--cleanup-only': 'cleanupOnly',
  '--reconcile': 'reconcile',
  '--force-apply': 'forceApply',
  '--run-validation': 'runValidation',
};
/** Flags that only say how istio-iptables logs or who calls it. */
const IGNORED_VALUE_FLAGS: ReadonlySet<string> = new Set(['--log_output_level', '--log_target', '--log_caller']);
const IGNORED_SWITCHES: ReadonlySet<string> = new Set(['--cni-mode', '--log_as_json']);
const NUMBERS: ReadonlySet<Field> = new Set<Field>(['outboundPort', 'inboundPort', 'tunnelPort', 'probePort']);
const TEXTS: ReadonlySet<Field> = new Set<Field>(['mode', 'networkNamespace']);

/** Reads istio-iptables' arguments (`-p 15001`, `--flag value` or `--flag=value`). Throws XebecError E_FLAG naming the flag and value. */
export function parseIptablesArguments(args: readonly string[]): IptablesOptions {
  const values: Partial<Record<Field, unknown>> = {};
  for (let index = 0; index < args.length; index++) {
    const [flag = '', inline] = splitInline(args[index] ?? '');
    const toggle = SWITCHES[flag];
    if (toggle !== undefined) {
      values[toggle] = inline !== 'false';
      continue;
    }
    if (IGNORED_SWITCHES.has(flag)) continue;
    if (flag === '--native-nftables') {
      if (inline === 'false') continue;
      throw new XebecError('E_FLAG', '--native-nftables is not supported: rules are iptables rules; iptables-nft applies them on nftables');
    }
    const field = VALUE_FLAGS[flag];
    if (field === undefined && !IGNORED_VALUE_FLAGS.has(flag)) {
      throw new XebecError('E_FLAG', `istio-iptables does not know the argument "${flag}"`);
    }
    const text = inline ?? args[++index] ?? '';
    if (field !== undefined) values[field] = parseValue(flag, field, text);
  }
  // Each value was parsed to its field's type by parseValue.
  return { ...defaultIptablesOptions, ...(values as Partial<IptablesOptions>) };
}

function splitInline(argument: string): [string, string | undefined] {
  const at = argument.startsWith('--') ? argument.indexOf('=') : -1;
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function timeoutMs(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? ''];
  if (match?.[1] === undefined || unit === undefined)
    throw new XebecError('E_FLAG', `${flag} wants a duration such as 5s, but got "${text}"`);
  return Number(match[1]) * unit;
}

const ITEM = /^[A-Za-z0-9.:/*_@-]+$/;

function parseValue(flag: string, field: Field, text: string): unknown {
  if (NUMBERS.has(field)) {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new XebecError('E_FLAG', `${flag} wants a port from 1 to 65535, but got "${text}"`);
    return port;
  }
  if (field === 'mode' && !['REDIRECT', 'TPROXY', 'NONE'].includes(text)) {
    throw new XebecError('E_FLAG', `${flag} wants REDIRECT, TPROXY or NONE, but got "${text}"`);
  }
  if (TEXTS.has(field)) return text;
  if (field === 'tproxyMark' || field === 'tproxyRouteTable') {
    if (!/^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text)) throw new XebecError('E_FLAG', `${flag} wants a number, but got "${text}"`);
    return text;
  }
  if (field === 'forceBinary') {
    if (!/^(iptables(-legacy|-nft)?|legacy|nft)?$/.test(text))
      throw new XebecError('E_FLAG', `${flag} wants iptables, iptables-legacy or iptables-nft, but got "${text}"`);
    return text;
  }
  if (field === 'probeTimeoutMs') return timeoutMs(flag, text);
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  // A newline or blank in an annotation must not become a second rule.
  const bad = items.find((item) => !ITEM.test(item));
  if (bad !== undefined)
    throw new XebecError('E_FLAG', `${flag} wants a comma-separated list of ports, addresses or names, but got "${bad}"`);
  return items;
}
