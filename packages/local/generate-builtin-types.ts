// Writes src/apiserver/gen/builtin-types.json: the fields of built-in kinds, read from the client library's models.
import { mkdirSync, writeFileSync } from 'node:fs';
import * as client from '@kubernetes/client-node';
import { BUILTIN_RESOURCES } from './src/apiserver/builtin-resources.ts';

interface Attribute {
  readonly baseName: string;
  readonly type: string;
}

const models = new Map<string, unknown>(Object.entries(client));
const SPECIAL: Readonly<Record<string, string>> = { Event: 'CoreV1Event' };

function attributes(name: string): Attribute[] | undefined {
  const model = models.get(name);
  if (typeof model !== 'function' || !('getAttributeTypeMap' in model) || typeof model.getAttributeTypeMap !== 'function') return undefined;
  const list: unknown = model.getAttributeTypeMap();
  // The client library's generated table has this shape for every model.
  return Array.isArray(list) ? (list as Attribute[]) : undefined;
}

function compact(type: string, queue: string[]): string {
  const list = /^Array<(.*)>$/.exec(type);
  if (list !== null) return `[${compact(list[1] ?? '', queue)}`;
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map !== null) return `{${compact(map[1] ?? '', queue)}`;
  if (/^V\d|^CoreV1|^RbacV1|^Discovery|^Storage|^Events/.test(type) && type !== 'V1MicroTime') queue.push(type);
  return type;
}

const roots: Record<string, string> = {};
const types: Record<string, Record<string, string>> = {};
const queue: string[] = [];
for (const { id, kind, versions } of BUILTIN_RESOURCES) {
  const version = versions[0]?.name ?? 'v1';
  const name = SPECIAL[kind] ?? `V${version.slice(1)}${kind}`;
  if (attributes(name) === undefined) continue;
  roots[id] = name;
  queue.push(name);
}
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  if (types[name] !== undefined) continue;
  types[name] = Object.fromEntries((attributes(name) ?? []).map(({ baseName, type }) => [baseName, compact(type, queue)]));
}
mkdirSync(new URL('./src/apiserver/gen/', import.meta.url), { recursive: true });
writeFileSync(new URL('./src/apiserver/gen/builtin-types.json', import.meta.url), `${JSON.stringify({ roots, types })}\n`);
