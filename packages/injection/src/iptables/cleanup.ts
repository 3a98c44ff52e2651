/** What is to be taken away from a network namespace, decided from what it has. */
export interface CleanupPlan {
  /** Input of `iptables-restore --noflush`; empty when nothing is there. */
  readonly rules: string;
}

const ownChain = /^(ISTIO_INBOUND|ISTIO_REDIRECT|ISTIO_IN_REDIRECT|ISTIO_OUTPUT|ISTIO_OUTPUT_DNS|ISTIO_DIVERT|ISTIO_TPROXY|ISTIO_DROP)$/;
/** Rules in built-in chains that a capture adds without a jump to its chains: interfaces left out, marks of TPROXY. */
const ownBuiltIn = [
  /^-A (PREROUTING -i|OUTPUT -o) \S+ -j RETURN$/,
  /-j CONNMARK --(save|restore)-mark/,
  /^-A OUTPUT .*-o lo .*--mark \S+ -j RETURN$/,
  /^-A OUTPUT .*-o lo .*--set-xmark 0x53a\//,
];

/**
 * The rules that undo a capture: built-in chains lose their jumps to the capture's chains and its marks, then the chains go. Tables without such
 * chains are left alone.
 * `saved` is the output of `iptables-save`; rules that others made stay.
 */
export function cleanupPlan(saved: string): CleanupPlan {
  const out: string[] = [];
  let table = '';
  let chains: string[] = [];
  let deletions: string[] = [];
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1);
      chains = [];
      deletions = [];
    } else if (line.startsWith(':')) {
      const name = line.slice(1).split(' ')[0] ?? '';
      if (ownChain.test(name)) chains.push(name);
    } else if (line.startsWith('-A ')) {
      const chain = line.split(' ')[1] ?? '';
      if (ownChain.test(chain)) continue;
      const target = / -j (\S+)/.exec(line)?.[1] ?? '';
      if (ownChain.test(target) || ownBuiltIn.some((rule) => rule.test(line))) deletions.push(`-D ${line.slice(3)}`);
    } else if (line === 'COMMIT' && chains.length > 0) {
      out.push(`*${table}`, ...deletions, ...chains.map((chain) => `-F ${chain}`), ...chains.map((chain) => `-X ${chain}`), 'COMMIT');
    }
  }
  return { rules: out.length === 0 ? '' : `${out.join('\n')}\n` };
}
