import type { TypedExtensionConfig } from '@xebec/protos/envoy/config/core/v3/extension';
import { formatTable } from '../table.ts';

/** Configurations of filters by type, then name, in istioctl's columns. */
export function extensionTable(extensions: readonly TypedExtensionConfig[]): string {
  const rows = extensions.map(
    ({ name, typedConfig }) => [name, (typedConfig?.typeUrl ?? '').replace(/^type\.googleapis\.com\//, '')] as const,
  );
  rows.sort(([nameA, typeA], [nameB, typeB]) => (typeA === typeB ? (nameA < nameB ? -1 : 1) : typeA < typeB ? -1 : 1));
  return formatTable(['ECDS NAME', 'TYPE'], rows);
}
