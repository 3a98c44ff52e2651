import type { Command } from 'commander';
import type { CaOptions, RotateOptions } from './run.ts';

export function addCa(program: Command): void {
  const ca = program.command('ca').description("The mesh's certificate authority: its roots, their rotation, revocation");
  const own = (command: Command) =>
    command
      .option('-c, --kubeconfig <file>', 'kubeconfig')
      .option('--context <name>', 'context of the kubeconfig')
      .option('-i, --istioNamespace <namespace>', 'namespace of the control plane', 'istio-system')
      .option('--ca-dir <directory>', 'the directory of a Citadel that runs without an API server')
      .option('-o, --output <format>', 'table, json or yaml');
  own(ca.command('status').description('Which roots are trusted, which signs, and whom a rotation waits for')).action(
    async (options: CaOptions) => (await import('./run.ts')).runStatus(options),
  );
  own(ca.command('rotate').description('Go over to a new root without a broken request, or steer the rotation that goes on'))
    .option('--pause', 'stop before the next phase')
    .option('--resume', 'go on')
    .option('--step', 'begin, or go on by one phase, and stop before the next')
    .option('--rollback', 'go back to the root that signed before')
    .option('--skip <id>', 'do not wait for an instance or an identity; it may be cut off')
    .option('--wait', 'wait until the rotation has ended, or has made its step')
    .option('--timeout <seconds>', 'how long --wait waits', '600')
    .action(async (options: RotateOptions) => (await import('./run.ts')).runRotate(options));
  own(ca.command('revoke <serial-or-id>').description('Revoke a certificate by its serial number, or all of a SPIFFE ID')).action(
    async (what: string, options: CaOptions) => (await import('./run.ts')).runRevoke(what, options),
  );
}
