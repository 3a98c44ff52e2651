import { equalJson, isObject, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, stringMapAt, textAt } from './object.ts';
import { matchesLabelSelector } from './selectors.ts';
import { type FieldError, invalidValue, notSupported, required } from './status.ts';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SERVICE_NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Kinds whose names may hold characters such as `:`. */
const FREE_NAMES = new Set([
  'roles.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
]);

/** What is wrong with an object's metadata. */
export function validateMetadata(resourceId: string, object: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const { name, labels = {} } = object.metadata;
  if (name === '' || name === undefined) errors.push(required('metadata.name', 'name or generateName is required'));
  else if (resourceId === 'services') {
    if (!SERVICE_NAME.test(name)) errors.push(invalidValue('metadata.name', name, SERVICE_TEXT));
  } else if (resourceId === 'namespaces') {
    if (!LABEL.test(name)) errors.push(invalidValue('metadata.name', name, LABEL_TEXT));
  } else if (FREE_NAMES.has(resourceId)) {
    if (name === '.' || name === '..' || /[/%]/.test(name)) errors.push(invalidValue('metadata.name', name, "may not contain '/' or '%'"));
  } else if (!SUBDOMAIN.test(name)) errors.push(invalidValue('metadata.name', name, SUBDOMAIN_TEXT));
  const limit = resourceId === 'services' || resourceId === 'namespaces' ? 63 : 253;
  if ((name?.length ?? 0) > limit) errors.push(invalidValue('metadata.name', name, `must be no more than ${limit} characters`));
  errors.push(...validateLabels(labels, 'metadata.labels'));
  return errors;
}

function validateLabels(labels: Readonly<Record<string, string>>, path: string): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...(LABEL_KEY.test(key)
      ? []
      : [
          invalidValue(
            path,
            key,
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
          ),
        ]),
    ...(LABEL_VALUE.test(value) ? [] : [invalidValue(path, value, LABEL_VALUE_TEXT)]),
    ...(value.length <= 63 ? [] : [invalidValue(path, value, 'must be no more than 63 characters')]),
  ]);
}

function validatePodSpec(spec: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const containers = objectsAt(spec, 'containers');
  if (containers.length === 0) errors.push(required(`${path}.containers`));
  const volumes = new Set(objectsAt(spec, 'volumes').map((volume) => textAt(volume, 'name')));
  const names = new Set<string>();
  for (const list of ['containers', 'initContainers'] as const) {
    objectsAt(spec, list).forEach((container, index) => {
      const own = `${path}.${list}[${index}]`;
      const name = textAt(container, 'name');
      if (name === '') errors.push(required(`${own}.name`));
      else if (!LABEL.test(name)) errors.push(invalidValue(`${own}.name`, name, LABEL_TEXT));
      else if (names.has(name)) errors.push({ field: `${own}.name`, reason: 'FieldValueDuplicate', message: `Duplicate value: "${name}"` });
      names.add(name);
      if (textAt(container, 'image') === '') errors.push(required(`${own}.image`));
      objectsAt(container, 'ports').forEach((port, portIndex) => {
        const number = numberAt(port, 'containerPort');
        if (number === undefined || number === 0) errors.push(required(`${own}.ports[${portIndex}].containerPort`));
        else if (number < 1 || number > 65_535)
          errors.push(invalidValue(`${own}.ports[${portIndex}].containerPort`, number, 'must be between 1 and 65535, inclusive'));
      });
      objectsAt(container, 'volumeMounts').forEach((mount, mountIndex) => {
        const volume = textAt(mount, 'name');
        if (!volumes.has(volume))
          errors.push({ field: `${own}.volumeMounts[${mountIndex}].name`, reason: 'FieldValueInvalid', message: `Not found: "${volume}"` });
        if (textAt(mount, 'mountPath') === '') errors.push(required(`${own}.volumeMounts[${mountIndex}].mountPath`));
      });
      objectsAt(container, 'env').forEach((variable, envIndex) => {
        if (textAt(variable, 'name') === '') errors.push(required(`${own}.env[${envIndex}].name`));
      });
    });
  }
  return errors;
}

/** Pods may change only these after creation. */
function validatePodUpdate(object: KubeObject, before: KubeObject): FieldError[] {
  const strip = (value: KubeObject) => {
    const spec = objectAt(value, 'spec') ?? {};
    const {
      tolerations: _t,
      activeDeadlineSeconds: _a,
      terminationGracePeriodSeconds: _g,
      nodeName: _n,
      ephemeralContainers: _e,
      ...rest
    } = spec;
    const images = (list: JsonObject[]) => list.map(({ image: _image, ...container }) => container);
    return { ...rest, containers: images(objectsAt(spec, 'containers')), initContainers: images(objectsAt(spec, 'initContainers')) };
  };
  if (equalJson(strip(object), strip(before))) return [];
  const text =
    'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
  return [{ field: 'spec', reason: 'FieldValueForbidden', message: `Forbidden: ${text}` }];
}

function validateWorkload(object: KubeObject, before: KubeObject | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const spec = objectAt(object, 'spec') ?? {};
  const replicas = numberAt(spec, 'replicas');
  if (replicas !== undefined && replicas < 0) errors.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'));
  const selector = spec['selector'];
  const labels = stringMapAt(spec, 'template', 'metadata', 'labels');
  if (!isObject(selector) || Object.keys(selector).length === 0) errors.push(required('spec.selector'));
  else if (!matchesLabelSelector(selector, labels)) {
    errors.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  if (before !== undefined && !equalJson(objectAt(before, 'spec', 'selector'), selector))
    errors.push(invalidValue('spec.selector', selector, 'field is immutable'));
  errors.push(...validateLabels(labels, 'spec.template.labels'));
  errors.push(...validatePodSpec(objectAt(spec, 'template', 'spec') ?? {}, 'spec.template.spec'));
  const policy = textAt(spec, 'template', 'spec', 'restartPolicy');
  if (policy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']));
  return errors;
}

function validateJob(object: KubeObject, before: KubeObject | undefined): FieldError[] {
  const errors = validatePodSpec(objectAt(object, 'spec', 'template', 'spec') ?? {}, 'spec.template.spec');
  const policy = textAt(object, 'spec', 'template', 'spec', 'restartPolicy');
  if (policy !== 'OnFailure' && policy !== 'Never')
    errors.push({
      field: 'spec.template.spec.restartPolicy',
      reason: 'FieldValueRequired',
      message: 'Required value: valid values: "OnFailure", "Never"',
    });
  if (before !== undefined && !equalJson(objectAt(before, 'spec', 'template'), objectAt(object, 'spec', 'template'))) {
    errors.push(invalidValue('spec.template', objectAt(object, 'spec', 'template'), 'field is immutable'));
  }
  return errors;
}

const SERVICE_TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

function validateService(object: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const spec = objectAt(object, 'spec') ?? {};
  const type = textAt(spec, 'type');
  if (!SERVICE_TYPES.includes(type)) errors.push(notSupported('spec.type', type, SERVICE_TYPES));
  const ports = objectsAt(spec, 'ports');
  if (type === 'ExternalName') {
    if (textAt(spec, 'externalName') === '') errors.push(required('spec.externalName'));
  } else if (ports.length === 0 && spec['clusterIP'] !== 'None') errors.push(required('spec.ports'));
  const seen = new Set<string>();
  const names = new Set<string>();
  ports.forEach((port, index) => {
    const path = `spec.ports[${index}]`;
    const name = textAt(port, 'name');
    if (name === '' && ports.length > 1) errors.push(required(`${path}.name`));
    if (name !== '' && !LABEL.test(name)) errors.push(invalidValue(`${path}.name`, name, LABEL_TEXT));
    if (name !== '' && names.has(name))
      errors.push({ field: `${path}.name`, reason: 'FieldValueDuplicate', message: `Duplicate value: "${name}"` });
    names.add(name);
    const number = numberAt(port, 'port') ?? 0;
    if (number < 1 || number > 65_535) errors.push(invalidValue(`${path}.port`, number, 'must be between 1 and 65535, inclusive'));
    const target = numberAt(port, 'targetPort');
    if (target !== undefined && (target < 1 || target > 65_535))
      errors.push(invalidValue(`${path}.targetPort`, target, 'must be between 1 and 65535, inclusive'));
    const protocol = textAt(port, 'protocol');
    if (!['TCP', 'UDP', 'SCTP'].includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']));
    const key = `${number}/${protocol}`;
    if (seen.has(key))
      errors.push({ field: path, reason: 'FieldValueDuplicate', message: `Duplicate value: {"port":${number},"protocol":"${protocol}"}` });
    seen.add(key);
  });
  return errors;
}

function validateCrd(object: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const spec = objectAt(object, 'spec') ?? {};
  const wanted = `${textAt(spec, 'names', 'plural')}.${textAt(spec, 'group')}`;
  if (object.metadata.name !== wanted)
    errors.push(invalidValue('metadata.name', object.metadata.name, `must be spec.names.plural+"."+spec.group`));
  if (textAt(spec, 'names', 'kind') === '') errors.push(required('spec.names.kind'));
  const scope = textAt(spec, 'scope');
  if (scope !== 'Namespaced' && scope !== 'Cluster') errors.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  const versions = objectsAt(spec, 'versions');
  const stored = versions.filter((version) => version['storage'] === true).length;
  if (stored !== 1) errors.push(invalidValue('spec.versions', '', 'must have exactly one version marked as storage version'));
  versions.forEach((version, index) => {
    if (objectAt(version, 'schema', 'openAPIV3Schema') === undefined)
      errors.push(required(`spec.versions[${index}].schema.openAPIV3Schema`, 'schemas are required'));
  });
  return errors;
}

/** What is wrong with a built-in object beyond its types; `before` for updates. */
export function validateBuiltin(resourceId: string, object: KubeObject, before: KubeObject | undefined): FieldError[] {
  switch (resourceId) {
    case 'pods':
      return [
        ...validatePodSpec(objectAt(object, 'spec') ?? {}, 'spec'),
        ...(before === undefined ? [] : validatePodUpdate(object, before)),
      ];
    case 'deployments.apps':
    case 'replicasets.apps':
    case 'statefulsets.apps':
    case 'daemonsets.apps':
      return validateWorkload(object, before);
    case 'jobs.batch':
      return validateJob(object, before);
    case 'services':
      return validateService(object);
    case 'customresourcedefinitions.apiextensions.k8s.io':
      return validateCrd(object);
    case 'configmaps':
    case 'secrets':
      if (
        before !== undefined &&
        before['immutable'] === true &&
        !(equalJson(before['data'], object['data']) && object['immutable'] === true)
      ) {
        return [{ field: 'data', reason: 'FieldValueForbidden', message: 'Forbidden: field is immutable when `immutable` is set' }];
      }
      return [];
    default:
      return [];
  }
}
