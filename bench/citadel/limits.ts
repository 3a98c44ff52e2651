/** One way to ask for certificates. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  /** Least certificates a second on one core; none where there is nothing to compare with. */
  readonly limit?: number;
  /** Certificates a second that istiod reaches, measured once on a machine of this kind: ECDSA P-256 signer and keys, one core. */
  readonly istiod?: number;
}

export const SCENARIOS = [
  { name: 'in-process', what: 'PEM request in, chain out', limit: 7_460, istiod: 3_730 },
  { name: 'grpc', what: 'over mutual TLS, connections kept', limit: 2_607, istiod: 2_607 },
  { name: 'grpc-token', what: 'over TLS with a token each, connections kept', limit: 2_607, istiod: 2_607 },
  // istiod's figure is for clients that show no certificate.
  { name: 'connect', what: 'a new mutual TLS connection for each' },
  { name: 'connect-token', what: 'a new TLS connection and a token for each', limit: 678, istiod: 678 },
] as const satisfies readonly Scenario[];

export type ScenarioName = (typeof SCENARIOS)[number]['name'];
