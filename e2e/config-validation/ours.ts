import { errorText, seededRandom, silentLogger, systemClock } from '@xebec/core';
import { parseBootstrap, requireNodeForSources, startDataplane } from '@xebec/dataplane';

/** What our proxy says to a bootstrap without opening anything: undefined, or why it refuses. */
export async function validateOurs(yaml: string): Promise<string | undefined> {
  try {
    const bootstrap = parseBootstrap(yaml, 'case.yaml');
    requireNodeForSources(bootstrap, {});
    for (const listener of bootstrap.staticResources?.listeners ?? []) listener.bindToPort = false;
    const { admin: _, ...rest } = bootstrap;
    const starting = startDataplane({
      bootstrap: rest,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      version: 'test',
      env: {},
      resolve: async () => [],
    });
    // A listener that waits for its routes is a valid one.
    const dataplane = await Promise.race([starting, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 300))]);
    await dataplane?.close();
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}
