import type { DescMessage, JsonValue } from '@bufbuild/protobuf';
import type { DataplaneState } from '../dataplane-state.ts';
import { type DumpSection, dumpSections } from './config-dump-sections.ts';
import { fieldNamed, isValidElementMask, isValidMask, masked, parseFieldMask } from './field-mask.ts';
import type { AdminReply } from './handlers.ts';
import { whyNot } from './stats-page.ts';

/** `/config_dump`: everything in force as protobuf JSON; `resource`, `mask`, `name_regex` and `include_eds` as Envoy reads them. */
export function configDump(query: URLSearchParams, state: DataplaneState): AdminReply {
  const pattern = query.get('name_regex');
  let named: RegExp | undefined;
  try {
    named = pattern === null || pattern === '' ? undefined : new RegExp(`^(?:${pattern})$`);
  } catch {
    return wrong(400, `INVALID_ARGUMENT: Error while parsing name_regex from ${pattern}: ${whyNot(pattern ?? '')}`);
  }
  const sections = dumpSections(state, query.has('include_eds'));
  const resource = query.get('resource');
  if (resource !== null) return oneResource(sections, resource, query.get('mask'), named);
  return allSections(sections, query.get('mask'), named);
}

function allSections(sections: readonly DumpSection[], mask: string | null, named: RegExp | undefined): AdminReply {
  const chosen = sections.map(({ schema, json }) => ({ schema, json: named === undefined ? json : onlyNamed(schema, json, named) }));
  if (mask === null) return reply(chosen.map(({ json }) => json));
  const paths = parseFieldMask(mask);
  const fitting = chosen.filter(({ schema }) => isValidMask(schema, paths));
  if (fitting.length === 0) return wrong(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
  return reply(fitting.map(({ json }) => masked(json, paths)));
}

/** The elements of one list of a section. */
function oneResource(sections: readonly DumpSection[], resource: string, mask: string | null, named: RegExp | undefined): AdminReply {
  for (const { schema, json } of sections) {
    const field = fieldNamed(schema, resource);
    if (field === undefined) continue;
    if (field.fieldKind !== 'list' || field.listKind !== 'message')
      return wrong(400, `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`);
    const element = field.message;
    const paths = mask === null ? undefined : parseFieldMask(mask);
    if (paths !== undefined && !isValidElementMask(element, paths)) return wrong(400, `FieldMask ${mask} could not be successfully used.`);
    const items = asObject(json)[resource];
    const kept = (Array.isArray(items) ? items : []).filter((item) => named === undefined || named.test(nameOf(item)));
    return reply(
      kept.map((item) => {
        const typed = { '@type': `type.googleapis.com/${element.typeName}`, ...asObject(item) };
        return paths === undefined ? typed : masked(typed, paths);
      }),
    );
  }
  return wrong(404, `${resource} not found in config dump`);
}

/** A section whose lists of resources hold only what has a matching name. */
function onlyNamed(schema: DescMessage, section: JsonValue, named: RegExp): JsonValue {
  const kept: [string, JsonValue][] = [];
  for (const [key, value] of Object.entries(asObject(section))) {
    if (!Array.isArray(value) || fieldNamed(schema, key)?.fieldKind !== 'list') kept.push([key, value]);
    else {
      const items = value.filter((item) => named.test(nameOf(item)));
      if (items.length > 0) kept.push([key, items]);
    }
  }
  return Object.fromEntries(kept);
}

function reply(configs: readonly JsonValue[]): AdminReply {
  const value = configs.length === 0 ? {} : { configs };
  return { type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` };
}

const wrong = (status: number, body: string): AdminReply => ({ status, type: 'text/plain', body });

function asObject(value: JsonValue): { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

/** The name of a dumped item: its own, or that of the resource inside it. */
function nameOf(item: JsonValue): string {
  const own = asObject(item);
  if (typeof own['name'] === 'string') return own['name'];
  for (const value of Object.values(own)) {
    const inner = asObject(value);
    const name = inner['name'] ?? inner['cluster_name'];
    if (typeof name === 'string') return name;
  }
  return '';
}
