import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { denier } from './denier/adapter.ts';
import { sentResponse } from './direct-response.ts';
import { configured, testEnvironment } from './test-environment.ts';

const typeUrl = 'type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse';
const any = (hex: string) => create(AnySchema, { typeUrl, value: Buffer.from(hex, 'hex') });

describe('a direct response in the details of a status', () => {
  it('of an adapter outside is read from its bytes', () => {
    const bytes = `08ae02` + `1205` + '6d6f766564' + `1a0a` + `0a03` + '612d62' + `1203` + '632d64';
    const other = create(AnySchema, { typeUrl: 'type.googleapis.com/google.protobuf.Struct' });
    expect(sentResponse(7, [other, any(bytes)])).toEqual({ status: 302, body: 'moved', headers: { 'a-b': 'c-d' } });
    expect(sentResponse(7, [other])).toBeUndefined();
    expect(sentResponse(0, [any(bytes)])).toBeUndefined();
  });
  it.each([
    [7, 403],
    [9, 412],
    [1, 408],
    [16, 401],
  ])('without a status has that of code %i', (code, status) => {
    expect(sentResponse(code, [any('')])).toEqual({ status, body: '', headers: {} });
  });
  it('of a denier is what its params say', async () => {
    const params = (code: number | string) => ({
      status: { code: 16, message: 'go there', details: [{ '@type': typeUrl, code, body: 'moved', headers: { location: '/login' } }] },
    });
    for (const code of [302, 'Found']) {
      const handler = configured(denier, params(code), testEnvironment().environment);
      expect(await handler.check?.({ name: 'i.istio-system', template: 'checknothing', fields: {} })).toMatchObject({
        code: 16,
        directResponse: { status: 302, body: 'moved', headers: { location: '/login' } },
      });
    }
    expect(denier.check(params('Fund'))).toMatchObject([
      { path: 'spec.params.status.details[0].code', message: expect.stringContaining('is not an HTTP status') },
    ]);
  });
});
