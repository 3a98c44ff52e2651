import { json, propagated, type Reply, type Request, type Route, text } from '@xebec/microservice';
import { type Backends, fetchDetails, fetchRatings, fetchReviews } from './backends.ts';
import { indexPage, PRODUCTS, productPage, STYLE } from './page.ts';
import { CLEARED_COOKIE, type Sessions } from './session.ts';

const html = (body: string): Reply => ({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body });
const redirect = (location: string, cookie: string): Reply => ({ status: 302, headers: { location, 'set-cookie': cookie }, body: '' });

/** Where to go after signing in or out: back, but never to another site. */
function backTo(request: Request): string {
  try {
    const referer = new URL(request.headers.referer ?? '');
    return referer.host === request.headers.host ? `${referer.pathname}${referer.search}` : '/productpage';
  } catch {
    return '/productpage';
  }
}

export function createRoutes(backends: Backends, sessions: Sessions): readonly Route[] {
  /** Headers for the services behind: what came in, and who is signed in as `end-user`. */
  const outgoing = (request: Request): Record<string, string> => {
    const user = sessions.userOf(request.headers.cookie);
    const { cookie: _, ...headers } = propagated(request.headers);
    return user === undefined ? headers : { ...headers, 'end-user': user };
  };
  const product = (id: string | undefined) => PRODUCTS.find((candidate) => String(candidate.id) === id);
  const forProduct =
    (fetch: (backends: Backends, id: string, headers: Record<string, string>) => Promise<{ status: number; data: unknown }>) =>
    async (request: Request) => {
      const found = product(request.params['id']);
      if (found === undefined) return json({ error: 'no such product' }, 404);
      const { status, data } = await fetch(backends, String(found.id), outgoing(request));
      return json(data, status);
    };
  return [
    { method: 'GET', path: '/', handle: () => html(indexPage()) },
    { method: 'GET', path: '/index.html', handle: () => html(indexPage()) },
    { method: 'GET', path: '/health', handle: () => text('Product page is healthy') },
    {
      method: 'GET',
      path: '/static/style.css',
      handle: () => ({ status: 200, headers: { 'content-type': 'text/css', 'cache-control': 'max-age=300' }, body: STYLE }),
    },
    {
      method: 'POST',
      path: '/login',
      handle: (request) => {
        const user = new URLSearchParams(request.body).get('username')?.trim() ?? '';
        if (user === '' || user.length > 64) return text('username must have 1 to 64 characters', 400);
        return redirect(backTo(request), sessions.cookieFor(user));
      },
    },
    { method: 'GET', path: '/logout', handle: (request) => redirect(backTo(request), CLEARED_COOKIE) },
    {
      method: 'GET',
      path: '/productpage',
      handle: async (request) => {
        const headers = outgoing(request);
        const [shown] = PRODUCTS;
        if (shown === undefined) return json({ error: 'no products' }, 404);
        const details = await fetchDetails(backends, String(shown.id), headers);
        const reviews = await fetchReviews(backends, String(shown.id), headers);
        return html(productPage(shown, sessions.userOf(request.headers.cookie), details, reviews));
      },
    },
    { method: 'GET', path: '/api/v1/products', handle: () => json(PRODUCTS) },
    { method: 'GET', path: '/api/v1/products/:id', handle: forProduct(fetchDetails) },
    { method: 'GET', path: '/api/v1/products/:id/reviews', handle: forProduct(fetchReviews) },
    { method: 'GET', path: '/api/v1/products/:id/ratings', handle: forProduct(fetchRatings) },
  ];
}
