import type { FindingList } from '../findings.ts';
import { isDnsLabel } from './names.ts';

interface ExportRules {
  /** ServiceEntries alone may be seen by nobody (`~`). */
  readonly mayHide: boolean;
  /** What is for chosen workloads stays in its namespace. */
  readonly ownNamespaceOnly: boolean;
}

/** Who sees an object: `*`, or namespaces, of which `.` is its own. */
export function checkExportTo(exportTo: readonly string[] | undefined, namespace: string, rules: ExportRules, findings: FindingList): void {
  const entries = exportTo ?? [];
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const path = ['spec', 'exportTo', index];
    const key = entry === '.' ? namespace : entry;
    if (seen.has(key)) findings.error(path, key === entry ? `"${entry}" stands twice` : `"." and "${namespace}" are the same namespace`);
    else if (entry === '~' && rules.mayHide) seen.add(key);
    else if (key === '~') findings.error(path, 'only a ServiceEntry can be hidden from everybody with "~"');
    else if (key === '.' || key === '*' || isDnsLabel(key)) seen.add(key);
    else findings.error(path, `"${entry}" is none of "*", "." and the name of a namespace`);
  }
  const path = ['spec', 'exportTo'];
  if (rules.ownNamespaceOnly && seen.size > 0) {
    if (!seen.has(namespace)) findings.error(path, 'with a workloadSelector the rule cannot be seen beyond its own namespace; write "."');
    else if (seen.size > 1) findings.error(path, 'with a workloadSelector the rule has one entry here, "."');
  }
  if (entries.length > 1 && seen.has('*')) findings.error(path, '"*" is everybody: nothing can stand beside it');
  if (entries.length > 1 && seen.has('~')) findings.error(path, '"~" is nobody: nothing can stand beside it');
}
