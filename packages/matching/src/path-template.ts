import { XebecError } from '@xebec/core';
import { compileRegex } from './regex.ts';

export interface PathTemplate {
  readonly source: string;
  readonly variables: readonly string[];
  /** The variables' values, or undefined when the path does not match. */
  match(path: string): ReadonlyMap<string, string> | undefined;
}

const segmentPattern = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=]+";
const glob: Readonly<Record<string, string>> = { '*': segmentPattern, '**': `(?:[a-zA-Z0-9\\-._~%!$&'()+,;:@/=]*)` };
const maxSegments = 64;

/**
 * Compiles a URI template: literals, `*` (one segment), `**` (any number, last), `{name}`, `{name=pattern}`
 * (Envoy: envoy.path.match.uri_template). Istio's `{*}` and `{**}` are accepted as unnamed forms.
 */
export function compilePathTemplate(source: string): PathTemplate {
  if (!source.startsWith('/')) throw new XebecError('E_PATH_TEMPLATE', `path template "${source}" must start with "/"`);
  const variables: string[] = [];
  let regex = '';
  let count = 0;
  for (let i = 0; i < source.length; ) {
    const character = source.charAt(i);
    if (character === '/') {
      if (++count > maxSegments) throw new XebecError('E_PATH_TEMPLATE', `path template "${source}" has too many segments`);
      regex += '/';
      i++;
    } else if (character === '{') {
      const end = source.indexOf('}', i);
      if (end === -1) throw new XebecError('E_PATH_TEMPLATE', `path template "${source}" has an unclosed "{"`);
      const [name = '', pattern = '*'] = source.slice(i + 1, end).split('=');
      if (glob[name] !== undefined) regex += glob[name];
      else {
        if (!/^[a-zA-Z][a-zA-Z0-9_]{0,15}$/.test(name) || variables.includes(name)) {
          throw new XebecError('E_PATH_TEMPLATE', `path template "${source}" has a bad or repeated variable name "${name}"`);
        }
        variables.push(name);
        regex += `(${globs(pattern)})`;
      }
      i = end + 1;
    } else {
      const end = /[/{]/.exec(source.slice(i));
      const piece = end === null ? source.slice(i) : source.slice(i, i + end.index);
      regex += globs(piece);
      i += piece.length;
    }
  }
  const compiled = compileRegex(`^${regex}$`);
  return {
    source,
    variables,
    match(path) {
      if (!compiled.matches(path)) return undefined;
      const values = new Map<string, string>();
      if (variables.length > 0) {
        const marks = variables.map((_, index) => `\\${index + 1}`).join('\n');
        for (const [index, value] of compiled.replace(path, marks).split('\n').entries()) values.set(variables[index] ?? '', value);
      }
      return values;
    },
  };
}

function globs(pattern: string): string {
  return pattern
    .split('/')
    .map((part) => part.replaceAll(/\*\*|\*|[.+?^${}()|[\]\\]/g, (special) => glob[special] ?? `\\${special}`))
    .join('/');
}

/** Compiles a rewrite template such as `/v2/{rest}`; throws when it names a variable that the match has not. */
export function compilePathTemplateRewrite(rewrite: string, template: PathTemplate): (path: string) => string | undefined {
  for (const [, name = ''] of rewrite.matchAll(/\{([^}]*)\}/g)) {
    if (!template.variables.includes(name)) {
      throw new XebecError('E_PATH_TEMPLATE', `rewrite template "${rewrite}" uses "${name}", which "${template.source}" does not capture`);
    }
  }
  return (path) => {
    const values = template.match(path);
    return values === undefined ? undefined : rewrite.replaceAll(/\{([^}]*)\}/g, (_, name: string) => values.get(name) ?? '');
  };
}
