import { stringMap } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { firstLabel, type Labels } from '../../selectors.ts';

export function gatewaySelector({ spec }: Resource): Labels {
  return stringMap(spec['selector']);
}

/** The field that messages about a gateway's selector point at. */
export function gatewaySelectorPath(resource: Resource): string {
  return `spec.selector.${firstLabel(gatewaySelector(resource))}`;
}
