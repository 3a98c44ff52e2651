import type { AdapterTemplate } from './service-names.ts';

const camel = (name: string): string => name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const METHOD = {
  CHECK: `      check: ({ fields }) => {
        const texts = Object.values(fields).flatMap((field) => (field !== undefined && 'type' in field ? [formatValue(field)] : []));
        const blocked = texts.includes(parsed.value.blocked);
        return {
          code: blocked ? PERMISSION_DENIED : 0,
          message: blocked ? \`\${parsed.value.blocked} is blocked\` : '',
          validDurationMs: 5_000,
          validUseCount: 1_000,
        };
      },`,
  QUOTA: `      quota: (_instance, { amount, bestEffort }) => {
        const most = parsed.value.most;
        return { code: 0, message: '', amount: amount <= most ? amount : bestEffort ? most : 0, validDurationMs: 1_000 };
      },`,
  REPORT: `      report: (instances) => {
        for (const { name } of instances) environment.writeLine(\`\${parsed.value.prefix}\${name}\`);
      },`,
};
const PARAM = {
  CHECK: `  /** The value that is refused. */\n  blocked: z.string().default('blocked'),`,
  QUOTA: `  /** Most that one call gets. */\n  most: z.int().min(1).default(10),`,
  REPORT: `  /** What each line begins with. */\n  prefix: z.string().default(''),`,
};
const TEST = {
  CHECK: (name: string) => `  it('refuses one value', async () => {
    const { environment } = testEnvironment();
    const handler = configured(ADAPTER, { blocked: 'v2' }, environment);
    const ask = (value: string) =>
      handler.check?.({ name: 'one.istio-system', template: '${name}', fields: { value: { type: 'STRING', value } } });
    expect(await ask('v2')).toMatchObject({ code: 7, message: 'v2 is blocked' });
    expect(await ask('v1')).toMatchObject({ code: 0 });
  });`,
  QUOTA: (name: string) => `  it('grants what it has', async () => {
    const { environment } = testEnvironment();
    const handler = configured(ADAPTER, { most: 3 }, environment);
    const ask = (amount: number, bestEffort: boolean) =>
      handler.quota?.({ name: 'one.istio-system', template: '${name}', fields: {} }, { amount, bestEffort, deduplicationId: '' });
    expect(await ask(5, true)).toMatchObject({ amount: 3 });
    expect(await ask(5, false)).toMatchObject({ amount: 0 });
  });`,
  REPORT: (name: string) => `  it('writes a line for each instance', () => {
    const { environment, lines } = testEnvironment();
    const handler = configured(ADAPTER, { prefix: '> ' }, environment);
    handler.report?.([{ name: 'one.istio-system', template: '${name}', fields: {} }]);
    expect(lines).toEqual(['> one.istio-system']);
  });`,
};

/** Files by path below `packages/adapters/src/<name>` of an adapter inside of Mixer. */
export function inProcessFiles(name: string, templates: readonly AdapterTemplate[]): Readonly<Record<string, string>> {
  const constant = camel(name);
  const varieties = [...new Set(templates.map(({ variety }) => variety))];
  const first = (variety: AdapterTemplate['variety']) => templates.find((template) => template.variety === variety)?.name ?? '';
  const checks = varieties.includes('CHECK');
  const uses = varieties.includes('REPORT') ? 'environment' : '_environment';
  return {
    'adapter.ts': `import { ok } from '@xebec/core';
${checks ? "import { formatValue } from '@xebec/expressions';\n" : ''}import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { checkBySchema, parseParams } from '../params.ts';
${checks ? '\nconst PERMISSION_DENIED = 7;\n' : ''}
const params = z.strictObject({
${varieties.map((variety) => PARAM[variety]).join('\n')}
});

/** Say here what it does. */
export const ${constant}: AdapterDefinition = {
  name: '${name}',
  templates: [${templates.map((template) => `'${template.name}'`).join(', ')}],
  check: checkBySchema(params),
  configure(raw, ${uses}) {
    const parsed = parseParams(params, raw);
    if (!parsed.ok) return parsed;
    return ok({
${varieties.map((variety) => METHOD[variety]).join('\n')}
      close: () => undefined,
    });
  },
};
`,
    'adapter.spec.ts': `import { describe, expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { ${constant} } from './adapter.ts';

describe('${name}', () => {
${varieties.map((variety) => TEST[variety](first(variety)).replaceAll('ADAPTER', constant)).join('\n')}
  it('names params that it does not know', () => {
    expect(${constant}.check({ unknown: 1 })[0]?.path).toBe('spec.params.unknown');
  });
});
`,
  };
}
