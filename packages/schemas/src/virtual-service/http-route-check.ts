import { nearest } from '@xebec/core';
import { durationMs } from '../fields.ts';
import type { FindingList } from '../findings.ts';
import { checkDuration } from '../traffic-policy/connection-pool.ts';
import { isWhole } from '../values/durations.ts';
import { corsHeader } from '../values/header-names.ts';
import { checkOneOf } from '../values/one-of.ts';
import { compiles, regularExpression } from '../values/regular-expression.ts';
import { checkPathMatch } from '../values/string-match.ts';
import { checkDestination, checkWeights } from './destination.ts';
import { checkFault, checkStatus } from './fault-check.ts';
import { checkAuthority, checkHeaders } from './headers-check.ts';
import { checkHttpMatch } from './http-match-check.ts';
import { checkRetries } from './retries-check.ts';
import type { HttpRoute } from './spec.ts';

type Path = readonly PropertyKey[];

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*'];
const MANY_BYTES = 100 * 1024;
const MAX_BYTES = 1024 * 1024;

export interface RouteContext {
  /** Whether the VirtualService has no hosts of its own: its routes are another's. */
  readonly isDelegate: boolean;
  readonly atGateway: boolean;
}

export function checkHttpRoute(route: HttpRoute, context: RouteContext, path: Path, findings: FindingList): void {
  checkConflicts(route, context.isDelegate, path, findings);
  for (const [index, match] of (route.match ?? []).entries()) checkHttpMatch(match, context.atGateway, [...path, 'match', index], findings);
  checkHeaders(route.headers, [...path, 'headers'], findings);
  checkAuthority(route, path, findings);
  checkCors(route.corsPolicy, [...path, 'corsPolicy'], findings);
  checkFault(route.fault, [...path, 'fault'], findings);
  checkMirrors(route, path, findings);
  checkRedirect(route, [...path, 'redirect'], findings);
  checkDirectResponse(route.directResponse, [...path, 'directResponse'], findings);
  checkRetries(route.retries, [...path, 'retries'], findings);
  checkRewrite(route.rewrite, [...path, 'rewrite'], findings);
  for (const [index, { destination, headers }] of (route.route ?? []).entries()) {
    checkDestination(destination, [...path, 'route', index, 'destination'], findings);
    checkHeaders(headers, [...path, 'route', index, 'headers'], findings);
  }
  checkWeights(route.route ?? [], [...path, 'route'], findings);
  checkDuration(route.timeout, [...path, 'timeout'], findings);
}

function checkConflicts(route: HttpRoute, isDelegate: boolean, path: Path, findings: FindingList): void {
  if (route.delegate !== undefined && !isDelegate) {
    for (const field of ['redirect', 'route'] as const)
      if (route[field] !== undefined) findings.error([...path, field], 'cannot stand beside delegate, which decides on it');
    return;
  }
  if (route.delegate !== undefined) findings.error([...path, 'delegate'], 'a delegate cannot delegate further');
  const answers = (['redirect', 'directResponse'] as const).filter((field) => route[field] !== undefined);
  const [first] = answers;
  if (answers.length > 1) findings.error(path, 'only one of redirect and directResponse can be set');
  if (first === undefined && (route.route ?? []).length === 0) findings.error(path, 'needs one of route, redirect, directResponse');
  if (first !== undefined) {
    if ((route.route ?? []).length > 0) findings.error([...path, 'route'], `cannot stand beside ${first}`);
    for (const field of ['fault', 'rewrite'] as const)
      if (route[field] !== undefined) findings.error([...path, field], `cannot stand beside ${first}`);
  }
  if (route.mirror !== undefined && (route.mirrors ?? []).length > 0)
    findings.error([...path, 'mirror'], 'only one of mirror and mirrors can be set');
}

function checkMirrors(route: HttpRoute, path: Path, findings: FindingList): void {
  if (route.mirrorPercent !== undefined) {
    if (route.mirrorPercent > 100) findings.error([...path, 'mirrorPercent'], `${route.mirrorPercent} is more than 100`);
    findings.warning([...path, 'mirrorPercent'], 'is deprecated; write mirrorPercentage.value');
  }
  checkDestination(route.mirror, [...path, 'mirror'], findings);
  for (const [index, { destination }] of (route.mirrors ?? []).entries())
    checkDestination(destination, [...path, 'mirrors', index, 'destination'], findings);
}

function checkRedirect({ match, redirect }: HttpRoute, path: Path, findings: FindingList): void {
  if (redirect === undefined) return;
  const { authority = '', prefixRewrite = '', redirectCode = 0, scheme = '', uri = '' } = redirect;
  checkOneOf(redirect, ['port', 'derivePort'], path, findings);
  if (uri !== '' && prefixRewrite !== '') findings.error(path, 'only one of uri and prefixRewrite can be set');
  if (prefixRewrite !== '' && match?.some((entry) => entry.uri !== undefined && entry.uri.prefix === undefined))
    findings.error([...path, 'prefixRewrite'], 'needs matches by uri.prefix alone');
  if (`${uri}${prefixRewrite}${authority}${scheme}` === '' && redirect.port === undefined && redirect.derivePort === undefined)
    findings.error(path, 'sets nothing; set uri, prefixRewrite, authority, scheme or port');
  if (redirectCode !== 0 && (redirectCode < 300 || redirectCode > 399))
    findings.error([...path, 'redirectCode'], `${redirectCode} is not 300 to 399`);
  if (!['', 'http', 'https'].includes(scheme)) findings.error([...path, 'scheme'], `"${scheme}" is neither http nor https`);
}

function checkDirectResponse(response: HttpRoute['directResponse'], path: Path, findings: FindingList): void {
  if (response === undefined) return;
  checkOneOf(response.body, ['string', 'bytes'], [...path, 'body'], findings);
  const { bytes = '', string = '' } = response.body ?? {};
  const size = bytes === '' ? Buffer.byteLength(string) : Buffer.byteLength(bytes, 'base64');
  if (size > MAX_BYTES) findings.error([...path, 'body'], `${size} bytes are more than ${MAX_BYTES}`);
  else if (size > MANY_BYTES) findings.warning([...path, 'body'], `${size} bytes go to every proxy with each change`);
  checkStatus(response.status, [...path, 'status'], findings);
}

function checkRewrite(rewrite: HttpRoute['rewrite'], path: Path, findings: FindingList): void {
  if (rewrite === undefined) return;
  const { authority = '', uri = '', uriRegexRewrite: regex } = rewrite;
  if (uri !== '' && regex !== undefined) findings.error(path, 'only one of uri and uriRegexRewrite can be set');
  if (uri === '' && regex === undefined && authority === '') findings.error(path, 'sets nothing; set uri, uriRegexRewrite or authority');
  if (regex === undefined) return;
  for (const field of ['match', 'rewrite'] as const)
    if (regex[field] === '') findings.error([...path, 'uriRegexRewrite', field], 'must not be empty');
  if (regex.match !== '') findings.refuse([...path, 'uriRegexRewrite', 'match'], regularExpression(regex.match) ?? compiles(regex.match));
}

function checkCors(cors: HttpRoute['corsPolicy'], path: Path, findings: FindingList): void {
  if (cors === undefined) return;
  for (const [index, origin] of (cors.allowOrigins ?? []).entries()) {
    const at = [...path, 'allowOrigins', index];
    if ((origin.exact ?? origin.prefix ?? origin.regex ?? '') === '') findings.error(at, 'needs one of exact, prefix, regex, not empty');
    else checkPathMatch(origin, at, findings);
  }
  for (const [index, method] of (cors.allowMethods ?? []).entries()) {
    if (METHODS.includes(method)) continue;
    const suggestion = nearest(method.toUpperCase(), METHODS);
    const hint = suggestion === undefined ? `; use ${METHODS.join(', ')}` : `; did you mean "${suggestion}"?`;
    findings.error([...path, 'allowMethods', index], `"${method}" is not a method${hint}`);
  }
  for (const field of ['allowHeaders', 'exposeHeaders'] as const)
    for (const [index, name] of (cors[field] ?? []).entries()) findings.refuse([...path, field, index], corsHeader(name));
  checkDuration(cors.maxAge, [...path, 'maxAge'], findings);
  if (cors.maxAge !== undefined && !isWhole((durationMs(cors.maxAge) ?? 0) / 1000))
    findings.error([...path, 'maxAge'], `"${cors.maxAge}" is finer than seconds`);
}
