import type { Clock } from '@xebec/core';
import type { StreamInfo } from '@xebec/telemetry';
import type { AttributeSet } from '../../http/mixer/attribute.ts';
import type { CheckOutcome, ConnectionCall } from '../../http/mixer/call.ts';
import type { CheckClient, CheckVerdict } from '../../http/mixer/check-client.ts';
import { downstreamPeer, type KnownPeer, type ProxySide, upstreamPeer } from '../../http/mixer/peers.ts';
import { type CompiledQuotaRule, chargesOf } from '../../http/mixer/quota-rules.ts';
import type { MixerReporter } from '../../http/mixer/reporter.ts';
import type { FilterStatus } from '../../http-filter.ts';
import type { NetworkFilter, NetworkFilterCallbacks } from '../../network-filter.ts';

export interface ConnectionMixerConfig {
  readonly side: ProxySide;
  readonly checks: CheckClient<ConnectionCall> | undefined;
  readonly reporter: MixerReporter<ConnectionCall> | undefined;
  readonly checked: AttributeSet<ConnectionCall>;
  readonly reported: AttributeSet<ConnectionCall>;
  readonly quotaRules: readonly CompiledQuotaRule[];
  readonly reportIntervalMs: number;
  readonly clock: Clock;
  /** What connections of this proxy have in front of their number. */
  readonly idPrefix: string;
}

/** One connection's part in it: asks when it comes, and tells when it is through, from time to time, and when it ends. */
export class ConnectionMixerFilter implements NetworkFilter, ConnectionCall {
  readonly side: ProxySide;
  readonly info: StreamInfo;
  readonly forwarded = undefined;
  readonly connectionId: string;
  outcome: CheckOutcome | undefined = undefined;
  event: 'open' | 'continue' | 'close' = 'open';
  reported = { received: 0, sent: 0 };
  nowMs: number;
  readonly #config: ConnectionMixerConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #state: 'new' | 'asking' | 'allowed' | 'closed' = 'new';
  #opened = false;
  #cancelTimer: (() => void) | undefined = undefined;

  constructor(config: ConnectionMixerConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.side = config.side;
    this.info = callbacks.info;
    this.nowMs = callbacks.info.startTimeMs;
    this.connectionId = `${config.idPrefix}-${callbacks.connection.id}`;
  }
  get peer(): KnownPeer | undefined {
    return this.side.inbound ? downstreamPeer(this.info) : upstreamPeer(this.info);
  }
  onNewConnection(): FilterStatus {
    return this.#ask();
  }
  onData(): FilterStatus {
    if (this.#state === 'new') this.#ask();
    return this.#state === 'allowed' ? 'continue' : 'stop';
  }
  onUpstreamConnected(): void {
    this.#open();
  }
  onClose(): void {
    this.#cancelTimer?.();
    // One that was refused was never open (release 1.4); its access log tells why.
    const open = this.#state === 'allowed';
    this.#state = 'closed';
    if (!open) return;
    if (!this.#opened) this.#tell('open');
    this.#tell('close');
  }

  #ask(): FilterStatus {
    const { checks, checked, quotaRules } = this.#config;
    if (checks === undefined) {
      this.#state = 'allowed';
      return 'continue';
    }
    this.#state = 'asking';
    this.nowMs = this.#config.clock.now();
    const verdict = checks.check(checked, this, chargesOf(quotaRules, checked, this), (later) => {
      if (this.#state === 'asking' && this.#apply(later)) this.#callbacks.continueReading();
    });
    if (verdict === undefined) return 'stop';
    return this.#apply(verdict) ? 'continue' : 'stop';
  }
  #apply({ answer, cacheHit, quotaCacheHit }: CheckVerdict): boolean {
    this.outcome = { errorCode: answer.code, errorMessage: answer.message, cacheHit, quotaCacheHit };
    if (answer.code === 0) {
      this.#state = 'allowed';
      return true;
    }
    this.#state = 'closed';
    this.info.responseCodeDetails = 'mixer_access_denied';
    this.#callbacks.close('now', '', 'UAEX');
    return false;
  }
  #open(): void {
    if (this.#opened || this.#state === 'closed') return;
    this.#opened = true;
    this.#tell('open');
    if (this.#config.reporter !== undefined) this.#again();
  }
  #again(): void {
    this.#cancelTimer = this.#callbacks.setTimeout(() => {
      this.#tell('continue');
      this.#again();
    }, this.#config.reportIntervalMs);
  }
  #tell(event: 'open' | 'continue' | 'close'): void {
    this.event = event;
    this.nowMs = this.#config.clock.now();
    this.#config.reporter?.report(this.#config.reported, this);
    // As release 1.4: what was there at the opening is told again with the first bytes.
    if (event !== 'open') this.reported = { received: this.info.bytesReceived, sent: this.info.bytesSent };
  }
}
