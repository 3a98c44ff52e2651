import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import { RequestResourcesSchema, type Resource, ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { encodeResponse } from './encode-response.ts';
import { toMessageBody } from './message-body.ts';
import { collectionOf, fromResource, inMessageForm, toResource } from './resource.ts';
import { SourceStates } from './source-states.ts';
import { McpSourceStream } from './source-stream.ts';

const RULES = 'istio/policy/v1beta1/rules';

function objectOf(json: unknown) {
  const decoded = decodeObject(json);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value;
}

const rule = objectOf({
  apiVersion: 'config.istio.io/v1alpha2',
  kind: 'rule',
  metadata: { name: 'deny', namespace: 'shop', resourceVersion: '3', generation: 2, labels: { a: 'b' }, annotations: { c: 'd' } },
  spec: { match: 'true', actions: [{ handler: 'h', instances: ['i'] }] },
});

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');

describe('bodies as release 1.4 has them', () => {
  it.each([
    ['rules', { match: 'true', actions: [{ handler: 'h', instances: ['i'] }] }, '0a04747275651206120168' + '1a0169'],
    // compiled_template has number 67794676.
    ['instances', { compiledTemplate: 'x' }, `a2efce8202` + '0178'],
    ['handlers', { connection: { address: 'a', timeout: '100ms' } }, '220a120161' + '1a051080c2d72f'],
  ])('%s have the bytes of their message', (plural, spec, bytes) => {
    expect(hex(toMessageBody(`istio/policy/v1beta1/${plural}`, spec)?.value)).toBe(bytes);
  });

  it('says ROUND_ROBIN by its number of that time, and takes the later one', () => {
    const collection = 'istio/networking/v1alpha3/destinationrules';
    const spec = { host: 'a', trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } } };
    expect(hex(toMessageBody(collection, spec)?.value)).toBe('0a0161120' + '40a020800');
    const later = {
      typeUrl: 'type.googleapis.com/istio.networking.v1alpha3.DestinationRule',
      value: Buffer.from('0a016112040a020804', 'hex'),
    };
    const rule = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'a', namespace: 'b' }, spec };
    const read = fromResource(collection, { ...toResource(objectOf(rule)), body: { $typeName: 'google.protobuf.Any', ...later } });
    expect(read).toMatchObject({ ok: true, value: { spec } });
  });

  const folder = join(import.meta.dirname, '../../schemas/cases');
  const documents = readdirSync(folder).map((file) => {
    const json: unknown = parse(readFileSync(join(folder, file), 'utf8'));
    return [file, objectOf(typeof json === 'object' && json !== null ? Reflect.get(json, 'base') : undefined)] as const;
  });
  it.each(documents)('%s comes back as what it was', (_, object) => {
    const collection = collectionOf(object) ?? '';
    const sent = inMessageForm(collection, toResource(object));
    const back = fromResource(collection, sent);
    if (!back.ok) throw new Error(back.error);
    // Of values that say what their absence says, and of ways to write a duration, one is left: then nothing changes any more.
    expect(inMessageForm(collection, toResource(back.value)).body).toEqual(sent.body);
  });

  it('refuses a message of another kind, and bytes that are none', () => {
    const sent = inMessageForm(RULES, toResource(rule));
    expect(fromResource('istio/policy/v1beta1/handlers', sent)).toEqual({
      ok: false,
      error: expect.stringContaining('body is "type.googleapis.com/istio.policy.v1beta1.Rule" but must be'),
    });
    const garbage = {
      ...sent,
      body: { $typeName: 'google.protobuf.Any' as const, typeUrl: sent.body?.typeUrl ?? '', value: new Uint8Array([7, 7]) },
    };
    expect(fromResource(RULES, garbage)).toEqual({ ok: false, error: expect.stringContaining('shop/deny: body does not decode') });
  });
});

describe('what a source says to sinks', () => {
  function firstResource(annotations: Record<string, string>): Resource | undefined {
    const states = new SourceStates([RULES]);
    states.publish(new Map([[RULES, new Map([['shop/deny', toResource(rule)]])]]), '1');
    const stream = new McpSourceStream(states.known, states);
    const request = create(RequestResourcesSchema, { sinkNode: { id: 'sink', annotations }, collection: RULES });
    const [response] = stream.onRequest(request).responses;
    if (response === undefined) return undefined;
    return fromBinary(ResourcesSchema, Buffer.concat(encodeResponse(response, stream.bodies).parts)).resources[0];
  }
  it('is the message and nothing that only we know, where the sink has not asked for more', () => {
    const resource = firstResource({});
    expect(resource?.body?.typeUrl).toBe('type.googleapis.com/istio.policy.v1beta1.Rule');
    expect(resource?.metadata).toMatchObject({ name: 'shop/deny', version: '3', labels: { a: 'b' }, annotations: { c: 'd' } });
  });
  it('is the Struct with all of it, where the sink has', () => {
    const resource = firstResource({ 'mcp.xebec.io/bodies': 'struct' });
    expect(resource?.body?.typeUrl).toBe('type.googleapis.com/google.protobuf.Struct');
    expect(resource?.metadata?.annotations).toEqual({ c: 'd', 'mcp.xebec.io/generation': '2' });
  });
  it('is that there are no objects of kinds that were gone', () => {
    const states = new SourceStates([RULES]);
    const stream = new McpSourceStream(states.known, states);
    const { meaning, responses } = stream.onRequest(
      create(RequestResourcesSchema, { collection: 'istio/authentication/v1alpha1/policies' }),
    );
    expect([meaning, responses.map(({ resources }) => resources)]).toEqual(['subscribe', [[]]]);
  });
});
