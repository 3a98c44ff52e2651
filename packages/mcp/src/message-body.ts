import {
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { createProtoRegistry } from '@xebec/protos/registry';
import { durationMs } from '@xebec/schemas';

/** The messages that sources of release 1.4 and 1.5 put into bodies, by collection; what is not here they carry as Struct, or not at all. */
const typeNames: Readonly<Record<string, string>> = {
  'istio/networking/v1alpha3/virtualservices': 'istio.networking.v1alpha3.VirtualService',
  'istio/networking/v1alpha3/destinationrules': 'istio.networking.v1alpha3.DestinationRule',
  'istio/networking/v1alpha3/gateways': 'istio.networking.v1alpha3.Gateway',
  'istio/networking/v1alpha3/serviceentries': 'istio.networking.v1alpha3.ServiceEntry',
  'istio/networking/v1alpha3/sidecars': 'istio.networking.v1alpha3.Sidecar',
  'istio/networking/v1alpha3/envoyfilters': 'istio.networking.v1alpha3.EnvoyFilter',
  'istio/security/v1beta1/authorizationpolicies': 'istio.security.v1beta1.AuthorizationPolicy',
  'istio/security/v1beta1/peerauthentications': 'istio.security.v1beta1.PeerAuthentication',
  'istio/security/v1beta1/requestauthentications': 'istio.security.v1beta1.RequestAuthentication',
  'istio/policy/v1beta1/attributemanifests': 'istio.policy.v1beta1.AttributeManifest',
  'istio/policy/v1beta1/handlers': 'istio.policy.v1beta1.Handler',
  'istio/policy/v1beta1/instances': 'istio.policy.v1beta1.Instance',
  'istio/policy/v1beta1/rules': 'istio.policy.v1beta1.Rule',
  'istio/mixer/v1/config/client/quotaspecs': 'istio.mixer.v1.config.client.QuotaSpec',
  'istio/mixer/v1/config/client/quotaspecbindings': 'istio.mixer.v1.config.client.QuotaSpecBinding',
  'istio/config/v1alpha2/httpapispecs': 'istio.mixer.v1.config.client.HTTPAPISpec',
  'istio/config/v1alpha2/httpapispecbindings': 'istio.mixer.v1.config.client.HTTPAPISpecBinding',
  'istio/rbac/v1alpha1/serviceroles': 'istio.rbac.v1alpha1.ServiceRole',
  'istio/rbac/v1alpha1/servicerolebindings': 'istio.rbac.v1alpha1.ServiceRoleBinding',
  'istio/rbac/v1alpha1/clusterrbacconfigs': 'istio.rbac.v1alpha1.RbacConfig',
};

const PREFIX = 'type.googleapis.com/';
/** Files of messages are loaded when one of theirs is first asked for. */
const registry = createProtoRegistry();

function messageOf(collection: string): DescMessage | undefined {
  const typeName = Object.hasOwn(typeNames, collection) ? typeNames[collection] : undefined;
  return typeName === undefined ? undefined : registry.getMessage(typeName);
}

/** The type URL of a collection's message; undefined where there is none. */
export function messageTypeUrl(collection: string): string | undefined {
  const desc = messageOf(collection);
  return desc === undefined ? undefined : PREFIX + desc.typeName;
}

/**
 * A spec as the message of its collection. Fields that the message lacks are left out. Undefined where there is no message, or the spec
 * does not fit it.
 */
export function toMessageBody(collection: string, spec: JsonObject): Pick<Any, 'typeUrl' | 'value'> | undefined {
  const desc = messageOf(collection);
  if (desc === undefined) return undefined;
  try {
    const message = fromJson(desc, withPlainDurations(desc, spec), { ignoreUnknownFields: true, registry });
    return { typeUrl: PREFIX + desc.typeName, value: toBinary(desc, message) };
  } catch {
    return undefined;
  }
}

/** The spec in a body that is its collection's message. Throws for bytes that are none. */
export function fromMessageBody(collection: string, bytes: Uint8Array): JsonValue {
  const desc = messageOf(collection);
  if (desc === undefined) throw new Error(`there is no message for ${collection}`);
  return toJson(desc, fromBinary(desc, bytes), { registry });
}

/** Protobuf's JSON has durations in seconds alone; specs also have `100ms` and `1h30m`. */
function withPlainDurations(desc: DescMessage, json: JsonValue): JsonValue {
  if (desc.typeName === 'google.protobuf.Duration') {
    const ms = typeof json === 'string' ? durationMs(json) : undefined;
    return ms === undefined ? json : `${(ms / 1000).toFixed(9)}s`;
  }
  if (!isObject(json) || desc.typeName.startsWith('google.protobuf.')) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => {
      const field = desc.fields.find(({ name, jsonName }) => jsonName === key || name === key);
      return [key, field === undefined ? value : ofField(field, value)];
    }),
  );
}

function ofField(field: DescField, value: JsonValue): JsonValue {
  const { message } = field;
  if (message === undefined) return value;
  const convert = (part: JsonValue) => withPlainDurations(message, part);
  if (field.fieldKind === 'list') return Array.isArray(value) ? value.map(convert) : value;
  if (field.fieldKind === 'map')
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, convert(part)])) : value;
  return convert(value);
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
