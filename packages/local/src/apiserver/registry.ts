import { nearest } from '@xebec/core';
import { BUILTIN_RESOURCES } from './builtin-resources.ts';
import { at, isObject, type JsonObject, type KubeObject, objectAt, objectsAt, textAt, textsAt } from './object.ts';
import { ALL_VERBS, apiVersionOf, type Resource, type ResourceVersionInfo } from './resource.ts';

/** All kinds the server knows: the built-in ones and those of established CRDs. */
export class ResourceRegistry {
  readonly #byId = new Map<string, Resource>();

  constructor() {
    for (const resource of BUILTIN_RESOURCES) this.#byId.set(resource.id, resource);
  }

  byId(id: string): Resource | undefined {
    return this.#byId.get(id);
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    const resource = this.#byId.get(group === '' ? plural : `${plural}.${group}`);
    return resource?.versions.some(({ name }) => name === version) === true ? resource : undefined;
  }

  findKind(group: string, kind: string): Resource | undefined {
    for (const resource of this.#byId.values()) if (resource.group === group && resource.kind === kind) return resource;
    return undefined;
  }

  all(): Resource[] {
    return [...this.#byId.values()];
  }

  /** Group names in order; the core group, '', first. */
  groups(): string[] {
    return [...new Set(this.all().map(({ group }) => group))].sort();
  }

  /** Versions of a group by Kubernetes' order: `v1` before `v1beta1` before `v1alpha1`. */
  versions(group: string): string[] {
    const names = new Set(this.all().flatMap((resource) => (resource.group === group ? resource.versions.map(({ name }) => name) : [])));
    return [...names].sort(compareVersions);
  }

  resourcesOf(group: string, version: string): Resource[] {
    return this.all()
      .filter((resource) => resource.group === group && resource.versions.some(({ name }) => name === version))
      .sort((a, b) => (a.plural < b.plural ? -1 : 1));
  }

  setCustom(crd: KubeObject): void {
    const resource = resourceOfCrd(crd);
    this.#byId.set(resource.id, resource);
  }

  removeCustom(id: string): void {
    if (this.#byId.get(id)?.custom === true) this.#byId.delete(id);
  }

  /** The kind that a misspelt one most likely means. */
  suggest(kind: string): string | undefined {
    return nearest(
      kind,
      this.all().map((resource) => resource.kind),
    );
  }
}

/** Kubernetes' version order: GA, then beta, then alpha, each with the higher number first. */
export function compareVersions(a: string, b: string): number {
  const [stageA, majorA, minorA] = versionRank(a);
  const [stageB, majorB, minorB] = versionRank(b);
  return stageB - stageA || majorB - majorA || minorB - minorA || (a < b ? -1 : 1);
}

function versionRank(version: string): [stage: number, major: number, minor: number] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return [0, 0, 0];
  return [match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1, Number(match[1]), Number(match[3] ?? 0)];
}

function resourceOfCrd(crd: KubeObject): Resource {
  const spec = objectAt(crd, 'spec');
  const group = textAt(spec, 'group');
  const kind = textAt(spec, 'names', 'kind');
  const plural = textAt(spec, 'names', 'plural');
  const declared = objectsAt(spec, 'versions').filter((version) => version['served'] === true);
  const versions = declared.map(versionInfo).sort((a, b) => compareVersions(a.name, b.name));
  const subresources = new Set(declared.flatMap((version) => Object.keys(objectAt(version, 'subresources') ?? {})));
  const storage = objectsAt(spec, 'versions').find((version) => version['storage'] === true);
  return {
    group,
    kind,
    listKind: textAt(spec, 'names', 'listKind') || `${kind}List`,
    plural,
    singular: textAt(spec, 'names', 'singular') || kind.toLowerCase(),
    shortNames: textsAt(spec, 'names', 'shortNames'),
    categories: textsAt(spec, 'names', 'categories'),
    namespaced: textAt(spec, 'scope') === 'Namespaced',
    versions,
    storageVersion: textAt(storage, 'name') || (versions[0]?.name ?? 'v1'),
    verbs: ALL_VERBS,
    subresources: [...subresources].sort(),
    custom: true,
    id: `${plural}.${group}`,
  };
}

function versionInfo(version: JsonObject): ResourceVersionInfo {
  const schema = objectAt(version, 'schema', 'openAPIV3Schema');
  const scale = objectAt(version, 'subresources', 'scale');
  const columns = objectsAt(version, 'additionalPrinterColumns').map((column) => ({
    name: textAt(column, 'name'),
    type: textAt(column, 'type'),
    format: textAt(column, 'format'),
    description: textAt(column, 'description'),
    priority: Number(at(column, 'priority') ?? 0),
    jsonPath: textAt(column, 'jsonPath'),
  }));
  const warning = textAt(version, 'deprecationWarning');
  return {
    name: textAt(version, 'name'),
    ...(isObject(schema) ? { schema } : {}),
    ...(columns.length === 0 ? {} : { columns }),
    ...(version['deprecated'] === true ? { deprecationWarning: warning || `${textAt(version, 'name')} is deprecated` } : {}),
    ...(scale === undefined
      ? {}
      : {
          scale: {
            specReplicasPath: textAt(scale, 'specReplicasPath'),
            statusReplicasPath: textAt(scale, 'statusReplicasPath'),
            labelSelectorPath: textAt(scale, 'labelSelectorPath'),
          },
        }),
  };
}

/** The same object at another version of its kind: conversion strategy None. */
export function atVersion(object: KubeObject, resource: Resource, version: string): KubeObject {
  const apiVersion = apiVersionOf(resource.group, version);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}
