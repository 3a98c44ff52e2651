import { nearest } from '@xebec/core';
import { allJsonSchema, type JsonSchema, kinds, settingsJsonSchemas, toJsonSchema } from '@xebec/schemas';
import { CommandFailure, EXIT } from '../exit.ts';

/** Prints the schema of what is named as `kubectl` would name it; without a name, of all kinds. */
export function run(name: string | undefined): void {
  process.stdout.write(`${JSON.stringify(name === undefined ? allJsonSchema() : schemaOf(name), undefined, 2)}\n`);
}

export function schemaOf(name: string): JsonSchema {
  const wanted = name.toLowerCase();
  const kind = kinds.find(
    ({ group, kind: own, plural, shortNames }) =>
      [own.toLowerCase(), plural, `${plural}.${group}`].includes(wanted) || shortNames.includes(wanted),
  );
  if (kind !== undefined) return toJsonSchema(kind);
  const settings = Object.entries(settingsJsonSchemas()).find(([own]) => own.toLowerCase() === wanted)?.[1];
  if (settings !== undefined) return settings;
  const names = [...kinds.map((known) => known.kind), ...Object.keys(settingsJsonSchemas())];
  const suggestion = nearest(name, names);
  throw new CommandFailure(
    `"${name}" is no kind of the mesh${suggestion === undefined ? `; there are ${names.join(', ')}` : `; did you mean "${suggestion}"?`}`,
    EXIT.usage,
  );
}
