import type { AdapterTemplate } from './service-names.ts';

const DECISION = {
  CHECK: (name: string) => `  /** Whether the call may go on. */
  ${name}(instance: Instance): Decision {
    if (Object.values(instance).includes('blocked')) return { code: 7, message: 'blocked by the adapter' };
    return { code: 0, message: '' };
  },`,
  QUOTA: (name: string) => `  /** How much of what is asked for may be taken. */
  ${name}(_instance: Instance, { amount, bestEffort }: QuotaWanted): number {
    const most = 10;
    if (amount <= most) return amount;
    return bestEffort ? most : 0;
  },`,
  REPORT: (name: string) => `  /** What happened; it is called once for a batch. */
  ${name}(instances: readonly Instance[]): void {
    for (const instance of instances) console.log(JSON.stringify({ template: '${name}', ...instance }));
  },`,
};

const HANDLER = {
  CHECK: ({ name }: AdapterTemplate) => `(call, done) => {
    const { code, message } = adapter.${name}(call.request.instance);
    done(null, { status: { code, message }, valid_duration: { seconds: 5, nanos: 0 }, valid_use_count: 1000 });
  }`,
  QUOTA: ({ name }: AdapterTemplate) => `(call, done) => {
    const quotas: Record<string, object> = {};
    for (const [quota, { amount, best_effort }] of Object.entries<Asked>(call.request.quota_request.quotas)) {
      const granted = adapter.${name}(call.request.instance, { amount: Number(amount), bestEffort: best_effort });
      quotas[quota] = { granted_amount: granted, valid_duration: { seconds: 1, nanos: 0 } };
    }
    done(null, { quotas });
  }`,
  REPORT: ({ name }: AdapterTemplate) => `(call, done) => {
    adapter.${name}(call.request.instances);
    done(null, {});
  }`,
};

/** A statement of the new file: written so, it is none of this one. */
const take = (names: string, module: string): string => `import ${names} from '${module}';`;

/** Files by path of an adapter in TypeScript: what it decides, the server around it, a test of both. */
export function typescriptFiles(name: string, templates: readonly AdapterTemplate[]): Readonly<Record<string, string>> {
  const has = (variety: AdapterTemplate['variety']) => templates.some((template) => template.variety === variety);
  return {
    'package.json': `${JSON.stringify(
      {
        name,
        private: true,
        type: 'module',
        engines: { node: '>=24' },
        scripts: { start: 'node server.ts', test: 'node --test' },
        dependencies: { '@grpc/grpc-js': '1.14.7', '@grpc/proto-loader': '0.8.1' },
      },
      undefined,
      2,
    )}\n`,
    'adapter.ts': `/** What Mixer evaluated for an instance: its template's fields, in snake case, and its name. */
export type Instance = Readonly<Record<string, unknown>>;
${has('CHECK') ? '\n/** `code` is a google.rpc.Code: 0 lets pass, 7 is PERMISSION_DENIED. */\nexport interface Decision {\n  readonly code: number;\n  readonly message: string;\n}\n' : ''}${has('QUOTA') ? '\nexport interface QuotaWanted {\n  readonly amount: number;\n  /** Less than the amount is better than nothing. */\n  readonly bestEffort: boolean;\n}\n' : ''}
/** What this adapter does: one function for each template. */
export const adapter = {
${templates.map((template) => DECISION[template.variety](template.name)).join('\n')}
};
`,
    'server.ts': `${take('{ fileURLToPath }', 'node:url')}
${take('{ loadPackageDefinition, Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall }', '@grpc/grpc-js')}
${take('{ loadSync }', '@grpc/proto-loader')}
${take('{ adapter }', './adapter.ts')}

// biome-ignore lint/suspicious/noExplicitAny: messages of files that are loaded at run time
type Message = any;
type Handler = (call: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) => void;
${has('QUOTA') ? 'type Asked = { amount: string; best_effort: boolean };\n' : ''}
const files = ${JSON.stringify(templates.map((template) => `istio/mixer/template/${template.name}.proto`)).replaceAll('"', "'")};
export const protos: Message = loadPackageDefinition(
  loadSync(files, { includeDirs: [fileURLToPath(new URL('proto', import.meta.url))], keepCase: true, longs: String, defaults: true }),
);

const handlers: Record<string, Record<string, Handler>> = {
${templates.map((template) => `  ${template.name}: { Handle${template.call}: ${HANDLER[template.variety](template)} },`).join('\n')}
};
const services: Record<string, string> = {
${templates.map((template) => `  ${template.name}: 'Handle${template.call}Service',`).join('\n')}
};

/** Serves the adapter; resolves to the server and the port it got. */
export async function serve(address: string): Promise<{ server: Server; port: number }> {
  const server = new Server();
  for (const [template, methods] of Object.entries(handlers)) server.addService(protos[template][services[template] ?? ''].service, methods);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  return { server, port };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const address = process.argv[2] ?? '0.0.0.0:9070';
  const { server, port } = await serve(address);
  console.log(JSON.stringify({ adapter: '${name}', listening: port }));
  process.once('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
}
`,
    'adapter.test.ts': `${take('assert', 'node:assert/strict')}
${take('{ test }', 'node:test')}
${take('{ credentials }', '@grpc/grpc-js')}
${take('{ protos, serve }', './server.ts')}

// biome-ignore lint/suspicious/noExplicitAny: messages of files that are loaded at run time
type Message = any;

async function call(template: string, method: string, request: object): Promise<Message> {
  const { server, port } = await serve('127.0.0.1:0');
  const client = new protos[template][\`\${method}Service\`](\`127.0.0.1:\${port}\`, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) =>
      client[method](request, (error: Error | null, answer: Message) => (error === null ? resolve(answer) : reject(error))),
    );
  } finally {
    client.close();
    server.forceShutdown();
  }
}
${templates.map(testOf).join('')}`,
  };
}

function testOf({ name, call, variety }: AdapterTemplate): string {
  const ask = (request: string) => `await call('${name}', 'Handle${call}', ${request})`;
  if (variety === 'CHECK')
    return `
test('${name} lets pass', async () => {
  const answer = ${ask("{ instance: { name: 'test' } }")};
  assert.equal(answer.status.code, 0);
  assert.equal(answer.valid_use_count, 1000);
});
`;
  if (variety === 'QUOTA')
    return `
test('${name} grants what it has', async () => {
  const quota_request = { quotas: { few: { amount: 4 }, many: { amount: 40, best_effort: true } } };
  const { quotas } = ${ask("{ instance: { name: 'test' }, quota_request }")};
  assert.deepEqual([quotas.few.granted_amount, quotas.many.granted_amount], ['4', '10']);
});
`;
  return `
test('${name} takes a batch', async () => {
  assert.deepEqual(${ask("{ instances: [{ name: 'one' }, { name: 'two' }] }")}, {});
});
`;
}
