/**
 * Prints what is wrong with dashboards by the types that Grafana publishes: `node grafana-schema.mjs PACKAGES FILE…`. PACKAGES is a folder
 * with @grafana/schema, @grafana/grafana-foundation-sdk, ts-json-schema-generator and ajv in its node_modules.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , packages = '', ...files] = process.argv;
const found = createRequire(join(packages, 'package.json'));
const { createGenerator } = await import(pathToFileURL(found.resolve('ts-json-schema-generator')).href);
const { default: Ajv } = await import(pathToFileURL(found.resolve('ajv')).href);

const raw = '@grafana/schema/dist/types/raw';
const panel = (type, name) => [name, `${raw}/composable/${type}/panelcfg/x/types.gen`];
const types = {
  dashboard: ['Dashboard', `${raw}/dashboard/x/types.gen`],
  row: ['RowPanel', `${raw}/dashboard/x/types.gen`],
  panel: ['Panel', `${raw}/dashboard/x/types.gen`],
  query: ['Dataquery', '@grafana/grafana-foundation-sdk/dist/prometheus/types.gen'],
  'timeseries options': panel('timeseries', 'Options'),
  'timeseries field': panel('timeseries', 'FieldConfig'),
  'stat options': panel('stat', 'Options'),
  'table options': panel('table', 'Options'),
  'table field': panel('table', 'FieldConfig'),
};

const folder = join(packages, 'wanted');
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({ compilerOptions: { module: 'esnext', moduleResolution: 'bundler', strict: true, skipLibCheck: true }, include: ['*.ts'] }),
);
const ajv = new Ajv({ allErrors: true, strict: false });
const validators = new Map();
/** One file and one schema for each type: some have the same name. */
function validatorOf(what) {
  const known = validators.get(what);
  if (known !== undefined) return known;
  const [name, module] = types[what];
  const path = join(folder, `${what.replace(' ', '-')}.ts`);
  writeFileSync(path, `import type { ${name} as Found } from '../node_modules/${module}';\nexport type Wanted = Found;\n`);
  const options = { path, tsconfig: join(folder, 'tsconfig.json'), type: 'Wanted', skipTypeCheck: true, additionalProperties: false };
  const validator = ajv.compile(createGenerator(options).createSchema('Wanted'));
  validators.set(what, validator);
  return validator;
}

/** Grafana writes it into what it exports, and its newer schema has it. */
const isDefinition = ({ params }) => params.additionalProperty === 'definition';

function check(what, value, where) {
  const validate = validatorOf(what);
  if (validate(value)) return;
  for (const error of validate.errors)
    if (!isDefinition(error)) console.log(`${where}: ${what}${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
}

for (const file of files) {
  const { panels, ...dashboard } = JSON.parse(readFileSync(file, 'utf8'));
  check('dashboard', { ...dashboard, panels: [] }, basename(file));
  for (const { targets = [], options, ...rest } of panels) {
    const where = `${basename(file)} “${rest.title}”`;
    if (rest.type === 'row') {
      check('row', rest, where);
      continue;
    }
    check('panel', rest, where);
    for (const target of targets) check('query', target, where);
    check(`${rest.type} options`, options, where);
    if (rest.type !== 'stat') check(`${rest.type} field`, rest.fieldConfig.defaults.custom, where);
  }
}
