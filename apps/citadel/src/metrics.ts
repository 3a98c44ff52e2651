import { type Clock, systemClock } from '@xebec/core';
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

export function createMetrics(registry: Registry, clock: Pick<Clock, 'now'> = systemClock): CitadelMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name: `citadel_server_${name}`, help, registers });
  /** As in Istio twice: when, and in how long; negative once it is over. */
  const expiry = (name: string, what: string): Gauge => {
    const when = new Gauge({
      name: `citadel_server_${name}_timestamp`,
      help: `When ${what} expires, in seconds since the epoch.`,
      registers,
    });
    new Gauge({
      name: `citadel_server_${name}_seconds`,
      help: `Seconds until ${what} expires.`,
      registers,
      async collect() {
        const [value] = (await when.get()).values;
        if (value !== undefined && value.value !== 0) this.set(value.value - clock.now() / 1000);
      },
    });
    return when;
  };
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
    rootExpirySeconds: expiry('root_cert_expiry', 'the root certificate'),
    chainExpirySeconds: expiry('cert_chain_expiry', 'the signing certificate'),
  };
}
