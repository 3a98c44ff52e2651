import type { JsonObject } from './object.ts';

/** A column of `kubectl get` that a CRD declares. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

export interface ResourceVersionInfo {
  readonly name: string;
  /** The CRD's `openAPIV3Schema`; undefined for built-in kinds. */
  readonly schema?: JsonObject;
  readonly columns?: readonly PrinterColumn[];
  readonly deprecationWarning?: string;
  readonly scale?: { readonly specReplicasPath: string; readonly statusReplicasPath: string; readonly labelSelectorPath?: string };
}

/** A kind that the server stores, built in or by CRD. */
export interface Resource {
  readonly group: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Served versions, preferred first. */
  readonly versions: readonly ResourceVersionInfo[];
  /** The version under which objects lie in the store. */
  readonly storageVersion: string;
  readonly verbs: readonly string[];
  /** `status`, `scale`, and those of single kinds such as `log`. */
  readonly subresources: readonly string[];
  readonly custom: boolean;
  /** `pods`, `deployments.apps`: the key in the store. */
  readonly id: string;
}

export const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;

export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Splits `apps/v1` or `v1`. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
