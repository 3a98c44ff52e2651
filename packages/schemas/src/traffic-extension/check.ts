import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkScope } from '../policy-scope.ts';
import { checkWasm } from '../wasm-plugin/check.ts';
import type { TrafficExtensionSpec } from './spec.ts';

const MAX_LUA_BYTES = 65_536;

export function checkTrafficExtension({ spec }: ConfigObject<TrafficExtensionSpec>): Findings {
  const findings = new FindingList();
  checkScope(spec, findings);
  const { lua, wasm } = spec;
  if ((lua === undefined) === (wasm === undefined)) findings.error(['spec'], 'exactly one of wasm and lua must be set');
  if (lua !== undefined) {
    const path = ['spec', 'lua', 'inlineCode'];
    const { inlineCode = '' } = lua;
    if (inlineCode === '') findings.error(path, 'must not be empty');
    if (new TextEncoder().encode(inlineCode).length > MAX_LUA_BYTES) findings.error(path, `longer than ${MAX_LUA_BYTES} bytes`);
  }
  if (wasm !== undefined) checkWasm(wasm, ['spec', 'wasm'], findings);
  return findings;
}
