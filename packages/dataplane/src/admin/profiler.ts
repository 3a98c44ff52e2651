import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';

let running: Session | undefined;

/** Starts or ends V8's CPU profiler in this thread; the profile is written to `path` for Chrome's DevTools. */
export async function switchCpuProfiler(enable: boolean, path: string): Promise<void> {
  if (enable === (running !== undefined)) return;
  if (enable) {
    running = new Session();
    running.connect();
    await running.post('Profiler.enable');
    await running.post('Profiler.start');
    return;
  }
  const session = running;
  running = undefined;
  if (session === undefined) return;
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  await writeFile(path, JSON.stringify(profile), { mode: 0o600 });
}
