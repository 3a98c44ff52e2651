import { type Agent, request as httpsRequest } from 'node:https';
import { errorText, type Logger } from '@xebec/core';
import type { AdmissionRequest } from './engine.ts';
import { decodeObject } from './engine.ts';
import { applyJsonPatch } from './json-patch.ts';
import { at, isObject, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, textAt, textsAt } from './object.ts';
import { matchesLabelSelector } from './selectors.ts';
import { ApiError, internalError } from './status.ts';
import type { ObjectStore } from './store.ts';

const MAX_RESPONSE = 16 * 1024 * 1024;
const CONFIGURATIONS = 'admissionregistration.k8s.io';

export interface WebhookCallerOptions {
  readonly store: ObjectStore;
  readonly logger: Logger;
  readonly newUid: () => string;
  readonly agent: Agent;
}

/** Calls the admission webhooks that the stored configurations name. */
export class WebhookCaller {
  readonly #options: WebhookCallerOptions;

  constructor(options: WebhookCallerOptions) {
    this.#options = options;
  }

  /** Runs mutating webhooks in order of configuration name; those that ask for it again after others changed the object. */
  async mutate(request: AdmissionRequest): Promise<KubeObject | undefined> {
    let object = request.object;
    const webhooks = this.#matching('mutating', request);
    const again: JsonObject[] = [];
    for (const webhook of webhooks) {
      const changed = await this.#mutateOnce(webhook, request, object);
      if (changed !== undefined) {
        object = changed;
        again.push(
          ...webhooks
            .slice(0, webhooks.indexOf(webhook))
            .filter((earlier) => earlier['reinvocationPolicy'] === 'IfNeeded' && !again.includes(earlier)),
        );
      }
    }
    for (const webhook of again) object = (await this.#mutateOnce(webhook, request, object)) ?? object;
    return object;
  }

  async #mutateOnce(webhook: JsonObject, request: AdmissionRequest, object: KubeObject | undefined): Promise<KubeObject | undefined> {
    const response = await this.#call(webhook, { ...request, object });
    const patch = textAt(response, 'patch');
    if (patch === '' || object === undefined) return undefined;
    const operations: unknown = JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));
    if (Array.isArray(operations) && operations.length === 0) return undefined;
    // Objects are JSON: the interface only names the fields that every kind has.
    return decodeObject(applyJsonPatch(object as unknown as JsonObject, operations));
  }

  /** Runs validating webhooks side by side; the first refusal wins. */
  async validate(request: AdmissionRequest): Promise<void> {
    await Promise.all(this.#matching('validating', request).map((webhook) => this.#call(webhook, request)));
  }

  #matching(kind: 'mutating' | 'validating', request: AdmissionRequest): JsonObject[] {
    // Webhooks never decide on webhook configurations: a broken one could not be removed otherwise.
    if (request.resource.group === CONFIGURATIONS) return [];
    return this.#options.store
      .list(`${kind}webhookconfigurations.${CONFIGURATIONS}`)
      .flatMap((configuration) => objectsAt(configuration, 'webhooks'))
      .filter((webhook) => this.#applies(webhook, request));
  }

  #applies(
    webhook: JsonObject,
    { resource, version, operation, namespace, subresource, object, oldObject, context }: AdmissionRequest,
  ): boolean {
    const full = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
    const isRule = (rule: JsonObject) => {
      const covers = (field: string, value: string) => textsAt(rule, field).some((item) => item === '*' || item === value);
      const resources = textsAt(rule, 'resources');
      const named =
        resources.includes('*/*') ||
        (subresource === '' && resources.includes('*')) ||
        resources.includes(full) ||
        resources.includes(`${resource.plural}/*`);
      const scope = textAt(rule, 'scope') || '*';
      // matchPolicy Equivalent: any served version of the resource will do.
      const versions = webhook['matchPolicy'] === 'Exact' ? [version] : resource.versions.map(({ name }) => name);
      return (
        covers('apiGroups', resource.group) &&
        versions.some((name) => covers('apiVersions', name)) &&
        covers('operations', operation) &&
        named &&
        (scope === '*' || (scope === 'Namespaced') === resource.namespaced)
      );
    };
    if (!objectsAt(webhook, 'rules').some(isRule)) return false;
    const labelsOfNamespace = resource.namespaced
      ? this.#options.store.get('namespaces', '', namespace)?.metadata.labels
      : resource.id === 'namespaces'
        ? (object ?? oldObject)?.metadata.labels
        : undefined;
    const isScoped = resource.namespaced || resource.id === 'namespaces';
    if (isScoped && !matchesLabelSelector(webhook['namespaceSelector'], labelsOfNamespace ?? {})) return false;
    const selector = webhook['objectSelector'];
    if (
      !matchesLabelSelector(selector, object?.metadata.labels ?? {}) &&
      !(oldObject !== undefined && matchesLabelSelector(selector, oldObject.metadata.labels ?? {}))
    )
      return false;
    if (objectsAt(webhook, 'matchConditions').length > 0) {
      const warning = `webhook "${textAt(webhook, 'name')}": matchConditions are not evaluated`;
      if (!context.warnings.includes(warning)) context.warnings.push(warning);
    }
    return true;
  }

  /** One call. A refusal throws; a failed call throws or is passed over, as its failurePolicy says. */
  async #call(webhook: JsonObject, request: AdmissionRequest): Promise<JsonObject> {
    const name = textAt(webhook, 'name');
    let response: JsonObject;
    try {
      response = await this.#send(webhook, request);
    } catch (error) {
      if (webhook['failurePolicy'] === 'Ignore') {
        this.#options.logger.warn({ webhook: name, error: errorText(error) }, 'admission webhook failed, passed over');
        return {};
      }
      throw internalError(`failed calling webhook "${name}": failed to call webhook: ${errorText(error)}`);
    }
    for (const warning of textsAt(response, 'warnings')) request.context.warnings.push(warning);
    if (response['allowed'] === true) return response;
    const reason = textAt(response, 'status', 'reason');
    const denied = `admission webhook "${name}" denied the request`;
    const message = textAt(response, 'status', 'message') || reason;
    const code = numberAt(response, 'status', 'code') ?? 400;
    const details = objectAt(response, 'status', 'details');
    throw new ApiError(Math.max(code, 400), reason, message === '' ? `${denied} without explanation` : `${denied}: ${message}`, details);
  }

  async #send(webhook: JsonObject, request: AdmissionRequest): Promise<JsonObject> {
    const uid = this.#options.newUid();
    const { resource, version, context } = request;
    const gvk = { group: resource.group, version, kind: resource.kind };
    const gvr = { group: resource.group, version, resource: resource.plural };
    const review = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid,
        kind: gvk,
        resource: gvr,
        requestKind: gvk,
        requestResource: gvr,
        ...(request.subresource === '' ? {} : { subResource: request.subresource, requestSubResource: request.subresource }),
        name: request.name,
        ...(resource.namespaced ? { namespace: request.namespace } : {}),
        operation: request.operation,
        userInfo: context.user,
        object: request.object ?? null,
        oldObject: request.oldObject ?? null,
        dryRun: context.dryRun,
        options: { apiVersion: 'meta.k8s.io/v1', kind: `${request.operation[0]}${request.operation.slice(1).toLowerCase()}Options` },
      },
    };
    const timeoutMs = (numberAt(webhook, 'timeoutSeconds') ?? 10) * 1000;
    const target = this.#target(webhook, timeoutMs);
    const answer = await this.#post(target, textAt(webhook, 'clientConfig', 'caBundle'), JSON.stringify(review), timeoutMs);
    const response = at(answer, 'response');
    if (!isObject(response) || response['uid'] !== uid)
      throw new Error(`${target.url}: the answer is no AdmissionReview with the request's uid`);
    return response;
  }

  /** Where to connect, and the URL that errors show. Services are resolved to a ready endpoint: pods need no proxy. */
  #target(webhook: JsonObject, timeoutMs: number): { url: string; host: string; port: number; serverName: string; path: string } {
    const url = textAt(webhook, 'clientConfig', 'url');
    if (url !== '') {
      const parsed = new URL(url);
      return {
        url,
        host: parsed.hostname,
        port: Number(parsed.port || 443),
        serverName: parsed.hostname,
        path: parsed.pathname + parsed.search,
      };
    }
    const service = objectAt(webhook, 'clientConfig', 'service');
    const name = textAt(service, 'name');
    const namespace = textAt(service, 'namespace');
    const port = numberAt(service, 'port') ?? 443;
    const path = textAt(service, 'path') || '/';
    const serverName = `${name}.${namespace}.svc`;
    const shown = `Post "https://${serverName}:${port}${path}?timeout=${timeoutMs / 1000}s"`;
    const { store } = this.#options;
    const stored = store.get('services', namespace, name);
    if (stored === undefined) throw new Error(`${shown}: service "${name}" not found`);
    const portName = textAt(
      objectsAt(stored, 'spec', 'ports').find((item) => item['port'] === port),
      'name',
    );
    for (const slice of store.list('endpointslices.discovery.k8s.io', namespace)) {
      if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
      const target = objectsAt(slice, 'ports').find((item) => textAt(item, 'name') === portName);
      const ready = objectsAt(slice, 'endpoints').find((endpoint) => at(endpoint, 'conditions', 'ready') !== false);
      const host = textsAt(ready, 'addresses')[0];
      const targetPort = numberAt(target, 'port');
      if (host !== undefined && targetPort !== undefined) return { url: shown, host, port: targetPort, serverName, path };
    }
    throw new Error(`${shown}: no endpoints available for service "${name}"`);
  }

  #post(
    target: { url: string; host: string; port: number; serverName: string; path: string },
    caBundle: string,
    body: string,
    timeoutMs: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = httpsRequest(
        {
          host: target.host,
          port: target.port,
          path: target.path,
          method: 'POST',
          agent: this.#options.agent,
          servername: target.serverName,
          ...(caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64').toString('utf8') }),
          headers: {
            host: target.serverName,
            'content-type': 'application/json',
            accept: 'application/json',
            'content-length': Buffer.byteLength(body),
          },
          signal: AbortSignal.timeout(timeoutMs),
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_RESPONSE) response.destroy(new Error('the answer is larger than 16 MiB'));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode !== 200) return reject(new Error(`${target.url}: the server answered ${response.statusCode}`));
            try {
              resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
            } catch (error) {
              reject(new Error(`${target.url}: the answer is not JSON`, { cause: error }));
            }
          });
        },
      );
      call.on('error', (error) => {
        const late = error.name === 'TimeoutError' || error.name === 'AbortError';
        reject(new Error(`${target.url}: ${late ? 'context deadline exceeded' : errorText(error)}`));
      });
      call.end(body);
    });
  }
}
