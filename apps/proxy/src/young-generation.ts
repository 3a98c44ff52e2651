import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Two semi-spaces of 4 MiB: more saves next to no CPU, because few requests live through a collection. */
const enoughBytes = 8 * 1024 * 1024;
const checkMs = 500;

/**
 * Keeps V8's young generation small: left alone it grows to 64 MiB while modules load and configuration is compiled, and that memory is
 * hardly ever given back. To be called before anything large is imported.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * The proxy serves: from now on it may grow a little, as the load asks. V8 makes it small again whenever the load is low, so whether it may
 * grow is asked for as long as the process lives: a proxy that could not would spend a tenth of its CPU on collections after each pause.
 */
export function letYoungGenerationGrow(): void {
  let mayGrow = true;
  setFlagsFromString('--semi-space-growth-factor=2');
  const timer = setInterval(() => {
    const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    const small = space === undefined || space.space_size < enoughBytes;
    if (small === mayGrow) return;
    mayGrow = small;
    setFlagsFromString(`--semi-space-growth-factor=${small ? 2 : 1}`);
  }, checkMs);
  timer.unref();
}
