import { parse } from 'yaml';
import type { InjectionParameters } from './parameters.ts';
import type { Pod } from './pod.ts';

type ProxyConfig = Readonly<Record<string, unknown>>;

const ANNOTATION = 'proxy.istio.io/config';
/** An annotation is no place for more. */
const MAX_CHARACTERS = 64 * 1024;

/**
 * The ProxyConfig that the pod's proxy starts with: the mesh's `defaultConfig` with what the pod's annotation `proxy.istio.io/config` says
 * (YAML) over it, object by object; lists and values are replaced. With a warning where the annotation is no object: then it counts for nothing.
 */
export function podProxyConfig(pod: Pod, parameters: InjectionParameters): { readonly config: ProxyConfig; readonly warning?: string } {
  const base = parameters.meshConfig?.defaultConfig ?? {};
  const text = pod.metadata?.annotations?.[ANNOTATION];
  if (text === undefined || text.trim() === '') return { config: base };
  if (text.length > MAX_CHARACTERS) return { config: base, warning: refused(`has more than ${MAX_CHARACTERS} characters`) };
  try {
    // Aliases would make much of little.
    const own: unknown = parse(text, { maxAliasCount: 10 });
    return isObject(own) ? { config: over(base, own) } : { config: base, warning: refused('is no object') };
  } catch (error) {
    return { config: base, warning: refused(`is no YAML (${String(error).split('\n')[0]})`) };
  }
}

function refused(why: string): string {
  return `annotation ${ANNOTATION} ${why}: the proxy starts with the mesh's defaultConfig; write fields of ProxyConfig, such as "concurrency: 2"`;
}

function over(base: ProxyConfig, own: ProxyConfig): ProxyConfig {
  const result = new Map(Object.entries(base));
  for (const [name, value] of Object.entries(own)) {
    const before = result.get(name);
    result.set(name, isObject(before) && isObject(value) ? over(before, value) : value);
  }
  // Object.fromEntries defines fields, so a field called __proto__ is a field.
  return Object.fromEntries(result);
}

function isObject(value: unknown): value is ProxyConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
