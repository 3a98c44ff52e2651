import type { Endpoint, Locality } from './service.ts';

/** A pod or a WorkloadEntry: what a ServiceEntry's `workloadSelector` can choose. */
export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly workloadName: string;
  readonly locality: Locality;
  readonly weight: number;
  readonly tlsMode: Endpoint['tlsMode'];
  readonly network: string;
  /** As `Endpoint.podName`. */
  readonly podName?: string;
  /** Ports by the name of the service port, where they differ from the service's target port. */
  readonly ports: Readonly<Record<string, number>>;
}

/** `region/zone/subzone`, any part of which may be missing. */
export function parseLocality(text: string | undefined): Locality {
  const [region = '', zone = '', subzone = ''] = (text ?? '').split('/');
  return { region, zone, subzone };
}
