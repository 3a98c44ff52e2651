import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Logger } from '@xebec/core';
import { isAllowed } from './authorization.ts';
import { readBody } from './body.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, KUBERNETES_VERSION } from './discovery.ts';
import { type DeleteOptions, decodeObject, type ObjectEngine, type PatchType, type UserInfo, type WriteContext } from './engine.ts';
import { isObject, type Json, type JsonObject, type KubeObject, numberAt, textAt } from './object.ts';
import { OPENAPI_V2, openApiV2Protobuf, openApiV3Document, openApiV3Index } from './openapi.ts';
import { atVersion } from './registry.ts';
import { parseResourcePath, type ResourcePath, verbOf } from './request.ts';
import { apiVersionOf } from './resource.ts';
import { answerReview, answerTokenRequest, type ReviewServices } from './reviews.ts';
import { scaleOf, withScale } from './scale.ts';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';
import { ApiError, badRequest, forbidden, internalError, methodNotAllowed, noSuchPath, unauthorized } from './status.ts';
import { renderTable } from './table.ts';
import { ISSUER } from './tokens.ts';
import { streamWatch } from './watch.ts';

export interface HandlerOptions {
  readonly engine: ObjectEngine;
  readonly reviews: ReviewServices;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticate: (request: IncomingMessage) => Promise<UserInfo | undefined>;
  /** Answers GET of `pods/<name>/log`. */
  readonly containerLog: (path: ResourcePath, query: URLSearchParams, response: ServerResponse) => Promise<void>;
  /** Called with the name of the subresource for what only an upgraded connection can do. */
  readonly isReady: () => boolean;
}

const PATCH_TYPES: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
  'application/apply-patch+json': 'apply',
};
const UNSTORED = new Set([
  'TokenReview',
  'SelfSubjectReview',
  'SelfSubjectAccessReview',
  'SelfSubjectRulesReview',
  'SubjectAccessReview',
  'LocalSubjectAccessReview',
]);
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** One request with what every branch needs of it. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: UserInfo;
  readonly path: ResourcePath;
  readonly context: WriteContext;
}

/** Serves the HTTP API: who asks, may they, what do they want. */
export class ApiHandler {
  readonly #options: HandlerOptions;
  readonly #watches = new Set<() => void>();

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Ends all watches, so that a server can close. */
  endWatches(): void {
    for (const end of this.#watches) end();
    this.#watches.clear();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const warnings: string[] = [];
    try {
      await this.#route(request, response, warnings);
    } catch (error) {
      const failure = error instanceof ApiError ? error : internalError(error instanceof Error ? error.message : String(error));
      if (!(error instanceof ApiError)) this.#options.logger.error({ err: error, url: request.url?.split('?')[0] }, 'request failed');
      if (response.headersSent) response.destroy();
      else sendJson(response, failure.code, failure.toStatus(), warnings);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse, warnings: string[]): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const { pathname } = url;
    if (pathname === '/healthz' || pathname === '/livez' || pathname === '/readyz') {
      const isReady = this.#options.isReady();
      response.writeHead(isReady ? 200 : 500, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(isReady ? 'ok' : 'not ready');
      return;
    }
    const user = await this.#options.authenticate(request);
    if (user === undefined) throw unauthorized();
    const path = parseResourcePath(this.#options.engine.registry, pathname);
    if (path === undefined) {
      this.#checkPath(user, request.method ?? 'GET', pathname);
      await this.#meta(request, response, url);
      return;
    }
    const isWatch = path.watch || url.searchParams.get('watch') === 'true' || url.searchParams.get('watch') === '1';
    this.#authorize(user, path, verbOf(request.method ?? 'GET', path, isWatch));
    const validation = url.searchParams.get('fieldValidation');
    const context: WriteContext = {
      user,
      dryRun: url.searchParams.getAll('dryRun').includes('All'),
      fieldManager: url.searchParams.get('fieldManager') || (request.headers['user-agent']?.split('/')[0] ?? 'unknown'),
      fieldValidation: validation === 'Strict' || validation === 'Ignore' ? validation : 'Warn',
      warnings,
    };
    const deprecated = path.resource.versions.find(({ name }) => name === path.version)?.deprecationWarning;
    if (deprecated !== undefined) warnings.push(deprecated);
    await this.#resource({ request, response, url, user, path, context }, isWatch);
  }

  #checkPath(user: UserInfo, method: string, path: string): void {
    const allowed = isAllowed(this.#options.engine.store, user, {
      verb: method.toLowerCase(),
      group: '',
      resource: '',
      subresource: '',
      namespace: '',
      name: '',
      path,
    });
    if (!allowed)
      throw new ApiError(403, 'Forbidden', `forbidden: User "${user.username}" cannot ${method.toLowerCase()} path "${path}"`, {});
  }

  #authorize(user: UserInfo, { resource, namespace, name, subresource }: ResourcePath, verb: string): void {
    const query = { verb, group: resource.group, resource: resource.plural, subresource, namespace, name };
    if (isAllowed(this.#options.engine.store, user, query)) return;
    const full = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
    const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    throw forbidden(resource, name, `User "${user.username}" cannot ${verb} resource "${full}" in API group "${resource.group}" ${where}`);
  }

  /** Paths that name no resource: discovery, OpenAPI, version, keys. */
  async #meta(request: IncomingMessage, response: ServerResponse, { pathname }: URL): Promise<void> {
    const { registry } = this.#options.engine;
    const accept = request.headers.accept ?? '';
    if (request.method !== 'GET') throw noSuchPath();
    const parts = pathname.split('/').filter((part) => part !== '');
    const [first, second, third] = parts;
    if (pathname === '/version' || pathname === '/version/') {
      const build = {
        gitCommit: 'xebec',
        gitTreeState: 'clean',
        buildDate: '1970-01-01T00:00:00Z',
        goVersion: 'none',
        compiler: 'node',
        platform: `${process.platform}/${process.arch}`,
      };
      return sendJson(response, 200, { ...KUBERNETES_VERSION, ...build });
    }
    if ((first === 'api' || first === 'apis') && parts.length === 1) {
      if (accept.includes('g=apidiscovery.k8s.io;v=v2;'))
        return sendJson(response, 200, aggregatedDiscovery(registry, first === 'api'), [], AGGREGATED);
      if (first === 'apis') return sendJson(response, 200, apiGroupList(registry));
      return sendJson(response, 200, {
        kind: 'APIVersions',
        versions: ['v1'],
        serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: request.headers.host ?? '' }],
      });
    }
    if (first === 'api' && parts.length === 2 && second === 'v1') return sendJson(response, 200, apiResourceList(registry, '', 'v1'));
    if (first === 'apis' && second !== undefined && registry.groups().includes(second)) {
      if (parts.length === 2) return sendJson(response, 200, apiGroup(registry, second));
      if (parts.length === 3 && third !== undefined && registry.versions(second).includes(third))
        return sendJson(response, 200, apiResourceList(registry, second, third));
    }
    if (first === 'openapi' && second === 'v2') {
      if (!accept.includes('protobuf')) return sendJson(response, 200, OPENAPI_V2);
      const body = openApiV2Protobuf();
      response.writeHead(200, {
        'content-type': 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
        'content-length': body.length,
      });
      response.end(body);
      return;
    }
    if (first === 'openapi' && second === 'v3') {
      if (parts.length === 2) return sendJson(response, 200, openApiV3Index(registry));
      const [, , kind, ...rest] = parts;
      const [group = '', version = ''] = kind === 'api' ? ['', ...rest] : rest;
      if (registry.versions(group).includes(version)) return sendJson(response, 200, openApiV3Document(registry, group, version));
    }
    if (pathname === '/openid/v1/jwks')
      return sendJson(response, 200, JSON.parse(JSON.stringify(await this.#options.reviews.tokens.jwks())), [], 'application/jwk-set+json');
    if (pathname === '/.well-known/openid-configuration') {
      return sendJson(response, 200, {
        issuer: ISSUER,
        jwks_uri: `https://${request.headers.host ?? 'localhost'}/openid/v1/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      });
    }
    throw noSuchPath();
  }

  async #resource(call: Call, isWatch: boolean): Promise<void> {
    const { request, response, url, path } = call;
    const { resource, name, subresource } = path;
    if (UNSTORED.has(resource.kind)) {
      if (request.method !== 'POST') throw methodNotAllowed(resource, request.method ?? '');
      const answer = await answerReview(
        this.#options.reviews,
        resource.kind,
        decodeObject(await readBody(request)),
        call.user,
        path.namespace,
      );
      return sendJson(response, 201, answer);
    }
    if (subresource === 'log' && request.method === 'GET') return this.#options.containerLog(path, url.searchParams, response);
    if (subresource === 'exec' || subresource === 'attach' || subresource === 'portforward') throw badRequest('Upgrade request required');
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        if (isWatch) return this.#watch(call);
        return name === '' ? this.#list(call) : this.#get(call);
      case 'POST':
        return this.#post(call);
      case 'PUT':
        return this.#put(call);
      case 'PATCH':
        return this.#patch(call);
      case 'DELETE':
        return name === '' ? this.#deleteCollection(call) : this.#delete(call);
      default:
        throw methodNotAllowed(resource, request.method ?? '');
    }
  }

  #sendObject({ request, response, path, url, context }: Call, code: number, object: KubeObject): undefined {
    const versioned = atVersion(object, path.resource, path.version);
    const table = wantsTable(request);
    if (table !== undefined) {
      const metadata = { resourceVersion: object.metadata.resourceVersion ?? '' };
      const options = {
        nowMs: this.#options.clock.now(),
        include: url.searchParams.get('includeObject') ?? 'Metadata',
        header: true,
        metadata,
      };
      return sendJson(response, code, renderTable(path.resource, path.version, [versioned], options), context.warnings);
    }
    if (wantsMetadata(request)) return sendText(response, code, JSON.stringify(partial(versioned)), context.warnings);
    return sendText(response, code, this.#options.engine.store.text(versioned), context.warnings);
  }

  #get(call: Call): undefined {
    const { path } = call;
    const object = this.#options.engine.get(path.resource, path.namespace, path.name);
    if (path.subresource === 'scale')
      return sendJson(call.response, 200, scaleOf(path.resource, path.version, atVersion(object, path.resource, path.version)));
    return this.#sendObject(call, 200, object);
  }

  #selector(url: URL): (object: KubeObject) => boolean {
    const labels = parseLabelSelector(url.searchParams.get('labelSelector') ?? '');
    const fields = parseFieldSelector(url.searchParams.get('fieldSelector') ?? '');
    return (object) => labels(object.metadata.labels ?? {}) && fields(object);
  }

  #list({ request, response, url, path, context }: Call): undefined {
    const { engine, clock } = this.#options;
    const { resource, version } = path;
    const matches = this.#selector(url);
    let objects = engine.store.list(resource.id, path.namespace === '' ? undefined : path.namespace).filter(matches);
    const limit = Number(url.searchParams.get('limit') ?? 0);
    const after = decodeContinue(url.searchParams.get('continue'));
    if (after !== undefined) objects = objects.filter((object) => keyOf(object) > after);
    const metadata: JsonObject = { resourceVersion: String(engine.store.revision) };
    if (limit > 0 && objects.length > limit) {
      const last = objects[limit - 1];
      metadata['continue'] = Buffer.from(last === undefined ? '' : keyOf(last)).toString('base64url');
      metadata['remainingItemCount'] = objects.length - limit;
      objects = objects.slice(0, limit);
    }
    const versioned = objects.map((object) => atVersion(object, resource, version));
    if (wantsTable(request) !== undefined) {
      const options = { nowMs: clock.now(), include: url.searchParams.get('includeObject') ?? 'Metadata', header: true, metadata };
      return sendJson(response, 200, renderTable(resource, version, versioned, options), context.warnings);
    }
    if (wantsMetadata(request)) {
      const list = { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: versioned.map(partial) };
      return sendText(response, 200, JSON.stringify(list), context.warnings);
    }
    const items = versioned.map((object) => engine.store.text(object)).join(',');
    const head = JSON.stringify({ kind: resource.listKind, apiVersion: apiVersionOf(resource.group, version), metadata });
    return sendText(response, 200, `${head.slice(0, -1)},"items":[${items}]}`, context.warnings);
  }

  #watch({ request, response, url, path }: Call): undefined {
    const { engine, clock } = this.#options;
    const { resource, version } = path;
    const { searchParams } = url;
    const selected = this.#selector(url);
    const matches = path.name === '' ? selected : (object: KubeObject) => object.metadata.name === path.name && selected(object);
    const rv = searchParams.get('resourceVersion') ?? '';
    if (!/^\d*$/.test(rv)) throw badRequest(`Invalid value: "${rv}": resourceVersion must be a number`);
    const sendInitial = searchParams.get('sendInitialEvents') === 'true';
    const timeout = Number(searchParams.get('timeoutSeconds') ?? 0);
    const include = searchParams.get('includeObject') ?? 'Metadata';
    const encode =
      wantsTable(request) !== undefined
        ? (object: KubeObject, header: boolean) =>
            renderTable(resource, version, [object], {
              nowMs: clock.now(),
              include,
              header,
              metadata: { resourceVersion: object.metadata.resourceVersion ?? '' },
            })
        : wantsMetadata(request)
          ? partial
          : undefined;
    const end = streamWatch(
      engine.store,
      clock,
      {
        resource,
        version,
        namespace: path.namespace === '' ? undefined : path.namespace,
        matches,
        since: rv === '' || rv === '0' || sendInitial ? undefined : Number(rv),
        bookmarks: searchParams.get('allowWatchBookmarks') === 'true',
        markInitialEnd: sendInitial,
        timeoutSeconds: timeout > 0 ? timeout : undefined,
        encode,
      },
      response,
    );
    this.#watches.add(end);
    response.on('close', () => this.#watches.delete(end));
    return undefined;
  }

  async #post(call: Call): Promise<void> {
    const { request, response, path, context } = call;
    const { engine, reviews } = this.#options;
    const { resource, version, namespace, name, subresource } = path;
    const body = decodeObject((await readBody(request)) ?? {});
    if (subresource === 'token') return sendJson(response, 201, await answerTokenRequest(reviews, body, namespace, name));
    if (subresource === 'binding' || resource.kind === 'Binding') {
      const pod = engine.get({ ...resource, id: 'pods' }, namespace, name || body.metadata.name);
      const pods = engine.registry.byId('pods');
      if (pods === undefined) throw noSuchPath();
      const node = textAt(body, 'target', 'name');
      if (textAt(pod, 'spec', 'nodeName') !== '')
        throw new ApiError(409, 'Conflict', `pod ${pod.metadata.name} is already assigned to node "${textAt(pod, 'spec', 'nodeName')}"`);
      await engine.patch(pods, 'v1', namespace, pod.metadata.name, 'merge', { spec: { nodeName: node } }, context);
      return sendJson(response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
    }
    if (subresource === 'eviction') {
      const options = isObject(body['deleteOptions']) ? decodeDeleteOptions(body['deleteOptions'], call.url) : {};
      await engine.delete(resource, namespace, name, options, context);
      return sendJson(response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
    }
    if (subresource !== '' || name !== '') throw methodNotAllowed(resource, 'POST');
    if (resource.namespaced && namespace === '') throw badRequest(`an empty namespace may not be set during creation`);
    this.#sendObject(call, 201, await engine.create(resource, version, namespace, body, context));
  }

  async #put(call: Call): Promise<void> {
    const { request, response, path, context } = call;
    const { engine } = this.#options;
    const { resource, version, namespace, name, subresource } = path;
    if (name === '') throw methodNotAllowed(resource, 'PUT');
    const body = await readBody(request);
    if (subresource === 'scale') {
      if (!isObject(body)) throw badRequest('the body of the request is not a Scale');
      const object = withScale(resource, version, atVersion(engine.get(resource, namespace, name), resource, version), body);
      return sendJson(response, 200, scaleOf(resource, version, await engine.update(resource, version, namespace, name, object, context)));
    }
    this.#sendObject(
      call,
      200,
      await engine.update(resource, version, namespace, name, decodeObject(body), context, subresource === 'status' ? 'status' : ''),
    );
  }

  async #patch(call: Call): Promise<void> {
    const { request, response, url, path, context } = call;
    const { engine } = this.#options;
    const { resource, version, namespace, name, subresource } = path;
    const type = PATCH_TYPES[(request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''];
    if (type === undefined)
      throw new ApiError(
        415,
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: ${Object.keys(PATCH_TYPES).slice(0, 4).join(', ')}`,
      );
    if (type === 'apply' && !url.searchParams.has('fieldManager'))
      throw new ApiError(
        422,
        'Invalid',
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    // The body was JSON or YAML, whose values are all Json.
    const patch = ((await readBody(request)) ?? {}) as Json;
    if (subresource === 'scale') {
      const replicas = numberAt(patch, 'spec', 'replicas');
      if (replicas === undefined) throw badRequest('the patch of a scale wants spec.replicas');
      const current = atVersion(engine.get(resource, namespace, name), resource, version);
      const { resourceVersion: _rv, ...metadata } = withScale(resource, version, current, { spec: { replicas } }).metadata;
      const object = { ...withScale(resource, version, current, { spec: { replicas } }), metadata };
      return sendJson(response, 200, scaleOf(resource, version, await engine.update(resource, version, namespace, name, object, context)));
    }
    const force = url.searchParams.get('force') === 'true';
    const { object, created } = await engine.patch(resource, version, namespace, name, type, patch, context, {
      force,
      subresource: subresource === 'status' ? 'status' : '',
    });
    this.#sendObject(call, created ? 201 : 200, object);
  }

  async #delete(call: Call): Promise<void> {
    const { request, response, url, path, context } = call;
    const body = await readBody(request);
    const options = decodeDeleteOptions(isObject(body) ? body : {}, url);
    const { object, final } = await this.#options.engine.delete(path.resource, path.namespace, path.name, options, context);
    if (!final || path.resource.id === 'pods') return this.#sendObject(call, 200, object);
    const { group, plural } = path.resource;
    const details = { name: path.name, ...(group === '' ? {} : { group }), kind: plural, uid: object.metadata.uid ?? '' };
    sendJson(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }, context.warnings);
  }

  async #deleteCollection(call: Call): Promise<void> {
    const { request, response, url, path, context } = call;
    const { engine } = this.#options;
    const body = await readBody(request);
    const options = decodeDeleteOptions(isObject(body) ? body : {}, url);
    const objects = engine.store.list(path.resource.id, path.namespace === '' ? undefined : path.namespace).filter(this.#selector(url));
    for (const object of objects)
      await engine.delete(path.resource, object.metadata.namespace ?? '', object.metadata.name, options, context);
    sendJson(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }, context.warnings);
  }
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

function decodeContinue(token: string | null): string | undefined {
  return token === null || token === '' ? undefined : Buffer.from(token, 'base64url').toString('utf8');
}

function decodeDeleteOptions(body: JsonObject, url: URL): DeleteOptions {
  const grace =
    numberAt(body, 'gracePeriodSeconds') ??
    (url.searchParams.has('gracePeriodSeconds') ? Number(url.searchParams.get('gracePeriodSeconds')) : undefined);
  const policy =
    textAt(body, 'propagationPolicy') ||
    (url.searchParams.get('propagationPolicy') ?? '') ||
    (body['orphanDependents'] === true ? 'Orphan' : '');
  const uid = textAt(body, 'preconditions', 'uid');
  const resourceVersion = textAt(body, 'preconditions', 'resourceVersion');
  return {
    ...(grace === undefined || Number.isNaN(grace) ? {} : { gracePeriodSeconds: grace }),
    ...(policy === 'Background' || policy === 'Foreground' || policy === 'Orphan' ? { propagationPolicy: policy } : {}),
    preconditions: { ...(uid === '' ? {} : { uid }), ...(resourceVersion === '' ? {} : { resourceVersion }) },
  };
}

function wantsTable(request: IncomingMessage): true | undefined {
  const first = (request.headers.accept ?? '').split(',')[0] ?? '';
  return first.includes('as=Table') && first.includes('json') ? true : undefined;
}

function wantsMetadata(request: IncomingMessage): boolean {
  return (request.headers.accept ?? '').split(',').some((type) => type.includes('as=PartialObjectMetadata') && type.includes('json'));
}

function partial(object: KubeObject): JsonObject {
  // Metadata is JSON: the interface only names its fields.
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata as unknown as JsonObject };
}

function sendJson(
  response: ServerResponse,
  code: number,
  body: Json,
  warnings: readonly string[] = [],
  type = 'application/json',
): undefined {
  return sendText(response, code, JSON.stringify(body), warnings, type);
}

function sendText(response: ServerResponse, code: number, body: string, warnings: readonly string[], type = 'application/json'): undefined {
  // RFC 9110 quoted-string; clients show each line once.
  const headers = [...new Set(warnings)]
    .slice(0, 50)
    .map((line) => `299 - "${line.replaceAll(/[^\x20-\x7e]/g, ' ').replaceAll(/["\\]/g, '\\$&')}"`);
  response.writeHead(code, {
    'content-type': type,
    'cache-control': 'no-cache, private',
    'content-length': Buffer.byteLength(body),
    ...(headers.length === 0 ? {} : { Warning: headers.join(', ') }),
  });
  response.end(body);
  return undefined;
}
