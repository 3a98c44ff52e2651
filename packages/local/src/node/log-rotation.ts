import { copyFileSync, statSync, truncateSync } from 'node:fs';

/** As the kubelet's containerLogMaxSize. */
export const MAX_LOG_BYTES = 10 << 20;

/**
 * Keeps a log that a process writes itself within bounds: its text moves to `FILE.1`, which replaces the one before, and the
 * file is emptied under the writer, who appends. What is written between the two steps is lost. True when it was rotated.
 */
export function rotateLog(file: string, maxBytes = MAX_LOG_BYTES): boolean {
  try {
    if (statSync(file).size <= maxBytes) return false;
    copyFileSync(file, `${file}.1`);
    truncateSync(file, 0);
    return true;
  } catch {
    // No log yet; or a full disk, where emptying the file is what helps.
    try {
      if (statSync(file).size > maxBytes) truncateSync(file, 0);
    } catch {
      // It went away.
    }
    return false;
  }
}
