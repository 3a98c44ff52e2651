import type { FindingList } from '../findings.ts';
import { isClaim, matchedHeader } from '../values/header-names.ts';
import { checkLabels } from '../values/labels.ts';
import { dnsLabel } from '../values/names.ts';
import { checkPathMatch, checkStringMatch } from '../values/string-match.ts';
import { checkGatewayNames } from './gateway-names.ts';
import type { HttpMatch } from './spec.ts';

/** `atGateway`: claims of tokens are known at gateways alone. */
export function checkHttpMatch(match: HttpMatch, atGateway: boolean, path: readonly PropertyKey[], findings: FindingList): void {
  const { sourceNamespace = '' } = match;
  for (const field of ['headers', 'withoutHeaders'] as const)
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const at = [...path, field, name];
      findings.refuse(at, matchedHeader(name));
      if (!atGateway && isClaim(name)) findings.error(at, 'claims are matched at gateways alone; name them in spec.gateways');
      // A regex of "*" asks whether the header is there.
      if (field === 'headers' || value.regex !== '*') checkStringMatch(value, at, findings);
    }
  checkPathMatch(match.uri, [...path, 'uri'], findings);
  for (const field of ['scheme', 'method', 'authority'] as const) checkStringMatch(match[field], [...path, field], findings);
  for (const [name, value] of Object.entries(match.queryParams ?? {})) checkStringMatch(value, [...path, 'queryParams', name], findings);
  checkLabels(match.sourceLabels, [...path, 'sourceLabels'], findings);
  checkGatewayNames(match.gateways, [...path, 'gateways'], findings);
  if (sourceNamespace !== '') findings.refuse([...path, 'sourceNamespace'], dnsLabel(sourceNamespace));
}
