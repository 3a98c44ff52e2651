import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds of CPU that all threads of a process have used, to the nanosecond: `/proc/PID/stat` counts in steps of 10 ms. */
export function cpuTimeUs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return ns / 1000;
}
