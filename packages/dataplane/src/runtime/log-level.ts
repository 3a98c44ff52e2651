import type { Logger } from '@xebec/core';

/** The level that the logger writes from; all of them where it does not say. */
export function levelOf(logger: Logger): string {
  return 'level' in logger ? String(logger.level) : 'trace';
}
