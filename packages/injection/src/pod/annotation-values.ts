import { type IptablesOptions, parseIptablesArguments } from '../iptables/options.ts';
import { PROXY_UID } from './parameters.ts';
import type { Pod } from './pod.ts';

export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

export function interceptionModeOf(pod: Pod): InterceptionMode {
  const word = pod.metadata?.annotations?.['sidecar.istio.io/interceptionMode'];
  return word === 'TPROXY' || word === 'NONE' ? word : 'REDIRECT';
}

/** The arguments of the `istio-init` container, from the pod's traffic annotations. */
export function iptablesArguments(pod: Pod): string[] {
  const annotation = (name: string) => pod.metadata?.annotations?.[`traffic.sidecar.istio.io/${name}`];
  const excludedInbound = ['15090', '15021', '15020', ...list(annotation('excludeInboundPorts'))];
  const out = ['istio-iptables', '-p', '15001', '-z', '15006', '-u', String(PROXY_UID), '-m', interceptionModeOf(pod)];
  out.push('-i', annotation('includeOutboundIPRanges') ?? '*', '-x', annotation('excludeOutboundIPRanges') ?? '');
  out.push('-b', annotation('includeInboundPorts') ?? '*', '-d', excludedInbound.join(','));
  const optional = [
    ['-q', annotation('includeOutboundPorts')],
    ['-o', annotation('excludeOutboundPorts')],
    ['-c', annotation('excludeInterfaces')],
    ['-k', annotation('kubevirtInterfaces') ?? pod.metadata?.annotations?.['istio.io/reroute-virtual-interfaces']],
  ] as const;
  for (const [flag, value] of optional) if (value !== undefined && value !== '') out.push(flag, value);
  return out;
}

/** What a node agent reads back from an injected pod's init container. */
export function iptablesOptionsOf(args: readonly string[]): IptablesOptions {
  return parseIptablesArguments(args[0] === 'istio-iptables' ? args.slice(1) : args);
}

function list(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
