import { type RedirectAction, RedirectAction_RedirectResponseCode } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { RequestHead } from '@xebec/wire';
import { compilePathRewrite } from './path-rewrite.ts';
import type { CompiledMatch } from './route-match.ts';
import { portStart } from './virtual-host-index.ts';

export interface CompiledRedirect {
  readonly kind: 'redirect';
  readonly status: number;
  /** The `location` header for this request. */
  location(request: RequestHead): string;
}

const statuses: Record<RedirectAction_RedirectResponseCode, number> = {
  [RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY]: 301,
  [RedirectAction_RedirectResponseCode.FOUND]: 302,
  [RedirectAction_RedirectResponseCode.SEE_OTHER]: 303,
  [RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT]: 307,
  [RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT]: 308,
};

/** Where a virtual host requires TLS: the same place by https, its port kept. */
export function tlsLocation(request: RequestHead): string {
  return `https://${request.authority}${request.path}`;
}

export function compileRedirect(action: RedirectAction, match: CompiledMatch): CompiledRedirect {
  const scheme = action.schemeRewriteSpecifier;
  const newScheme = scheme.case === 'schemeRedirect' ? scheme.value : scheme.case === 'httpsRedirect' && scheme.value ? 'https' : undefined;
  const port = action.portRedirect === 0 ? '' : `:${action.portRedirect}`;
  const path = action.pathRewriteSpecifier;
  const rewrite = compilePathRewrite(
    {
      prefixRewrite: path.case === 'prefixRewrite' ? path.value : '',
      regexRewrite: path.case === 'regexRewrite' ? path.value : undefined,
    },
    match,
  );
  const newPath = (request: RequestHead): string => {
    const query = request.path.indexOf('?');
    if (path.case === 'pathRedirect' && path.value !== '') {
      const keepQuery = !path.value.includes('?') && query !== -1 && !action.stripQuery;
      return keepQuery ? path.value + request.path.slice(query) : path.value;
    }
    const whole = rewrite?.(request.path) ?? request.path;
    const end = action.stripQuery ? whole.indexOf('?') : -1;
    return end === -1 ? whole : whole.slice(0, end);
  };
  return {
    kind: 'redirect',
    status: statuses[action.responseCode],
    location(request) {
      const finalScheme = newScheme ?? request.scheme;
      const host = action.hostRedirect === '' ? withoutDefaultPort(request, finalScheme, port !== '') : action.hostRedirect;
      const wanted = newPath(request);
      return `${finalScheme}://${host}${port}${wanted === '' || wanted.startsWith('/') ? '' : '/'}${wanted}`;
    },
  };
}

/** The authority without its port when a port replaces it, or when it is the old scheme's default and the scheme changes. */
function withoutDefaultPort(request: RequestHead, finalScheme: string, portReplaced: boolean): string {
  const start = portStart(request.authority);
  if (start === -1) return request.authority;
  const oldScheme = request.scheme;
  const port = request.authority.slice(start);
  const isDefault = finalScheme !== oldScheme && ((oldScheme === 'https' && port === ':443') || (oldScheme === 'http' && port === ':80'));
  return portReplaced || isDefault ? request.authority.slice(0, start) : request.authority;
}
