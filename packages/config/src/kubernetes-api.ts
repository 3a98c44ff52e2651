import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { errorText, XebecError } from '@xebec/core';

/** What a reflector needs of an API server. */
export interface KubernetesApi {
  /** GETs a path; resolves with the decoded body, rejects with an ApiError for any status but 2xx. */
  get(path: string, signal: AbortSignal): Promise<unknown>;
  /** Sends a JSON body and resolves with the decoded answer. */
  send(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body: unknown,
    signal: AbortSignal,
    contentType?: string,
  ): Promise<unknown>;
  /** The lines of a watch, decoded one by one, until the server ends it. */
  watch(path: string, signal: AbortSignal): AsyncIterable<unknown>;
}

/** An answer that is not 2xx. */
export class ApiError extends XebecError {
  readonly status: number;
  constructor(status: number, message: string) {
    super('E_KUBERNETES_API', message);
    this.status = status;
  }
}

/** No line for this long on a watch means that the connection is dead: servers send bookmarks, and we ask for an end before. */
const WATCH_IDLE_MS = 330_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_BODY_BYTES = 256 * 1024 * 1024;

/** The kubeconfig of the pod's service account (below `XEBEC_ROOT`) inside a cluster, else of the file, else the user's own. */
export function loadKubeConfig(file: string, env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  try {
    if (file !== '') config.loadFromFile(file);
    else if (env['KUBERNETES_SERVICE_HOST'] !== undefined) config.loadFromCluster(env['XEBEC_ROOT'] ?? '');
    else config.loadFromDefault();
  } catch (cause) {
    throw new XebecError('E_KUBECONFIG', `cannot read the kubeconfig "${file}"; check --kubeconfig`, { cause });
  }
  if (config.getCurrentCluster() === null) throw new XebecError('E_KUBECONFIG', 'the kubeconfig names no cluster; check --kubeconfig');
  return config;
}

/** Talks to the API server that `config` names. Credentials are read anew for each request: projected tokens are renewed. */
export function createKubernetesApi(config: KubeConfig): KubernetesApi {
  const open = async (
    method: string,
    path: string,
    signal: AbortSignal,
    body: { readonly text: string; readonly contentType: string } | undefined,
    idleMs: number,
  ): Promise<IncomingMessage> => {
    const url = new URL(`${config.getCurrentCluster()?.server ?? ''}${path}`);
    const options: RequestOptions = { method, signal, headers: { accept: 'application/json' } };
    await config.applyToHTTPSOptions(options);
    if (body !== undefined) {
      options.headers = { ...options.headers, 'content-type': body.contentType, 'content-length': Buffer.byteLength(body.text) };
    }
    return await new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve);
      request.setTimeout(idleMs, () => request.destroy(new Error(`no answer from ${url.host} within ${idleMs} ms`)));
      request.on('error', reject);
      request.end(body?.text);
    });
  };
  const call = async (
    method: string,
    path: string,
    signal: AbortSignal,
    body?: { text: string; contentType: string },
  ): Promise<unknown> => {
    const response = await open(method, path, signal, body, REQUEST_TIMEOUT_MS);
    const text = await readAll(response);
    const status = response.statusCode ?? 0;
    if (status < 200 || status >= 300) throw new ApiError(status, `${method} ${path}: ${status} ${messageOf(text)}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    get: (path, signal) => call('GET', path, signal),
    send: (method, path, body, signal, contentType = 'application/json') =>
      call(method, path, signal, body === undefined ? undefined : { text: JSON.stringify(body), contentType }),
    async *watch(path, signal) {
      const response = await open('GET', path, signal, undefined, WATCH_IDLE_MS);
      const status = response.statusCode ?? 0;
      if (status !== 200) throw new ApiError(status, `GET ${path}: ${status} ${messageOf(await readAll(response))}`);
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of response) {
        rest += Buffer.isBuffer(chunk) ? decoder.decode(chunk, { stream: true }) : '';
        if (rest.length > MAX_BODY_BYTES) throw new Error(`a watch event is larger than ${MAX_BODY_BYTES} bytes`);
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') yield JSON.parse(line);
      }
    },
  };
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`answer is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The `message` of a Kubernetes Status, or the start of whatever came. */
function messageOf(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body) return String(body.message);
  } catch (error) {
    return errorText(error) === '' ? '' : text.slice(0, 200);
  }
  return text.slice(0, 200);
}
