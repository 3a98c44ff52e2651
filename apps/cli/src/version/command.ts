import { version } from '@xebec/daemon/version';
import type { Command } from 'commander';
import type { KubeOptions } from '../kube/connection.ts';

interface VersionOptions extends KubeOptions {
  readonly output?: string;
  readonly short?: boolean;
  readonly remote: boolean;
  readonly istioNamespace: string;
}

interface Versions {
  readonly client: string;
  readonly dataPlane?: readonly { version: string; proxies: number }[];
  readonly problem?: string;
}

async function collect(options: VersionOptions): Promise<Versions> {
  if (!options.remote) return { client: version() };
  try {
    const [{ loadKubeConfig }, { fetchStatus }] = await Promise.all([import('../kube/connection.ts'), import('../proxy-status/run.ts')]);
    const rows = await fetchStatus(loadKubeConfig(options), options.istioNamespace);
    const counts = new Map<string, number>();
    for (const row of rows) counts.set(row.version, (counts.get(row.version) ?? 0) + 1);
    return { client: version(), dataPlane: [...counts].map(([name, proxies]) => ({ version: name, proxies })) };
  } catch (error) {
    return { client: version(), problem: error instanceof Error ? error.message : String(error) };
  }
}

export function addVersion(program: Command): void {
  program
    .command('version')
    .description('Versions of this command, the control plane and the data plane')
    .option('-o, --output <format>', 'json')
    .option('-s, --short', 'only the numbers')
    .option('--no-remote', 'ask nobody else')
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .action(async (options: VersionOptions) => {
      const found = await collect(options);
      if (options.output === 'json') {
        process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
        return;
      }
      if (options.short === true) {
        process.stdout.write(`${found.client}\n`);
        return;
      }
      const lines = [`client version: ${found.client}`];
      if (found.problem !== undefined) lines.push(`control plane: ${found.problem}`);
      else if (found.dataPlane !== undefined) {
        lines.push(`control plane version: ${found.client}`);
        lines.push(
          `data plane version: ${found.dataPlane.map((entry) => `${entry.version} (${entry.proxies} proxies)`).join(', ') || 'none'}`,
        );
      }
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
