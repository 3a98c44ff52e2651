import type { FindingList } from '../findings.ts';

const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const PREFIX = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*$/;

type Labels = Readonly<Record<string, string>>;

/** Labels as Kubernetes writes them: `[prefix/]name`, values of at most letters, digits, `-`, `_` and `.`. */
export function checkLabels(labels: Labels | undefined, path: readonly PropertyKey[], findings: FindingList): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (!isKey(key)) findings.error([...path, key], `"${key}" is not a label: write [prefix/]name of letters, digits, "-", "_" and "."`);
    if (value !== '' && !NAME.test(value))
      findings.error([...path, key], `"${value}" is not a value of a label: letters, digits, "-", "_" and "."`);
  }
}

function isKey(key: string): boolean {
  const slash = key.lastIndexOf('/');
  const name = key.slice(slash + 1);
  return NAME.test(name) && name.length <= 63 && (slash < 0 || (PREFIX.test(key.slice(0, slash)) && slash <= 253));
}

/** A selector of workloads, which compares whole labels. */
export function checkLabelSelector(labels: Labels | undefined, path: readonly PropertyKey[], findings: FindingList): void {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) findings.warning(path, 'a selector without labels selects every workload of the namespace; leave it out');
  for (const [key, value] of entries) {
    if (key === '') findings.error(path, `the label of "=${value}" has no name`);
    if (key.includes('*') || value.includes('*')) findings.error(path, `"${key}=${value}": wildcards are not supported in a selector`);
  }
}
