import type { TapRequest } from './tap-request.ts';

/** Headers that let their reader act as somebody else. */
const secretHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-csrf-token',
  'x-xsrf-token',
  'x-amz-security-token',
  'x-goog-iap-jwt-assertion',
  'x-vault-token',
  'x-gitlab-token',
  'x-session-token',
  'x-session-id',
  'x-forwarded-access-token',
  'x-forwarded-id-token',
  'x-forwarded-password',
]);
/** Headers of a proxy's own invention follow these words. */
const secretWords = /(^|[-_])(token|secret|password|passwd|credential|credentials|jwt|signature|apikey|api[-_]key|private[-_]key)($|[-_])/;
/** So do parameters of URLs. */
const secretParameters =
  /([?&;](?:[a-z0-9_.-]*[-_.])?(?:access_token|id_token|refresh_token|token|secret|client_secret|password|passwd|pwd|api_?key|apikey|key|sig|signature|auth|code|jwt|session|x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature)=)[^&;#]*/gi;

const hidden = '[redacted]';
const maxHeaders = 64;
const maxValueLength = 1024;

export interface ShownHeader {
  readonly key: string;
  readonly value: string;
}

/** What a viewer may read of headers and paths: secrets only where it asked for them by name, and of nothing more than is bounded. */
export class HeaderView {
  readonly #all: boolean;
  readonly #named: ReadonlySet<string>;

  constructor({ showHeaders }: Pick<TapRequest, 'showHeaders'>) {
    this.#all = showHeaders.includes('*') || showHeaders.includes('all');
    this.#named = new Set(showHeaders);
  }
  /** `pseudo`: shown as they are. `headers`: names and values in turn. Beyond the first 64 they are left out. */
  list(pseudo: readonly (readonly [string, string])[], headers: readonly string[]): ShownHeader[] {
    const shown = pseudo.map(([key, value]): ShownHeader => ({ key, value: cut(value) }));
    for (let at = 0; at < headers.length && shown.length < maxHeaders; at += 2) {
      const key = headers[at] ?? '';
      shown.push({ key, value: this.#value(key, headers[at + 1] ?? '') });
    }
    return shown;
  }
  /** A path, or a URL, whose query may carry secrets as well. */
  path(path: string): string {
    return this.#all ? cut(path) : withoutSecrets(cut(path));
  }
  #value(key: string, value: string): string {
    if (this.#all || this.#named.has(key)) return cut(value);
    if (isSecret(key)) return hidden;
    return carriesUrl.has(key) ? withoutSecrets(cut(value)) : cut(value);
  }
}

/** Verdicts on names: the same ones come with every request. */
const verdicts = new Map<string, boolean>();
const maxVerdicts = 1000;

function isSecret(name: string): boolean {
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  const secret = secretHeaders.has(name) || secretWords.test(name);
  if (verdicts.size >= maxVerdicts) verdicts.clear();
  verdicts.set(name, secret);
  return secret;
}

const carriesUrl: ReadonlySet<string> = new Set([
  'referer',
  'location',
  'x-envoy-original-path',
  'x-original-url',
  'x-rewrite-url',
  'x-forwarded-uri',
]);

/** `path` is cut already: the expression is linear, and there is no need to test that on megabytes. */
const withoutSecrets = (path: string): string => (path.includes('=') ? path.replace(secretParameters, `$1${hidden}`) : path);
const cut = (value: string): string => (value.length > maxValueLength ? `${value.slice(0, maxValueLength)}…` : value);
