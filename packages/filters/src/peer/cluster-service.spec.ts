import { expect, it } from 'vitest';
import { clusterService } from './cluster-service.ts';

const of = (...services: object[]) => clusterService({ clusterMetadata: { istio: { services } } });
const host = 'reviews.shop.svc.cluster.local';

it('a service of Kubernetes is called by its own name, also where its host is given for one', () => {
  const reviews = { host, name: 'reviews', namespace: 'shop' };
  expect(of(reviews, { host: 'other' })).toEqual(reviews);
  expect(of({ host, name: host, namespace: 'shop' })).toEqual(reviews);
});
it('every other service keeps the name that it is given', () => {
  const outside = { host: 'api.example.com', name: 'api.example.com', namespace: 'shop' };
  expect(of(outside)).toEqual(outside);
  expect(of({ host, name: host, namespace: 'elsewhere' })?.name).toBe(host);
});
it('what is not text, or nothing, is not there', () => {
  expect(of({ host: 1, name: '', namespace: 'shop' })).toEqual({ namespace: 'shop' });
  expect(of()).toBeUndefined();
  expect(clusterService({ clusterMetadata: undefined })).toBeUndefined();
  expect(clusterService({ clusterMetadata: { istio: 'text' } })).toBeUndefined();
});
