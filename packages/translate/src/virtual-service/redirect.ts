import {
  type DirectResponseActionSchema,
  RedirectAction_RedirectResponseCode,
  type RedirectActionSchema,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import type { HttpRoute } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';

const CODES: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

/** `listenerPort` stands in where the port is to be that of the request; `tls`: whether requests come over TLS. */
export function redirectAction(
  redirect: NonNullable<HttpRoute['redirect']>,
  listenerPort: number,
  tls: boolean,
): Fields<typeof RedirectActionSchema> {
  const code = CODES[redirect.redirectCode ?? 301];
  const fromRequest = redirect.derivePort === 'FROM_REQUEST_PORT';
  // A default port is not written into the location.
  const scheme = redirect.scheme ?? (tls ? 'https' : 'http');
  const wanted = redirect.port ?? (fromRequest ? listenerPort : undefined);
  const natural = (scheme === 'http' && wanted === 80) || (scheme === 'https' && wanted === 443);
  const port = natural ? undefined : wanted;
  return {
    ...(redirect.authority === undefined ? {} : { hostRedirect: redirect.authority }),
    ...(redirect.scheme === undefined ? {} : { schemeRewriteSpecifier: { case: 'schemeRedirect' as const, value: redirect.scheme } }),
    ...(redirect.prefixRewrite !== undefined
      ? { pathRewriteSpecifier: { case: 'prefixRewrite' as const, value: redirect.prefixRewrite } }
      : redirect.uri === undefined
        ? {}
        : { pathRewriteSpecifier: { case: 'pathRedirect' as const, value: redirect.uri } }),
    ...(port === undefined ? {} : { portRedirect: port }),
    ...(code === undefined ? {} : { responseCode: code }),
  };
}

export function directResponse(response: NonNullable<HttpRoute['directResponse']>): Fields<typeof DirectResponseActionSchema> {
  const { body } = response;
  return {
    status: response.status,
    ...(body?.string !== undefined
      ? { body: { specifier: { case: 'inlineString' as const, value: body.string } } }
      : body?.bytes !== undefined
        ? { body: { specifier: { case: 'inlineBytes' as const, value: new Uint8Array(Buffer.from(body.bytes, 'base64')) } } }
        : {}),
  };
}
