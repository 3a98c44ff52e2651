import { toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { toResource } from '@xebec/mcp';
import { ResourceSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { ConfigObject } from '@xebec/schemas';
import type { EncodedResource, ResourceCache } from '@xebec/xds';
import { accessOf } from '../access.ts';
import type { AuxiliaryType } from './auxiliary-type.ts';

const RESOURCE = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';

interface KindName {
  readonly group: string;
  readonly kind: string;
}

/** `networking.istio.io/v1/VirtualService` in its parts; undefined for type URLs of another form. */
export function parseKindUrl(typeUrl: string): KindName | undefined {
  const match = /^([a-z0-9.-]*)\/v[a-z0-9]+\/([A-Za-z]\w*)$/.exec(typeUrl);
  return match?.[1] === undefined || match[2] === undefined ? undefined : { group: match[1], kind: match[2] };
}

/**
 * `GENERATOR=api`: configuration objects by xDS, one type a kind, named `namespace/name`, each an MCP resource. It is the whole
 * mesh's, so only the control plane's namespace may read it.
 */
export function apiType(
  { group, kind }: KindName,
  cache: ResourceCache,
  config: () => readonly ConfigObject[],
  allowedNamespaces: ReadonlySet<string>,
): AuxiliaryType {
  const encoded = new WeakMap<ConfigObject, EncodedResource>();
  const encode = (object: ConfigObject): EncodedResource => {
    let resource = encoded.get(object);
    if (resource === undefined) {
      const name = `${object.metadata.namespace}/${object.metadata.name}`;
      resource = cache.intern(RESOURCE, name, toBinary(ResourceSchema, toResource(object)));
      encoded.set(object, resource);
    }
    return resource;
  };
  return {
    refusal({ rootNamespace }, asker) {
      const access = accessOf(asker, { rootNamespace, allowedNamespaces });
      if (access.kind === 'everything') return undefined;
      const code = access.kind === 'nothing' ? status.UNAUTHENTICATED : status.PERMISSION_DENIED;
      return { code, message: `GENERATOR=api gives the whole configuration: it needs credentials of namespace ${rootNamespace}` };
    },
    resources() {
      const objects = config().filter((object) => object.kind === kind && object.apiVersion.split('/')[0] === group);
      return new Map(objects.map(encode).map((resource) => [resource.name, resource]));
    },
  };
}
