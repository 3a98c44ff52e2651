import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { json, type Reply, type Request, type Route, text } from '@xebec/microservice';

const MAX_BYTES = 1 << 20;
const MAX_DELAY_S = 10;
const MAX_REDIRECTS = 20;

/** Every name with the list of its values, in order. */
function grouped(pairs: Iterable<[string, string]>): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const [name, value] of pairs) groups[name] = [...(groups[name] ?? []), value];
  return groups;
}

/** Header values as go-httpbin shows them: canonical names, each with a list. */
function canonicalHeaders(request: Request): Record<string, string[]> {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < request.raw.rawHeaders.length; i += 2) {
    const name = (request.raw.rawHeaders[i] ?? '').toLowerCase().replaceAll(/(^|-)([a-z])/g, (part) => part.toUpperCase());
    pairs.push([name, request.raw.rawHeaders[i + 1] ?? '']);
  }
  return grouped(pairs);
}

function origin(request: Request): string {
  const forwarded = request.headers['x-forwarded-for'];
  return String(forwarded ?? request.raw.socket.remoteAddress ?? '')
    .split(',')[0]
    ?.trim() as string;
}

function describeRequest(request: Request): Record<string, unknown> {
  return {
    args: grouped(request.query),
    headers: canonicalHeaders(request),
    method: request.method,
    origin: origin(request),
    url: `http://${request.headers.host ?? 'localhost'}${request.raw.url ?? '/'}`,
  };
}

function describeBody(request: Request): Record<string, unknown> {
  const type = request.headers['content-type'] ?? '';
  const form = type.startsWith('application/x-www-form-urlencoded') ? new URLSearchParams(request.body) : new URLSearchParams();
  let parsed: unknown = null;
  try {
    if (type.includes('json')) parsed = JSON.parse(request.body);
  } catch {
    parsed = null;
  }
  return { ...describeRequest(request), data: request.body, files: {}, form: grouped(form), json: parsed };
}

function number(textValue: string | undefined, max: number): number | undefined {
  const value = Number(textValue);
  return textValue !== undefined && Number.isFinite(value) && value >= 0 ? Math.min(value, max) : undefined;
}

function status(request: Request): Reply {
  const code = Number(request.params['code']);
  if (!Number.isInteger(code) || code < 200 || code > 599) return text('Invalid status code', 400);
  const headers: Record<string, string> = code >= 300 && code < 400 ? { location: '/redirect/1' } : {};
  return { status: code, headers, body: '' };
}

async function delay(request: Request): Promise<Reply> {
  const seconds = number(request.params['seconds'], MAX_DELAY_S);
  if (seconds === undefined) return text('Invalid delay', 400);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return json(describeBody(request));
}

function redirect(request: Request): Reply {
  const left = number(request.params['n'], MAX_REDIRECTS) ?? 1;
  return { status: 302, headers: { location: left <= 1 ? '/get' : `/redirect/${left - 1}` }, body: '' };
}

function cookies(request: Request): Reply {
  const pairs = (request.headers.cookie ?? '').split(/;\s*/).flatMap((pair) => {
    const at = pair.indexOf('=');
    return at > 0 ? [[pair.slice(0, at), pair.slice(at + 1)]] : [];
  });
  return json(Object.fromEntries(pairs));
}

function basicAuth(request: Request): Reply {
  const wanted = Buffer.from(`${request.params['user']}:${request.params['password']}`).toString('base64');
  if (request.headers.authorization === `Basic ${wanted}`) return json({ authorized: true, user: request.params['user'] });
  return { status: 401, headers: { 'www-authenticate': 'Basic realm="Fake Realm"' }, body: '' };
}

function gzip(request: Request): Reply {
  const body = gzipSync(JSON.stringify({ ...describeRequest(request), gzipped: true }));
  return { status: 200, headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, body };
}

function responseHeaders(request: Request): Reply {
  const wanted = Object.fromEntries(request.query);
  return json(wanted, 200, wanted);
}

/** The part of go-httpbin that the walkthrough and users' checks call. */
export const routes: readonly Route[] = [
  { method: 'GET', path: '/', handle: () => text('httpbin stand-in of Xebec: /get /post /headers /ip /status/:code /delay/:seconds …\n') },
  { method: 'GET', path: '/get', handle: (request) => json(describeRequest(request)) },
  ...['POST', 'PUT', 'PATCH', 'DELETE'].map(
    (method): Route => ({ method, path: `/${method.toLowerCase()}`, handle: (request) => json(describeBody(request)) }),
  ),
  { method: '*', path: '/anything', handle: (request) => json(describeBody(request)) },
  { method: '*', path: '/anything/*', handle: (request) => json(describeBody(request)) },
  { method: 'GET', path: '/headers', handle: (request) => json({ headers: canonicalHeaders(request) }) },
  { method: 'GET', path: '/ip', handle: (request) => json({ origin: origin(request) }) },
  { method: 'GET', path: '/user-agent', handle: (request) => json({ 'user-agent': request.headers['user-agent'] ?? '' }) },
  { method: 'GET', path: '/hostname', handle: () => json({ hostname: process.env['HOSTNAME'] ?? '' }) },
  { method: 'GET', path: '/uuid', handle: () => json({ uuid: randomUUID() }) },
  { method: '*', path: '/status/:code', handle: status },
  { method: '*', path: '/delay/:seconds', handle: delay },
  { method: 'GET', path: '/redirect/:n', handle: redirect },
  { method: 'GET', path: '/cookies', handle: cookies },
  { method: 'GET', path: '/basic-auth/:user/:password', handle: basicAuth },
  { method: 'GET', path: '/gzip', handle: gzip },
  { method: 'GET', path: '/response-headers', handle: responseHeaders },
  {
    method: 'GET',
    path: '/bytes/:n',
    handle: ({ params }) => ({
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(number(params['n'], MAX_BYTES) ?? 0, 'x'),
    }),
  },
  { method: 'GET', path: '/json', handle: () => json({ slideshow: { title: 'Sample Slide Show', slides: [] } }) },
  {
    method: 'GET',
    path: '/html',
    handle: () => ({
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: '<!doctype html><title>httpbin</title><h1>Hello</h1>\n',
    }),
  },
];
