// Writes src/apiserver/gen/protobuf-fields.json: field numbers and types of Kubernetes' protobuf messages.
// Arguments: directories of the Go modules k8s.io/api and k8s.io/apimachinery (see `go mod download -json`).
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { BUILTIN_RESOURCES } from './src/apiserver/builtin-resources.ts';

const messages = new Map<string, Map<string, [name: string, type: string]>>();
const SCALARS = new Set(['string', 'bytes', 'bool', 'int32', 'int64', 'uint32', 'uint64', 'double', 'float']);

function readProto(text: string): void {
  const pack = /^package ([\w.]+);/m.exec(text)?.[1] ?? '';
  const qualify = (type: string) =>
    SCALARS.has(type) ? type : type.startsWith('.') ? type.slice(1) : type.includes('.') ? type : `${pack}.${type}`;
  for (const [, message = '', body = ''] of text.matchAll(/^message (\w+) \{\n(.*?)^\}/gms)) {
    const fields = new Map<string, [string, string]>();
    for (const [, label, type = '', name = '', number = ''] of body.matchAll(/^ {2}(optional|repeated) ([\w.]+) (\w+) = (\d+);/gm)) {
      fields.set(number, [name, (label === 'repeated' ? '[' : '') + qualify(type)]);
    }
    for (const [, value = '', name = '', number = ''] of body.matchAll(/^ {2}map<string, ([\w.]+)> (\w+) = (\d+);/gm))
      fields.set(number, [name, `{${qualify(value)}`]);
    messages.set(`${pack}.${message}`, fields);
  }
}

for (const directory of process.argv.slice(2)) {
  for (const file of globSync('**/generated.proto', { cwd: directory })) readProto(readFileSync(`${directory}/${file}`, 'utf8'));
}
const META = 'k8s.io.apimachinery.pkg.apis.meta.v1';
const queue = [
  `${META}.DeleteOptions`,
  'k8s.io.api.autoscaling.v1.Scale',
  'k8s.io.api.authentication.v1.TokenRequest',
  'k8s.io.api.policy.v1.Eviction',
];
for (const { group, kind, versions } of BUILTIN_RESOURCES)
  queue.push(`k8s.io.api.${group === '' ? 'core' : group.split('.')[0]}.${versions[0]?.name}.${kind}`);
const table: Record<string, Record<string, [string, string]>> = {};
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  const fields = messages.get(name);
  if (fields === undefined || table[name] !== undefined) continue;
  table[name] = Object.fromEntries(fields);
  for (const [, type] of fields.values()) queue.push(type.replace(/^[[{]/, ''));
}
const short = JSON.stringify(table)
  .replaceAll(`${META}.`, 'meta.')
  .replaceAll('k8s.io.api.', '')
  .replaceAll('k8s.io.apimachinery.pkg.', '');
writeFileSync(new URL('./src/apiserver/gen/protobuf-fields.json', import.meta.url), `${short}\n`);
