import { errorText, XebecError } from '@xebec/core';
import { type CapturePlan, capturePlan, cleanupPlan, type IptablesOptions, parseIptablesArguments } from '@xebec/injection';
import { runTool } from './run-tool.ts';
import { validateCapture } from './validate-capture.ts';

export interface CaptureCommandOptions {
  /** Arguments after `istio-iptables` or `istio-clean-iptables`. */
  readonly args: readonly string[];
  /** `clean`: removes and adds nothing, whatever the flags say. */
  readonly verb: 'apply' | 'clean';
  readonly isRoot: boolean;
  write(text: string): void;
  writeError(text: string): void;
}

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 64;
/** What istio-iptables ends with when traffic is not redirected. */
const EXIT_VALIDATION = 126;

/** Runs `istio-iptables` or `istio-clean-iptables` with their flags; resolves with the exit code. */
export async function runCaptureCommand(command: CaptureCommandOptions): Promise<number> {
  const name = command.verb === 'apply' ? 'istio-iptables' : 'istio-clean-iptables';
  let options: IptablesOptions;
  try {
    options = parseIptablesArguments(command.args);
  } catch (error) {
    command.writeError(`${name}: ${errorText(error)}\n`);
    return EXIT_USAGE;
  }
  const plan = capturePlan(options);
  const cleans = command.verb === 'clean' || options.cleanupOnly;
  if (options.dryRun) {
    command.write(cleans ? 'removes the chains ISTIO_* and every jump to them\n' : planText(plan));
    return EXIT_OK;
  }
  if (!command.isRoot) {
    command.writeError(`${name}: rules need root (CAP_NET_ADMIN); run it as root, or see the rules with --dry-run\n`);
    return EXIT_FAILURE;
  }
  try {
    if (!options.skipRuleApply) {
      const tools = captureTools(options);
      await tools.clean();
      if (!cleans) await tools.apply(plan);
    }
  } catch (error) {
    command.writeError(`${name}: ${errorText(error)}\n`);
    return EXIT_FAILURE;
  }
  if (cleans || !options.runValidation) return EXIT_OK;
  const problem = await validateCapture(options);
  if (problem === undefined) return EXIT_OK;
  command.writeError(`${name}: ${problem}\n`);
  return EXIT_VALIDATION;
}

function planText(plan: CapturePlan): string {
  const routes = [...plan.routes4.map((line) => `ip ${line}\n`), ...plan.routes6.map((line) => `ip -6 ${line}\n`)];
  return `${plan.ipv4}${plan.ipv6 === '' ? '' : `# IPv6\n${plan.ipv6}`}${routes.join('')}`;
}

/** The rules and routes of one network namespace, changed by iptables-save, iptables-restore and ip. */
export function captureTools(options: IptablesOptions) {
  const enter = options.networkNamespace === '' ? [] : ['nsenter', `--net=${options.networkNamespace}`, '--'];
  const flavour = options.forceBinary.replace(/^iptables-?/, '');
  const tool = (family: '' | '6', verb: 'save' | 'restore') => `ip${family}tables-${flavour === '' ? '' : `${flavour}-`}${verb}`;
  const call = async (command: readonly string[], input?: string): Promise<string> => {
    const [program = '', ...args] = [...enter, ...command];
    const done = await runTool(program, args, input);
    if (done.code !== 0) {
      throw new XebecError('E_NETWORK', `${command.join(' ')} failed: ${done.stderr.trim().slice(0, 500) || `exit code ${done.code}`}`);
    }
    return done.stdout;
  };
  const removeRoutes = async (family: readonly string[]) => {
    const { tproxyMark, tproxyRouteTable } = options;
    // Absent ones are no failure.
    for (const line of [
      ['rule', 'del', 'fwmark', tproxyMark, 'lookup', tproxyRouteTable],
      ['route', 'flush', 'table', tproxyRouteTable],
    ]) {
      await call(['ip', ...family, ...line]).catch(() => '');
    }
  };
  return {
    /** Removes what an earlier run left; other rules stay. */
    async clean(): Promise<void> {
      for (const family of ['', '6'] as const) {
        // Without IPv6 in the kernel there is nothing of it to remove.
        const saved = await call([tool(family, 'save')]).catch((error: unknown) => {
          if (family === '') throw error;
          return '';
        });
        const { rules } = cleanupPlan(saved);
        if (rules !== '') await call([tool(family, 'restore'), '--noflush'], rules);
      }
      if (options.mode !== 'TPROXY' && !options.cleanupOnly) return;
      await removeRoutes([]);
      await removeRoutes(['-6']);
    },
    async apply(plan: CapturePlan): Promise<void> {
      if (plan.ipv4 !== '') await call([tool('', 'restore'), '--noflush'], plan.ipv4);
      if (plan.ipv6 !== '') await call([tool('6', 'restore'), '--noflush'], plan.ipv6);
      if (plan.routes4.length > 0) await call(['ip', '-batch', '-'], `${plan.routes4.join('\n')}\n`);
      if (plan.routes6.length > 0) await call(['ip', '-6', '-batch', '-'], `${plan.routes6.join('\n')}\n`);
    },
  };
}
