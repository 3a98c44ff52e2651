import { request } from 'node:http';

const TIMEOUT_MS = 20_000;

/** `xebec-proxy request METHOD PATH`: asks the admin interface of the proxy in this pod, as `pilot-agent request` does. */
export async function requestAdmin(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [method, path, body = ''] = argv;
  if (method === undefined || path === undefined) {
    process.stderr.write('usage: xebec-proxy request METHOD PATH [BODY]\n');
    return 64;
  }
  const host = env['XEBEC_APP_ADDRESS'] === undefined ? '127.0.0.1' : (env['INSTANCE_IP'] ?? '127.0.0.1');
  const port = Number(env['XEBEC_ADMIN_PORT'] ?? '15000');
  return await new Promise((resolve) => {
    const fail = (reason: string) => {
      process.stderr.write(`the admin interface at ${host}:${port} does not answer: ${reason}\n`);
      resolve(1);
    };
    const outgoing = request({ host, port, method, path: path.startsWith('/') ? path : `/${path}`, timeout: TIMEOUT_MS }, (response) => {
      response.pipe(process.stdout, { end: false });
      response.once('end', () => resolve((response.statusCode ?? 500) < 400 ? 0 : 1));
      response.once('error', (error) => fail(error.message));
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`nothing within ${TIMEOUT_MS} ms`)));
    outgoing.once('error', (error) => fail(error.message));
    outgoing.end(body);
  });
}
