export { type DaemonContext, type DaemonSpec, hostPortOption, parseOptions, runDaemon } from './daemon.ts';
export { createHealthServer, type HealthServer, type ReadinessCheck } from './health.ts';
export { environmentName, type HostPort, type OptionSpec, parseHostPort } from './options.ts';
export { EXIT_FAILURE, EXIT_USAGE, version } from './version.ts';
