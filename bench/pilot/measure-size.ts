import { summarize } from '../src/stats.ts';
import { changeEndpoints, changeVirtualService, writeMesh } from './mesh-files.ts';
import { startClients, startPilot } from './processes.ts';

export interface Size {
  readonly services: number;
  readonly proxies: number;
  readonly rounds: number;
}

/** What one run found; CPU is of pilot's whole process. Changes are medians over the rounds. */
export interface Figures {
  /** From the start of the process until it is ready: reading and decoding the files. */
  readonly startCpuS: number;
  /** From ready until every proxy has all its types and nothing is sent any more. */
  readonly firstSyncCpuS: number;
  readonly firstSyncMb: number;
  readonly firstSyncWallS: number;
  readonly endpointCpuS: number;
  readonly endpointMb: number;
  readonly virtualServiceCpuS: number;
  readonly virtualServiceMb: number;
  readonly peakMb: number;
  readonly settledMb: number;
}

/** Runs pilot on a mesh of one size with all its proxies, and changes it. */
export async function measureSize(folder: string, size: Size, variant: 'sotw' | 'delta'): Promise<Figures> {
  const rules = Math.max(2, Math.round(size.services / 5));
  writeMesh(folder, { services: size.services, virtualServices: rules, destinationRules: rules });
  const pilot = await startPilot(folder);
  try {
    const startCpuS = pilot.cpuS();
    const started = performance.now();
    const clients = startClients(pilot.port, size.proxies, variant, size.services);
    try {
      const all = { Cluster: size.proxies, ClusterLoadAssignment: size.proxies, Listener: size.proxies, RouteConfiguration: size.proxies };
      const first = await clients.settle(all);
      const firstSyncCpuS = pilot.cpuS() - startCpuS;
      const firstSyncWallS = (performance.now() - started) / 1000;
      const change = async (write: (round: number) => void, reaches: string) => {
        const cpu: number[] = [];
        const bytes: number[] = [];
        for (let round = 1; round <= size.rounds; round++) {
          await clients.mark();
          const before = pilot.cpuS();
          write(round);
          const found = await clients.settle({ [reaches]: size.proxies });
          cpu.push(pilot.cpuS() - before);
          bytes.push(found.bytes / 1e6);
        }
        return { cpuS: summarize(cpu).median, mb: summarize(bytes).median };
      };
      const endpoint = await change((round) => changeEndpoints(folder, round), 'ClusterLoadAssignment');
      const virtualService = await change((round) => changeVirtualService(folder, round), 'RouteConfiguration');
      return {
        startCpuS,
        firstSyncCpuS,
        firstSyncMb: first.bytes / 1e6,
        firstSyncWallS,
        endpointCpuS: endpoint.cpuS,
        endpointMb: endpoint.mb,
        virtualServiceCpuS: virtualService.cpuS,
        virtualServiceMb: virtualService.mb,
        peakMb: pilot.memoryMb('VmHWM'),
        settledMb: pilot.memoryMb('VmRSS'),
      };
    } finally {
      await clients.stop();
    }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${lastLines(pilot.log())}`, { cause: error });
  } finally {
    await pilot.stop();
  }
}

function lastLines(log: string): string {
  return log.split('\n').slice(-20).join('\n');
}
