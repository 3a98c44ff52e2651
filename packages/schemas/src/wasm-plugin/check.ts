import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkScope } from '../policy-scope.ts';
import type { WasmPluginSpec } from './spec.ts';

const SCHEMES: ReadonlySet<string> = new Set(['file', 'http', 'https', 'oci']);
const MAX_SECRET = 253;
const MAX_NAME = 256;

export function checkWasmPlugin({ spec }: ConfigObject<WasmPluginSpec>): Findings {
  const findings = new FindingList();
  checkScope(spec, findings);
  findings.refuse(['spec', 'url'], urlProblem(spec.url));
  const { imagePullSecret = '', pluginName = '', sha256 = '' } = spec;
  if (sha256 !== '' && !/^[a-f0-9]{64}$/.test(sha256))
    findings.error(['spec', 'sha256'], `"${sha256}" is not 64 hexadecimal digits, 0-9 and a-f`);
  if (imagePullSecret.length > MAX_SECRET) findings.error(['spec', 'imagePullSecret'], `longer than ${MAX_SECRET} characters`);
  if (pluginName.length > MAX_NAME) findings.error(['spec', 'pluginName'], `longer than ${MAX_NAME} characters`);
  const names = new Set<string>();
  for (const [index, { name, value = '', valueFrom = 'INLINE' }] of (spec.vmConfig?.env ?? []).entries()) {
    const path = ['spec', 'vmConfig', 'env', index];
    if (name === '') findings.error([...path, 'name'], 'must not be empty');
    if (name.length > MAX_NAME) findings.error([...path, 'name'], `longer than ${MAX_NAME} characters`);
    if (names.has(name)) findings.error([...path, 'name'], `"${name}" stands twice`);
    names.add(name);
    if (valueFrom === 'HOST' && value !== '') findings.error([...path, 'value'], 'cannot be set with valueFrom HOST');
  }
  return findings;
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'must be set';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (/[\u0000-\u0020\u007f]|%(?![0-9a-fA-F]{2})/.test(url)) return `"${url}" is not a URL`;
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && !SCHEMES.has(scheme)) return `"${scheme}" is none of ${[...SCHEMES].join(', ')}`;
  return undefined;
}
