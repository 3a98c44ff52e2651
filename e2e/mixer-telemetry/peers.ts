import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePort, type RunningProcess, startProcess } from '../src/daemon-process.ts';
import { madeOnce } from '../src/made-once.ts';

const run = promisify(execFile);

const COLLECTOR = '0.158.0';
const CONTRIB = 'github.com/open-telemetry/opentelemetry-collector-contrib';

/** A distribution of OpenTelemetry's collector with what these suites need: OTLP and fluentd's protocol in, a file out. */
function collectorHome(): Promise<string> {
  return madeOnce(`otelcol-${COLLECTOR}`, async (home) => {
    const config = join(home, 'builder.yaml');
    await writeFile(
      config,
      `dist: {name: otelcol, output_path: ${home}/dist}
receivers:
- gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v${COLLECTOR}
- gomod: ${CONTRIB}/receiver/fluentforwardreceiver v${COLLECTOR}
exporters:
- gomod: ${CONTRIB}/exporter/fileexporter v${COLLECTOR}
`,
    );
    await run('go', ['run', `go.opentelemetry.io/collector/cmd/builder@v${COLLECTOR}`, '--config', config], { timeout: 900_000 });
  });
}

export interface Collector {
  readonly grpc: number;
  readonly http: number;
  readonly fluentd: number;
  /** Every message that the collector has written so far, as OTLP's JSON. */
  received(): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<unknown>;
}

/** A real collector; ports may be given, so that one comes back where it was, and where OTLP over gRPC and fluentd's protocol listen. */
export async function startCollector(
  directory: string,
  ports?: Pick<Collector, 'grpc' | 'http' | 'fluentd'>,
  host = '127.0.0.1',
): Promise<Collector> {
  const { grpc, http, fluentd } = ports ?? { grpc: await freePort(), http: await freePort(), fluentd: await freePort() };
  const output = join(directory, `collected-${grpc}.json`);
  const config = join(directory, 'collector.yaml');
  await writeFile(
    config,
    `receivers:
  otlp:
    protocols:
      grpc: {endpoint: "${host}:${grpc}"}
      http: {endpoint: "127.0.0.1:${http}"}
  fluentforward: {endpoint: "${host}:${fluentd}"}
exporters:
  file: {path: ${output}, flush_interval: 50ms, append: true}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [file]}
    metrics: {receivers: [otlp], exporters: [file]}
    logs: {receivers: [otlp, fluentforward], exporters: [file]}
`,
  );
  const child = startProcess(join(await collectorHome(), 'dist/otelcol'), ['--config', config]);
  await eventually('the collector is ready', () => (child.output().includes('Everything is ready') ? true : undefined), 60_000);
  return {
    grpc,
    http,
    fluentd,
    received: async () => {
      const lines = existsSync(output) ? (await readFile(output, 'utf8')).split('\n') : [];
      return lines.flatMap((line, i): Record<string, unknown>[] => (line === '' || i === lines.length - 1 ? [] : [JSON.parse(line)]));
    },
    stop: () => child.stop(),
  };
}

const STATSD = '0.9.0';

/** The statsd that gave the protocol its name. It wants a function that Node no longer has. */
export async function startStatsd(directory: string) {
  const home = await madeOnce(`statsd-${STATSD}`, async (folder) => {
    await run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', `statsd@${STATSD}`], {
      timeout: 240_000,
    });
    await writeFile(join(folder, 'log.cjs'), "require('node:util').log = console.log;\n");
  });
  const [port, management] = [await freePort(), await freePort()];
  const config = join(directory, 'statsd.js');
  const settings = { port, address: '127.0.0.1', mgmt_port: management, mgmt_address: '127.0.0.1', flushInterval: 3_600_000, backends: [] };
  await writeFile(config, JSON.stringify(settings));
  const child = startProcess(process.execPath, ['--require', join(home, 'log.cjs'), join(home, 'node_modules/statsd/stats.js'), config]);
  const ask = (command: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(management, '127.0.0.1');
      let answer = '';
      socket.on('error', reject);
      socket.on('data', (bytes: Buffer) => {
        answer += bytes.toString();
        if (!answer.includes('END')) return;
        socket.destroy();
        resolve(answer);
      });
      socket.write(`${command}\n`);
    });
  await eventually('statsd answers', () => ask('counters'));
  return {
    port,
    /** `counters`, `timers` or `gauges`: each name's value, or values. */
    values: async (kind: 'counters' | 'timers' | 'gauges'): Promise<Record<string, unknown>> => {
      const found = (await ask(kind)).matchAll(/'([^']+)': (-?[\d.]+|\[[^\]]*\])/g);
      return Object.fromEntries([...found].map(([, name, value]) => [name, JSON.parse(value ?? 'null')]));
    },
    stop: () => child.stop('SIGKILL'),
  };
}

const CLOUDEVENTS = '1.11.0';

/** A receiver of events made of CNCF's Python library. */
export async function startEventReceiver() {
  const home = await madeOnce(`cloudevents-${CLOUDEVENTS}`, async (folder) => {
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin/pip'), ['install', '-q', `cloudevents==${CLOUDEVENTS}`], { timeout: 240_000 });
  });
  const child: RunningProcess = startProcess(join(home, 'bin/python'), ['-u', join(import.meta.dirname, 'event-receiver.py')]);
  const port = await eventually('the receiver listens', () => /port (\d+)/.exec(child.output())?.[1]);
  return {
    url: `http://127.0.0.1:${port}/`,
    events: (): Record<string, unknown>[] =>
      child
        .output()
        .split('\n')
        .flatMap((line): Record<string, unknown>[] => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line)] : [])),
    output: child.output,
    stop: () => child.stop('SIGKILL'),
  };
}

const FLUENT = '1.0.10';

/** The server in the Fluent project's own library. */
export async function startFluentServer() {
  const home = await madeOnce(`fluent-${FLUENT}`, (folder) =>
    run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', `@fluent-org/logger@${FLUENT}`], {
      timeout: 240_000,
    }),
  );
  const port = await freePort();
  const child = startProcess(process.execPath, [join(import.meta.dirname, 'fluent-server.cjs'), home, String(port)]);
  await eventually('the server listens', () => (child.output().startsWith('listening') ? true : undefined));
  return {
    address: `127.0.0.1:${port}`,
    events: (): unknown[] =>
      child
        .output()
        .trim()
        .split('\n')
        .slice(1)
        .map((line): unknown => JSON.parse(line)),
    stop: () => child.stop('SIGKILL'),
  };
}
