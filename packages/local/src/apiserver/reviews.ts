import type { Clock } from '@xebec/core';
import { isAllowed, rulesOf } from './authorization.ts';
import type { UserInfo } from './engine.ts';
import { type JsonObject, type KubeObject, numberAt, objectAt, textAt, textsAt, timestamp } from './object.ts';
import { badRequest, notFound } from './status.ts';
import type { ObjectStore } from './store.ts';
import { API_AUDIENCES, type TokenIssuer } from './tokens.ts';

export interface ReviewServices {
  readonly store: ObjectStore;
  readonly tokens: TokenIssuer;
  readonly clock: Clock;
}

function userJson(user: UserInfo): JsonObject {
  return {
    username: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(user.extra === undefined
      ? {}
      : { extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])) }),
  };
}

/** Answers the kinds that ask a question and are not stored. */
export async function answerReview(
  services: ReviewServices,
  kind: string,
  body: KubeObject,
  user: UserInfo,
  namespace: string,
): Promise<JsonObject> {
  const spec = objectAt(body, 'spec') ?? {};
  const answer = (status: JsonObject): JsonObject => ({
    kind,
    apiVersion: body.apiVersion,
    metadata: { creationTimestamp: null },
    spec,
    status,
  });
  switch (kind) {
    case 'TokenReview': {
      const asked = textsAt(spec, 'audiences');
      const verified = await services.tokens.verify(textAt(spec, 'token'), asked.length === 0 ? API_AUDIENCES : asked);
      return answer(
        verified === undefined
          ? { authenticated: false, user: {}, error: 'invalid bearer token' }
          : { authenticated: true, user: userJson(verified.user), audiences: verified.audiences },
      );
    }
    case 'SelfSubjectReview':
      return { kind, apiVersion: body.apiVersion, metadata: { creationTimestamp: null }, status: { userInfo: userJson(user) } };
    case 'SelfSubjectRulesReview': {
      const master = user.groups.includes('system:masters');
      const rules = master
        ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }]
        : rulesOf(services.store, user, textAt(spec, 'namespace')).filter((rule) => rule['resources'] !== undefined);
      return answer({
        resourceRules: rules,
        nonResourceRules: master ? [{ verbs: ['*'], nonResourceURLs: ['*'] }] : [],
        incomplete: false,
      });
    }
    default: {
      const subject: UserInfo =
        kind === 'SelfSubjectAccessReview' ? user : { username: textAt(spec, 'user'), groups: textsAt(spec, 'groups') };
      const attributes = objectAt(spec, 'resourceAttributes');
      const allowed = isAllowed(services.store, subject, {
        verb: textAt(attributes, 'verb') || textAt(spec, 'nonResourceAttributes', 'verb'),
        group: textAt(attributes, 'group'),
        resource: textAt(attributes, 'resource'),
        subresource: textAt(attributes, 'subresource'),
        namespace: textAt(attributes, 'namespace') || namespace,
        name: textAt(attributes, 'name'),
        ...(attributes === undefined ? { path: textAt(spec, 'nonResourceAttributes', 'path') } : {}),
      });
      return answer({ allowed, reason: allowed ? 'RBAC: allowed' : '' });
    }
  }
}

/** Answers `serviceaccounts/<name>/token`. */
export async function answerTokenRequest(services: ReviewServices, body: KubeObject, namespace: string, name: string): Promise<JsonObject> {
  const account = services.store.get('serviceaccounts', namespace, name);
  if (account === undefined) throw notFound({ group: '', plural: 'serviceaccounts' }, name);
  const spec = objectAt(body, 'spec') ?? {};
  const audiences = textsAt(spec, 'audiences');
  const bound = objectAt(spec, 'boundObjectRef');
  const podName = textAt(bound, 'kind') === 'Pod' ? textAt(bound, 'name') : '';
  const pod = podName === '' ? undefined : services.store.get('pods', namespace, podName);
  if (podName !== '' && pod === undefined) throw notFound({ group: '', plural: 'pods' }, podName);
  const uid = textAt(bound, 'uid');
  if (pod !== undefined && uid !== '' && uid !== pod.metadata.uid)
    throw badRequest(`the UID in the bound object reference (${uid}) does not match the UID in record (${pod.metadata.uid})`);
  const expirationSeconds = numberAt(spec, 'expirationSeconds') ?? 3600;
  const { token, expirationMs } = await services.tokens.issue({
    namespace,
    account,
    audiences: audiences.length === 0 ? API_AUDIENCES : audiences,
    expirationSeconds,
    ...(pod === undefined ? {} : { pod: { name: podName, uid: pod.metadata.uid ?? '', nodeName: textAt(pod, 'spec', 'nodeName') } }),
  });
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: timestamp(services.clock.now()) },
    spec: { ...spec, audiences: audiences.length === 0 ? [...API_AUDIENCES] : audiences, expirationSeconds },
    status: { token, expirationTimestamp: timestamp(expirationMs) },
  };
}
