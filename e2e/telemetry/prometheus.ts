import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly containers: readonly { readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[] }[];
  };
  readonly status: { readonly phase?: string; readonly podIP?: string };
}

interface Endpoints {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly subsets?: readonly {
    readonly addresses?: readonly { readonly ip: string; readonly targetRef?: { readonly name: string } }[];
    readonly ports?: readonly { readonly name?: string; readonly port: number }[];
  }[];
}

interface Target {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

interface ScrapeConfig {
  kubernetes_sd_configs?: readonly {
    readonly role: 'pod' | 'endpoints';
    readonly namespaces?: { readonly names: readonly string[] };
    readonly kubeconfig_file?: string;
  }[];
  file_sd_configs?: readonly object[];
}

const word = (name: string) => name.replaceAll(/[^a-zA-Z0-9_]/g, '_');

/** What Prometheus' own discovery of pods would find. Debian's build has none for Kubernetes: its rules stay, its finds come in files. */
function podTargets(pods: readonly Pod[]): Target[] {
  return pods.flatMap(({ metadata, spec, status }) => {
    const base: Record<string, string> = {
      __meta_kubernetes_namespace: metadata.namespace,
      __meta_kubernetes_pod_name: metadata.name,
      __meta_kubernetes_pod_ip: status.podIP ?? '',
      __meta_kubernetes_pod_phase: status.phase ?? '',
    };
    for (const [name, value] of Object.entries(metadata.labels ?? {})) base[`__meta_kubernetes_pod_label_${word(name)}`] = value;
    for (const [name, value] of Object.entries(metadata.annotations ?? {})) base[`__meta_kubernetes_pod_annotation_${word(name)}`] = value;
    const ports = spec.containers.flatMap(({ ports: own }) => own ?? []);
    if (ports.length === 0) return [{ targets: [status.podIP ?? ''], labels: base }];
    return ports.map(({ name = '', containerPort }) => ({
      targets: [`${status.podIP ?? ''}:${containerPort}`],
      labels: { ...base, __meta_kubernetes_pod_container_port_name: name },
    }));
  });
}

function endpointTargets(all: readonly Endpoints[], namespaces: readonly string[]): Target[] {
  return all
    .filter(({ metadata }) => namespaces.includes(metadata.namespace))
    .flatMap(({ metadata, subsets = [] }) =>
      subsets.flatMap(({ addresses = [], ports = [] }) =>
        addresses.flatMap(({ ip, targetRef }) =>
          ports.map(({ name = '', port }) => ({
            targets: [`${ip}:${port}`],
            labels: {
              __meta_kubernetes_namespace: metadata.namespace,
              __meta_kubernetes_service_name: metadata.name,
              __meta_kubernetes_endpoint_port_name: name,
              __meta_kubernetes_pod_name: targetRef?.name ?? '',
            },
          })),
        ),
      ),
    );
}

/** A real Prometheus with the configuration that we ship, scraping every four seconds. */
export class Prometheus {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }
  /** Debian's, which is told the targets that it would find. */
  static async start(folder: string, shipped: string, kubernetes: (kind: 'pods' | 'endpoints') => unknown): Promise<Prometheus> {
    // What kubectl prints is a list of the kind that was asked for.
    const pods = podTargets(kubernetes('pods') as Pod[]);
    const endpoints = kubernetes('endpoints') as Endpoints[];
    return Prometheus.#run('prometheus', folder, shipped, (job, i) => {
      const [discovery] = job.kubernetes_sd_configs ?? [];
      const found = discovery?.role === 'pod' ? pods : endpointTargets(endpoints, discovery?.namespaces?.names ?? []);
      const file = join(folder, `targets-${i}.json`);
      writeFileSync(file, JSON.stringify(found));
      delete job.kubernetes_sd_configs;
      job.file_sd_configs = [{ files: [file] }];
    });
  }
  /** One that was built with discovery for Kubernetes: it finds its targets itself, from the API server of `kubeconfig`. */
  static async discovering(binary: string, folder: string, shipped: string, kubeconfig: string): Promise<Prometheus> {
    return Prometheus.#run(binary, folder, shipped, (job) => {
      job.kubernetes_sd_configs = (job.kubernetes_sd_configs ?? []).map((one) => ({ ...one, kubeconfig_file: kubeconfig }));
    });
  }
  static async #run(
    binary: string,
    folder: string,
    shipped: string,
    place: (job: ScrapeConfig, index: number) => void,
  ): Promise<Prometheus> {
    const config: { global: object; scrape_configs: ScrapeConfig[] } = parse(readFileSync(shipped, 'utf8'));
    config.scrape_configs.forEach(place);
    config.global = { scrape_interval: '4s', scrape_timeout: '4s' };
    const file = join(folder, 'prometheus.yaml');
    writeFileSync(file, stringify(config));
    const port = await freePort();
    const args = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`];
    const child = spawn(binary, [...args, '--enable-feature=exemplar-storage'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (bytes: Buffer) => (log += bytes.toString()));
    const failed = once(child, 'error').then(([error]) => Promise.reject(new Error(`prometheus (apt-get install prometheus): ${error}`)));
    const url = `http://127.0.0.1:${port}`;
    await Promise.race([failed, ready(url, () => log)]);
    return new Prometheus(url, child);
  }
  async query(expr: string): Promise<Series[]> {
    const response = await fetch(`${this.url}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const answer: { status: string; error?: string; data: { result: { metric: Record<string, string>; value: [number, string] }[] } } =
      JSON.parse(await response.text());
    if (answer.status !== 'success') throw new Error(`${expr}: ${answer.error}`);
    return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }
  /** The sum of all series, 0 when there is none. */
  async sum(expr: string): Promise<number> {
    return (await this.query(`sum(${expr})`))[0]?.value ?? 0;
  }
  async labelValues(metric: string, label: string): Promise<string[]> {
    const response = await fetch(`${this.url}/api/v1/label/${label}/values?match[]=${encodeURIComponent(metric)}`);
    const answer: { data: string[] } = JSON.parse(await response.text());
    return answer.data;
  }
  /** Trace IDs of the exemplars that it has kept. */
  async exemplars(expr: string): Promise<string[]> {
    const end = Date.now() / 1000;
    const query = new URLSearchParams({ query: expr, start: String(end - 600), end: String(end) });
    const response = await fetch(`${this.url}/api/v1/query_exemplars?${query}`);
    const answer: { data: { exemplars: { labels: { trace_id?: string } }[] }[] } = JSON.parse(await response.text());
    return answer.data.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id ?? ''));
  }
  async targets(): Promise<{ job: string; url: string; health: string; error: string }[]> {
    const response = await fetch(`${this.url}/api/v1/targets`);
    const answer: { data: { activeTargets: { labels: { job: string }; scrapeUrl: string; health: string; lastError: string }[] } } =
      JSON.parse(await response.text());
    return answer.data.activeTargets.map(({ labels, scrapeUrl, health, lastError }) => ({
      job: labels.job,
      url: scrapeUrl,
      health,
      error: lastError,
    }));
  }
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }
}

async function ready(url: string, log: () => string): Promise<void> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; ) {
    const up = await fetch(`${url}/-/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`prometheus is not ready; it printed:\n${log()}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
