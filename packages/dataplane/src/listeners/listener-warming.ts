import type { Clock } from '@xebec/core';
import type { CompiledListener } from './compiled-listener.ts';

/** Envoy's default `initial_fetch_timeout`: what has not come by then is gone without. */
const secretTimeoutMs = 15_000;

/** Calls back, once, when routes and secrets of all chains are there: at once when they are. */
export function whenListenerReady(listener: CompiledListener, clock: Clock, done: () => void): void {
  let waiting = 1;
  const one = (): void => {
    waiting--;
    if (waiting === 0) done();
  };
  for (const chain of listener.allChains) {
    waiting++;
    chain.network.whenReady(once(one));
    const context = chain.tls?.context;
    if (context === undefined || context.ready) continue;
    waiting++;
    const arrived = once(one);
    const cancel = clock.setTimeout(arrived, secretTimeoutMs);
    context.onReady = () => {
      cancel();
      arrived();
    };
  }
  one();
}

function once(fn: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    fn();
  };
}
