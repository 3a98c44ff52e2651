export {
  type DaemonContext,
  type DaemonSpec,
  EXIT_FAILURE,
  EXIT_USAGE,
  hostPortOption,
  parseOptions,
  runDaemon,
  version,
} from './daemon.ts';
export { createHealthServer, type HealthServer, type ReadinessCheck } from './health.ts';
export { environmentName, type HostPort, type OptionSpec, parseHostPort } from './options.ts';
