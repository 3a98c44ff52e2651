import { Counter, Gauge, type Registry } from 'prom-client';

/** Citadel's metrics, under Istio's names. */
export interface CitadelMetrics {
  readonly requests: Counter;
  readonly authenticationFailures: Counter;
  readonly csrErrors: Counter;
  readonly idErrors: Counter;
  readonly signErrors: Counter<'error'>;
  readonly issued: Counter;
  readonly rootExpirySeconds: Gauge;
  readonly chainExpirySeconds: Gauge;
}

export function createMetrics(registry: Registry): CitadelMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name: `citadel_server_${name}`, help, registers });
  return {
    requests: counter('csr_count', 'Certificate requests received.'),
    authenticationFailures: counter('authentication_failure_count', 'Requests whose caller proved no identity.'),
    csrErrors: counter('csr_parsing_err_count', 'Requests whose CSR could not be read.'),
    idErrors: counter('id_extraction_err_count', 'Callers whose identity is no SPIFFE ID.'),
    signErrors: new Counter({
      name: 'citadel_server_csr_sign_err_count',
      help: 'Signing errors by code.',
      labelNames: ['error'],
      registers,
    }),
    issued: counter('success_cert_issuance_count', 'Certificates issued.'),
    rootExpirySeconds: new Gauge({
      name: 'citadel_server_root_cert_expiry_timestamp',
      help: 'When the root certificate expires, in seconds since the epoch.',
      registers,
    }),
    chainExpirySeconds: new Gauge({
      name: 'citadel_server_cert_chain_expiry_timestamp',
      help: 'When the signing certificate expires, in seconds since the epoch.',
      registers,
    }),
  };
}
