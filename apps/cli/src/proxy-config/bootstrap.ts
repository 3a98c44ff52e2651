import type { BootstrapConfigDump } from '@xebec/protos/envoy/admin/v3/config_dump';
import { formatTable } from '../table.ts';

/** Who the proxy is, in a few lines. */
export function bootstrapTable({ bootstrap }: BootstrapConfigDump): string {
  const node = bootstrap?.node;
  const version = node?.userAgentVersionType;
  const build = version?.case === 'userAgentBuildVersion' ? version.value.version : undefined;
  const number = build === undefined ? '' : `${build.majorNumber}.${build.minorNumber}.${build.patch}`;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const rows: (readonly [string, string])[] = [
    ['Istio Version:', text(node?.metadata?.['ISTIO_VERSION'])],
    ['Istio Proxy Version:', text(node?.metadata?.['ISTIO_PROXY_SHA'])],
    [`${node?.userAgentName === 'xebec' ? 'Xebec' : 'Envoy'} Version:`, version?.case === 'userAgentVersion' ? version.value : number],
    ['Node:', node?.id ?? ''],
    ['Cluster:', node?.cluster ?? ''],
  ];
  const [first, ...rest] = rows.filter(([, value]) => value !== '');
  return first === undefined ? '' : formatTable(first, rest);
}
