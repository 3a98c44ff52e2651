import type { MeshProxy } from '@xebec/model';

/** Connections of a listener are shared out evenly between threads where the proxy's metadata asks for it. */
export function exactBalance(proxy: Pick<MeshProxy, 'metadata'>, direction: 'INBOUND' | 'OUTBOUND') {
  const asked = proxy.metadata[`${direction}_LISTENER_EXACT_BALANCE`];
  if (asked !== true && asked !== 'true' && asked !== '1') return {};
  return { connectionBalanceConfig: { balanceType: { case: 'exactBalance' as const, value: {} } } };
}
