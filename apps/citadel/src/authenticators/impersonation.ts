import { XebecError } from '@xebec/core';
import { parseServiceAccountPath, parseSpiffeId, type TrustDomain, unwrap } from '@xebec/identity';
import type { Caller, ServiceAccount } from '../authenticator.ts';

export interface PodRecord {
  readonly uid: string;
  readonly serviceAccount: string;
  readonly node: string;
}

/** The pods of the cluster that have not failed. */
export interface PodDirectory {
  pod(namespace: string, name: string): PodRecord | undefined;
  /** Whether a pod of that service account is on the node. */
  runsOn(node: string, account: ServiceAccount): boolean;
}

/** The caller that a certificate is for, or a rejection with the reason, which is for the log. */
export type Impersonate = (caller: Caller, requestedId: string) => Caller;

export interface ImpersonationOptions {
  /** Accounts of node proxies. */
  readonly trustedAccounts: readonly ServiceAccount[];
  readonly pods: PodDirectory;
  readonly trustDomain: TrustDomain;
}

/**
 * A node's proxy asks for certificates of the pods that it serves. It gets them for service accounts that have a pod on its own node, and
 * only with a token of its pod, so that a token taken from one node is worth nothing on another.
 */
export function createImpersonation(options: ImpersonationOptions): Impersonate {
  const { pods, trustDomain } = options;
  const trusted = new Set(options.trustedAccounts.map((account) => `${account.namespace}/${account.name}`));
  return (caller, requestedId) => {
    const refuse = (reason: string) => new XebecError('E_IMPERSONATION', reason);
    const own = caller.account;
    if (own === undefined || !trusted.has(`${own.namespace}/${own.name}`)) throw refuse(`${caller.id} is no trusted node account`);
    const id = unwrap(parseSpiffeId(requestedId));
    const account = parseServiceAccountPath(id.path);
    if (id.trustDomain !== trustDomain || account === undefined) throw refuse(`${id.id} is no service account of ${trustDomain}`);
    if (caller.pod === undefined) throw refuse(`the token of ${caller.id} names no pod`);
    const pod = pods.pod(own.namespace, caller.pod.name);
    if (pod === undefined) throw refuse(`there is no pod ${own.namespace}/${caller.pod.name}`);
    if (pod.uid !== caller.pod.uid) throw refuse(`the pod ${own.namespace}/${caller.pod.name} is another than the token was made for`);
    if (pod.serviceAccount !== own.name) throw refuse(`the pod ${own.namespace}/${caller.pod.name} has another service account`);
    const wanted = { namespace: account.namespace, name: account.serviceAccount };
    if (!pods.runsOn(pod.node, wanted)) throw refuse(`no pod of ${wanted.namespace}/${wanted.name} is on node ${pod.node}`);
    return { id: id.id, account: wanted, provenBy: `${caller.provenBy} of ${caller.id}` };
  };
}

/** Reads `CA_TRUSTED_NODE_ACCOUNTS`: `namespace/account,…`. */
export function parseTrustedAccounts(text: string): ServiceAccount[] {
  return text
    .split(',')
    .filter((entry) => entry.trim() !== '')
    .map((entry) => {
      const match = /^([a-z0-9-]+)\/([a-z0-9.-]+)$/.exec(entry.trim());
      if (match?.[1] === undefined || match[2] === undefined)
        throw new XebecError('E_FLAG', `CA_TRUSTED_NODE_ACCOUNTS wants namespace/account entries, but got "${entry.trim()}"`);
      return { namespace: match[1], name: match[2] };
    });
}
