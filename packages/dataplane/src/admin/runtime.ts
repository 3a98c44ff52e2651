import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';

interface Layer {
  readonly name: string;
  readonly values: Map<string, string>;
  readonly isAdmin: boolean;
}

/** Runtime values in layers, as `/runtime` shows them; `/runtime_modify` changes the admin layer. */
export class AdminRuntime {
  readonly #layers: readonly Layer[];

  constructor(bootstrap: Bootstrap) {
    this.#layers = (bootstrap.layeredRuntime?.layers ?? []).map(({ name, layerSpecifier }) => ({
      name,
      values: layerSpecifier.case === 'staticLayer' ? flatten(layerSpecifier.value, '') : new Map<string, string>(),
      isAdmin: layerSpecifier.case === 'adminLayer',
    }));
  }
  /** Envoy's JSON: every key with its value in each layer. */
  describe(): object {
    const keys = [...new Set(this.#layers.flatMap(({ values }) => [...values.keys()]))].sort();
    const entries = keys.map((key) => {
      const layer_values = this.#layers.map(({ values }) => values.get(key) ?? '');
      return [key, { layer_values, final_value: layer_values.findLast((value) => value !== '') ?? '' }];
    });
    return { layers: this.#layers.map(({ name }) => name), entries: Object.fromEntries(entries) };
  }
  /** False when there is no admin layer. */
  modify(changes: Iterable<readonly [string, string]>): boolean {
    const admin = this.#layers.find(({ isAdmin }) => isAdmin);
    if (admin === undefined) return false;
    for (const [key, value] of changes) {
      if (value === '') admin.values.delete(key);
      else admin.values.set(key, value);
    }
    return true;
  }
}

function flatten(value: unknown, path: string, into = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flatten(inner, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== null && !Array.isArray(value)) into.set(path, String(value));
  return into;
}
