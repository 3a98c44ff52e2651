import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchPart } from './part.ts';
import { framedReport } from './requests.ts';
import { RunningMixer } from './server.ts';

const BATCH = 100;
let mixer: RunningMixer | undefined;

/** Istio's page on performance gave 0.6 vCPU for telemetry of 1,000 requests a second by its Mixer. */
export const report: BenchPart = {
  name: 'report',
  what: `CPU of Mixer per request, reported in batches of ${BATCH}, default metrics by the Prometheus adapter, over gRPC`,
  unit: 'us',
  limit: 15,
  peer: 600,
  async measure({ seconds }) {
    const defaults = readFileSync(join(import.meta.dirname, '../../deploy/mixer-defaults.yaml'), 'utf8');
    mixer ??= await RunningMixer.start({ 'defaults.yaml': defaults });
    return (await mixer.cpuPerCall('Report', framedReport(BATCH), seconds)) / BATCH;
  },
  close: async () => {
    await mixer?.close();
    mixer = undefined;
  },
};
