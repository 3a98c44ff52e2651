import type { Figures } from './measure-size.ts';

/** Most that pilot may use for 1,000 services with two endpoints, 200 VirtualServices, 200 DestinationRules and 1,000 proxies. */
export const LIMITS: readonly { readonly figure: keyof Figures; readonly what: string; readonly limit: number }[] = [
  { figure: 'firstSyncCpuS', what: 'first sync, seconds of CPU', limit: 7 },
  { figure: 'endpointCpuS', what: 'endpoint change, seconds of CPU', limit: 0.3 },
  { figure: 'virtualServiceCpuS', what: 'VirtualService change, seconds of CPU', limit: 1.8 },
  { figure: 'peakMb', what: 'memory at its peak, MB', limit: 900 },
];

/**
 * istiod 1.32-dev for a mesh of that size on a machine of this kind, measured once for the project's requirements with 2.9 MB for each
 * proxy; of ranges, the lower end.
 */
export const ISTIOD: Readonly<Record<'sotw' | 'delta', Partial<Figures>>> = {
  sotw: { firstSyncCpuS: 91, endpointCpuS: 0.5, virtualServiceCpuS: 11, virtualServiceMb: 2_300, peakMb: 3_000 },
  delta: { firstSyncCpuS: 91, endpointCpuS: 0.5, virtualServiceCpuS: 8, virtualServiceMb: 650, peakMb: 3_000 },
};
