import type { Request } from '@xebec/microservice';
import { expect, it } from 'vitest';
import { createRoutes, type ReviewsOptions } from './reviews.ts';

async function reviewsOf(starColor: ReviewsOptions['starColor'], fetch: ReviewsOptions['fetch']): Promise<unknown> {
  const route = createRoutes({ starColor, ratingsUrl: 'http://ratings:9080', podName: 'pod', clusterName: 'null', fetch }).find(
    (each) => each.path === '/reviews/:id',
  );
  const request: Pick<Request, 'params' | 'headers'> = { params: { id: '0' }, headers: { 'end-user': 'jason' } };
  const reply = await route?.handle(request as Request);
  return JSON.parse(String(reply?.body));
}

it('v1 does not ask for ratings', async () => {
  const body = await reviewsOf('none', () => Promise.reject(new Error('asked')));
  expect(body).toMatchObject({ id: '0', podname: 'pod', reviews: [{ reviewer: 'Reviewer1' }, { reviewer: 'Reviewer2' }] });
  expect(JSON.stringify(body)).not.toContain('rating"');
});

it('v2 shows black stars and passes the user on', async () => {
  const seen: unknown[] = [];
  const body = await reviewsOf('black', async (url, headers, timeoutMs) => {
    seen.push([url, headers['end-user'], timeoutMs]);
    return { status: 200, body: '{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}' };
  });
  expect(seen).toEqual([['http://ratings:9080/ratings/0', 'jason', 10_000]]);
  expect(body).toMatchObject({ reviews: [{ rating: { stars: 5, color: 'black' } }, { rating: { stars: 4, color: 'black' } }] });
});

it.each([
  ['an error status', async () => ({ status: 500, body: 'fault filter abort' })],
  ['no answer', () => Promise.reject(new Error('timeout'))],
  ['not JSON', async () => ({ status: 200, body: '<html>' })],
])('says that ratings are missing on %s', async (_name, fetch) => {
  expect(await reviewsOf('red', fetch)).toMatchObject({ reviews: [{ rating: { error: 'Ratings service is currently unavailable' } }, {}] });
});
