import type { AddressInfo } from 'node:net';
import { createService, get } from '@xebec/microservice';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoutes } from './productpage.ts';
import { createSessions } from './session.ts';

interface Call {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const calls: Call[] = [];
let reviewsStatus = 200;
const server = createService(
  createRoutes(
    {
      detailsUrl: 'http://details',
      reviewsUrl: 'http://reviews',
      ratingsUrl: 'http://ratings',
      fetch: async (url, headers) => {
        calls.push({ url, headers });
        if (url.startsWith('http://reviews')) {
          const body = {
            id: '0',
            podname: 'reviews-v3-x',
            reviews: [{ reviewer: 'R<1>', text: 'a&b', rating: { stars: 4, color: 'red' } }],
          };
          return { status: reviewsStatus, body: JSON.stringify(body) };
        }
        return { status: 200, body: JSON.stringify({ id: 0, author: 'W', pages: 1 }) };
      },
    },
    createSessions(Buffer.from('secret')),
  ),
);
let base = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

describe('product page', () => {
  it('shows details and reviews, escaped, with stars in their colour', async () => {
    const page = await get(`${base}/productpage`, {}, 5000);
    expect(page.status).toBe(200);
    expect(page.body).toContain('<title>The Comedy of Errors</title>');
    expect(page.body).toContain('R&#60;1&#62;');
    expect(page.body).toContain('class="stars red" role="img" aria-label="4 of 5 stars"');
  });

  it('signs a user in and passes end-user and trace headers on, but no cookie', async () => {
    const login = await fetch(`${base}/login`, { method: 'POST', body: new URLSearchParams({ username: 'jason' }), redirect: 'manual' });
    expect([login.status, login.headers.get('location')]).toEqual([302, '/productpage']);
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
    calls.length = 0;
    await get(`${base}/productpage`, { cookie, 'x-b3-traceid': 'abc' }, 5000);
    expect(calls.map((call) => [call.url, call.headers['end-user'], call.headers['x-b3-traceid'], call.headers['cookie']])).toEqual([
      ['http://details/details/0', 'jason', 'abc', undefined],
      ['http://reviews/reviews/0', 'jason', 'abc', undefined],
    ]);
    calls.length = 0;
    await get(`${base}/productpage`, { cookie: cookie.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')) }, 5000);
    expect(calls[0]?.headers['end-user']).toBeUndefined();
  });

  it('asks reviews twice and says what is missing', async () => {
    reviewsStatus = 503;
    calls.length = 0;
    const page = await get(`${base}/productpage`, {}, 5000);
    reviewsStatus = 200;
    expect(calls.filter((call) => call.url.startsWith('http://reviews'))).toHaveLength(2);
    expect(page.body).toContain('Sorry, product reviews are currently unavailable for this book.');
  });

  it('serves the REST paths', async () => {
    const reviews = await get(`${base}/api/v1/products/0/reviews`, {}, 5000);
    expect(JSON.parse(reviews.body)).toMatchObject({ podname: 'reviews-v3-x' });
    expect((await get(`${base}/api/v1/products/7`, {}, 5000)).status).toBe(404);
  });
});
