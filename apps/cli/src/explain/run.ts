import { errorText } from '@xebec/core';
import { type Call, type Caller, explainCall, explanationText, findGateway, findWorkload, type Outcome } from '@xebec/explain';
import type { MeshSnapshot } from '@xebec/model';
import { CommandFailure, EXIT } from '../exit.ts';
import { meshOfFiles } from '../offline/mesh-files.ts';

export interface ExplainOptions {
  readonly file: readonly string[];
  readonly meshConfig?: string;
  readonly from?: string;
  readonly gateway?: string;
  readonly header?: readonly string[];
  readonly jwtClaims?: string;
  readonly sourceIp: string;
  readonly draw: string;
  readonly output: string;
}

/** Somebody who can answer gets the request. */
const GOOD: ReadonlySet<Outcome> = new Set<Outcome>(['delivered', 'answered', 'passed through']);

export function run(method: string | undefined, url: string | undefined, options: ExplainOptions): void {
  if (options.output !== 'text' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use text or json`, EXIT.usage);
  if (method === undefined)
    throw new CommandFailure(
      'what request? for example: xebec explain GET reviews:9080/reviews/1 --from productpage -f mesh.yaml',
      EXIT.usage,
    );
  const target = url === undefined ? parseUrl(method) : parseUrl(url);
  const draw = Number(options.draw);
  if (!(draw >= 0 && draw < 1))
    throw new CommandFailure(`--draw ${options.draw} must be a number from 0 up to, but not including, 1`, EXIT.usage);
  const claims = options.jwtClaims === undefined ? undefined : parseClaims(options.jwtClaims);
  const headers = (options.header ?? []).flatMap(parseHeader);
  const { snapshot, problems } = meshOfFiles(options.file, { meshConfigFile: options.meshConfig, planned: true });
  // Half a mesh would give wrong answers.
  if (problems.length > 0) throw new CommandFailure(problems.join('\nError: '), EXIT.data);
  const call: Call = {
    ...target,
    method: url === undefined ? 'GET' : method.toUpperCase(),
    headers,
    caller: callerOf(snapshot, options),
    draw,
    ...(claims === undefined ? {} : { claims }),
  };
  const explanation = explainCall(snapshot, call);
  process.stdout.write(options.output === 'json' ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
  if (!GOOD.has(explanation.verdict.outcome)) process.exitCode = EXIT.failure;
}

function callerOf(snapshot: MeshSnapshot, { from, gateway, sourceIp }: ExplainOptions): Caller {
  if (from === undefined || from === 'outside') {
    const found = findGateway(snapshot, gateway);
    if (!found.ok) throw new CommandFailure(found.error, EXIT.usage);
    return { kind: 'outside', gateway: found.value, address: sourceIp };
  }
  const found = findWorkload(snapshot, from);
  if (!found.ok) throw new CommandFailure(`--from: ${found.error}`, EXIT.usage);
  return { kind: 'workload', ...found.value };
}

function parseUrl(text: string): Pick<Call, 'scheme' | 'authority' | 'path'> {
  const parts = /^(?:(https?):\/\/)?([^/?#]+)([/?][^#]*)?$/.exec(text);
  const [, scheme, authority, path = '/'] = parts ?? [];
  if (authority === undefined)
    throw new CommandFailure(`"${text}" is not a URL; write host:port/path, with http:// or https:// in front if you like`, EXIT.usage);
  return { scheme: scheme === 'https' ? 'https' : 'http', authority, path: path.startsWith('/') ? path : `/${path}` };
}

function parseHeader(text: string): string[] {
  const colon = text.indexOf(':');
  if (colon <= 0) throw new CommandFailure(`-H "${text}" is not a header; write "name: value"`, EXIT.usage);
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()];
}

function parseClaims(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandFailure(`--jwt-claims is not JSON: ${errorText(error)}`, EXIT.usage);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CommandFailure('--jwt-claims must be a JSON object', EXIT.usage);
  return { ...value };
}
