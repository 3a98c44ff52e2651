import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Packages whose code reads an extension's configuration to do what it says. */
const executing = ['balancing', 'dataplane', 'filters', 'matching', 'telemetry'];

/**
 * Whether the data plane's code handles a configuration type: it uses the message's generated schema, or names the type. Lists
 * of names alone do not count.
 */
export function extensionsInCode(root: string): (typeName: string) => boolean {
  const pattern = `packages/{${executing.join(',')}}/src/**/*.ts`;
  const isList = /(\.spec\.ts|envoy-extension-types\.ts|filter-support\.ts)$/;
  const files = globSync(pattern, { cwd: root }).filter((file) => !isList.test(file));
  const code = files.map((file) => readFileSync(join(root, file), 'utf8'));
  return (typeName) => {
    const dot = typeName.lastIndexOf('.');
    const folder = typeName.slice(0, dot).replaceAll('.', '/');
    const schema = `${typeName.slice(dot + 1)}Schema`;
    const word = new RegExp(`\\b${schema}\\b`);
    return code.some((text) => text.includes(`'${typeName}'`) || (text.includes(`@xebec/protos/${folder}/`) && word.test(text)));
  };
}
