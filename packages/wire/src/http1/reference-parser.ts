import { createRequire } from 'node:module';

interface NodeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void;
  execute(input: Buffer): number | Error;
  close(): void;
  [callback: number]: (...values: never[]) => unknown;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

/** Node has no public parser without a socket; this one is what its HTTP server runs, and what it reads needs no types of its own. */
const { HTTPParser, methods } = createRequire(import.meta.url)('node:_http_common') as {
  readonly HTTPParser: NodeParserClass;
  readonly methods: readonly string[];
};

/** What another HTTP/1 parser (Node's) makes of an input: a second opinion for fuzz targets. */
export interface ReferenceRequest {
  readonly method: string;
  readonly path: string;
  body: string;
  complete: boolean;
}

export interface ReferenceReading {
  readonly requests: readonly ReferenceRequest[];
  /** Its error code, such as `HPE_INVALID_HEADER_TOKEN`, and where it stopped. */
  readonly error: string | undefined;
  readonly reason: string;
}

export function readByReference(input: Buffer): ReferenceReading {
  const requests: ReferenceRequest[] = [];
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 0, 0);
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    _headers: string[] | undefined,
    method: number,
    path: string,
  ) => {
    requests.push({ method: methods[method] ?? '', path, body: '', complete: false });
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk: Buffer) => {
    const last = requests.at(-1);
    if (last !== undefined) last.body += chunk.toString('latin1');
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const last = requests.at(-1);
    if (last !== undefined) last.complete = true;
  };
  const result = parser.execute(input);
  parser.close();
  if (!(result instanceof Error)) return { requests, error: undefined, reason: '' };
  return { requests, error: text(result, 'code'), reason: text(result, 'reason') };
}

function text(error: Error & { readonly code?: unknown; readonly reason?: unknown }, key: 'code' | 'reason'): string {
  const value = error[key];
  return typeof value === 'string' ? value : error.message;
}
