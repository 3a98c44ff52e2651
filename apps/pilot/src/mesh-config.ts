import { type ConfigProblem, isRecord, lineOfField, readYamlObjects } from '@xebec/config';
import { err, ok, type Result } from '@xebec/core';
import { decodeMeshConfig, decodeMeshNetworks, type MeshConfig, type MeshNetworks } from '@xebec/schemas';

export interface MeshConfigOrigin {
  /** File or ConfigMap, for messages. */
  readonly origin: string;
}

/** Reads a MeshConfig in YAML, with the line of everything that is wrong; empty text means the defaults. */
export function decodeMesh(text: string, from: MeshConfigOrigin): Result<MeshConfig, ConfigProblem[]> {
  return decodeYaml(text, from, decodeMeshConfig);
}

/** Reads MeshNetworks in YAML, likewise; empty text means one network. */
export function decodeNetworks(text: string, from: MeshConfigOrigin): Result<MeshNetworks, ConfigProblem[]> {
  return decodeYaml(text, from, decodeMeshNetworks);
}

function decodeYaml<T>(text: string, { origin }: MeshConfigOrigin, decode: (value: unknown) => Result<T>): Result<T, ConfigProblem[]> {
  const { objects, problems } = readYamlObjects(text);
  if (problems.length > 0) return err(problems.map(({ line, message }) => ({ origin, line, message })));
  const [object] = objects;
  const decoded = decode(object?.value ?? {});
  if (decoded.ok) return ok(decoded.value);
  return err(
    decoded.error.map(({ path, message }) => ({
      origin,
      line: object === undefined ? 0 : lineOfField(object, path),
      message: `${path}: ${message}`,
    })),
  );
}

/**
 * Headers of providers that name a variable (`envName`) with its value; an unset one is empty, as in Istio. Translation knows no
 * environment, so this is done where configuration comes in.
 */
export function withEnvironment(mesh: MeshConfig, env: NodeJS.ProcessEnv): MeshConfig {
  if (!JSON.stringify(mesh.extensionProviders ?? []).includes('"envName"')) return mesh;
  const filled: unknown = JSON.parse(JSON.stringify(mesh.extensionProviders), (_, value: unknown) =>
    isRecord(value) && typeof value['envName'] === 'string' ? { name: value['name'], value: env[value['envName']] ?? '' } : value,
  );
  const decoded = decodeMeshConfig({ extensionProviders: filled });
  return decoded.ok ? { ...mesh, extensionProviders: decoded.value.extensionProviders } : mesh;
}
