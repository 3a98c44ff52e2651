import type { CompiledListener } from './compiled-listener.ts';

/** Calls back, once, when routes and secrets of all chains are there or no longer waited for: at once when they are. */
export function whenListenerReady(listener: CompiledListener, done: () => void): void {
  let waiting = 1;
  const one = (): void => {
    waiting--;
    if (waiting === 0) done();
  };
  for (const chain of listener.allChains) {
    waiting++;
    chain.network.whenReady(once(one));
    const context = chain.tls?.context;
    if (context === undefined || context.settled) continue;
    waiting++;
    context.onReady = once(one);
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
