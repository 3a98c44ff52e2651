import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkScope } from '../policy-scope.ts';
import type { WasmPluginSpec } from './spec.ts';

const SCHEMES: ReadonlySet<string> = new Set(['file', 'http', 'https', 'oci']);
const MAX_SECRET = 253;
const MAX_NAME = 256;

interface WasmModule {
  readonly url?: string | undefined;
  readonly sha256?: string | undefined;
  readonly imagePullSecret?: string | undefined;
  readonly pluginName?: string | undefined;
  readonly vmConfig?: WasmPluginSpec['vmConfig'] | undefined;
}

export function checkWasmPlugin({ spec }: ConfigObject<WasmPluginSpec>): Findings {
  const findings = new FindingList();
  checkScope(spec, findings);
  checkWasm(spec, ['spec'], findings);
  return findings;
}

/** Where a module comes from and what it is given. */
export function checkWasm(spec: WasmModule, path: readonly PropertyKey[], findings: FindingList): void {
  for (const field of ['imagePullSecret', 'pluginName'] as const)
    if (spec[field] === '') findings.error([...path, field], 'must not be empty; leave it out otherwise');
  const { imagePullSecret = '', pluginName = '', sha256 = '', url = '' } = spec;
  findings.refuse([...path, 'url'], urlProblem(url));
  if (sha256 !== '' && !/^[a-f0-9]{64}$/.test(sha256))
    findings.error([...path, 'sha256'], `"${sha256}" is not 64 hexadecimal digits, 0-9 and a-f`);
  if (imagePullSecret.length > MAX_SECRET) findings.error([...path, 'imagePullSecret'], `longer than ${MAX_SECRET} characters`);
  if (pluginName.length > MAX_NAME) findings.error([...path, 'pluginName'], `longer than ${MAX_NAME} characters`);
  const names = new Set<string>();
  for (const [index, { name, value = '', valueFrom = 'INLINE' }] of (spec.vmConfig?.env ?? []).entries()) {
    const at = [...path, 'vmConfig', 'env', index];
    if (name === '') findings.error([...at, 'name'], 'must not be empty');
    if (name.length > MAX_NAME) findings.error([...at, 'name'], `longer than ${MAX_NAME} characters`);
    if (names.has(name)) findings.error([...at, 'name'], `"${name}" stands twice`);
    names.add(name);
    if (valueFrom === 'HOST' && value !== '') findings.error([...at, 'value'], 'cannot be set with valueFrom HOST');
  }
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'must be set';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (/[\u0000-\u0020\u007f]|%(?![0-9a-fA-F]{2})/.test(url)) return `"${url}" is not a URL`;
  if (url.startsWith(':')) return `"${url}" is not a URL: its scheme is missing`;
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && !SCHEMES.has(scheme)) return `"${scheme}" is none of ${[...SCHEMES].join(', ')}`;
  return undefined;
}
