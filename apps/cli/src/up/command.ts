import type { Command } from 'commander';

/** Options of `xebec up`, as commander gives them. */
export interface UpOptions {
  readonly dir: string;
  readonly demo?: boolean;
  readonly samples?: string;
  readonly gatewayPort: string;
  readonly gatewayHttpsPort: string;
  readonly gatewayTcpPort: string;
  readonly capture: string;
  readonly timings?: boolean;
}

export function addUp(program: Command): void {
  program
    .command('up')
    .description('Run the whole mesh on this machine until Ctrl-C')
    .option('--demo', 'with Bookinfo behind the gateway')
    .option('--samples <directory>', 'where --demo finds bookinfo/platform/kube/bookinfo.yaml and its gateway; default: samples/')
    .option('--dir <directory>', 'state, logs and kubeconfig', '.xebec')
    .option('--gateway-port <port>', 'where the gateway listens for HTTP on 127.0.0.1', '8080')
    .option('--gateway-https-port <port>', 'the same for HTTPS', '8443')
    .option('--gateway-tcp-port <port>', 'the same for TCP (31400)', '31400')
    .option('--capture <mode>', 'netns, loopback, or auto for the best that works', 'auto')
    .option('--timings', 'print when each pod was made, started and ready')
    .action(async (options: UpOptions) => {
      const { runUp } = await import('./run.ts');
      await runUp(options);
    });
}

export function addDown(program: Command): void {
  program
    .command('down')
    .description('Stop a mesh that runs elsewhere, or remove what a killed one left')
    .option('--dir <directory>', 'state directory of the mesh', '.xebec')
    .action(async (options: { readonly dir: string }) => {
      const { runDown } = await import('./run.ts');
      await runDown(options.dir);
    });
}
