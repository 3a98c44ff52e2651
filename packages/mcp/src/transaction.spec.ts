import { create } from '@bufbuild/protobuf';
import { type RequestResources, ResourceSchema, type Resources } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { describe, expect, it } from 'vitest';
import { McpSink, type Refusal, type SinkChange } from './sink.ts';
import { SourceStates } from './source-states.ts';
import { McpSourceStream } from './source-stream.ts';

const RULES = 'istio/networking/v1alpha3/virtualservices';
const SUBSETS = 'istio/networking/v1alpha3/destinationrules';
const GATEWAYS = 'istio/networking/v1alpha3/gateways';
const ALL = [RULES, SUBSETS, GATEWAYS];

type Content = Readonly<Record<string, string>>;

function content(versions: Content) {
  return new Map(Object.entries(versions).map(([name, version]) => [name, create(ResourceSchema, { metadata: { name, version } })]));
}

/** A source and a sink of ours, with everything between them under the test's control. */
function pair() {
  const states = new SourceStates(ALL);
  const heard: string[] = [];
  const wrong = new Set<string>();
  const apply = (changes: readonly SinkChange[], version: string): readonly Refusal[] => {
    const refused = changes.filter(({ resources }) => resources.some(({ metadata }) => wrong.has(metadata?.name ?? '')));
    if (refused.length > 0) return refused.map(({ collection }) => ({ collection, message: 'wrong' }));
    const text = changes.map(({ collection, incremental, resources, removed }) => {
      const parts = [...resources.map(({ metadata }) => `${metadata?.name}@${metadata?.version}`), ...removed.map((name) => `-${name}`)];
      return `${incremental ? '' : 'all '}${collection.split('/').at(-1)}:${parts.join(',')}`;
    });
    heard.push(`${version}| ${text.join(' ')}`);
    return [];
  };
  const sink = new McpSink({ id: 'pilot', collections: ALL, apply });
  let stream = new McpSourceStream(states.known, states);
  /** What the sink said and the source has not read. */
  const toSource: RequestResources[] = [];
  const toSink: Resources[] = [];
  const deliver = () => {
    for (;;) {
      const request = toSource.shift();
      if (request !== undefined) toSink.push(...stream.onRequest(request).responses);
      const response = toSink.shift();
      if (response !== undefined) toSource.push(...sink.onResources(response));
      if (request === undefined && response === undefined) return;
    }
  };
  return {
    sink,
    heard,
    wrong,
    toSink,
    stream: () => stream,
    publish(version: string, contents: Readonly<Record<string, Content>>) {
      states.publish(new Map(Object.entries(contents).map(([collection, versions]) => [collection, content(versions)])), version);
      toSink.push(...stream.update());
    },
    connect() {
      toSource.length = 0;
      toSink.length = 0;
      stream = new McpSourceStream(states.known, states);
      toSource.push(...sink.open());
      deliver();
    },
    deliver,
  };
}

describe('a change over several collections', () => {
  it('is heard as one, at the start, in the middle and after a reconnect, and not sent again in whole', () => {
    const { publish, connect, deliver, heard } = pair();
    publish('1', { [RULES]: { 'd/a': '1' }, [SUBSETS]: { 'd/a': '1' }, [GATEWAYS]: {} });
    connect();
    publish('2', { [RULES]: { 'd/a': '2', 'd/b': '1' }, [SUBSETS]: { 'd/a': '1', 'd/b': '1' } });
    deliver();
    publish('3', { [RULES]: { 'd/b': '2' }, [GATEWAYS]: { 'd/g': '1' } });
    connect();
    expect(heard).toEqual([
      '1| virtualservices:d/a@1 destinationrules:d/a@1 gateways:',
      '2| virtualservices:d/a@2,d/b@1 destinationrules:d/b@1',
      '3| virtualservices:d/b@2,-d/a destinationrules: gateways:d/g@1',
    ]);
  });

  it('is not heard in part when the stream breaks in the middle of it', () => {
    const { publish, connect, toSink, sink, heard } = pair();
    publish('1', { [RULES]: {}, [SUBSETS]: {}, [GATEWAYS]: {} });
    connect();
    publish('2', { [RULES]: { 'd/a': '1' }, [SUBSETS]: { 'd/a': '1' } });
    const first = toSink[0];
    if (first === undefined) throw new Error('nothing sent');
    expect([first.systemVersionInfo, first.more, toSink.length]).toEqual(['2', true, 2]);
    expect(sink.onResources(first)).toEqual([]);
    expect(heard).toHaveLength(1);
    connect();
    expect(heard[1]).toBe('2| virtualservices:d/a@1 destinationrules:d/a@1 gateways:');
  });

  it('waits as a whole for the answers to the one before, and skips what was never sent', () => {
    const { publish, connect, deliver, heard, toSink } = pair();
    publish('1', { [RULES]: {}, [SUBSETS]: {}, [GATEWAYS]: {} });
    connect();
    publish('2', { [RULES]: { 'd/a': '1' }, [SUBSETS]: { 'd/a': '1' } });
    publish('3', { [SUBSETS]: { 'd/a': '2' }, [GATEWAYS]: { 'd/g': '1' } });
    publish('4', { [GATEWAYS]: { 'd/g': '2' } });
    expect(toSink).toHaveLength(2);
    deliver();
    expect(heard.slice(1)).toEqual(['2| virtualservices:d/a@1 destinationrules:d/a@1', '4| destinationrules:d/a@2 gateways:d/g@2']);
  });

  it('is refused in whole; it stays away until what was wrong is another, while other collections go on', () => {
    const { publish, connect, deliver, heard, wrong, stream } = pair();
    publish('1', { [RULES]: {}, [SUBSETS]: {}, [GATEWAYS]: {} });
    connect();
    wrong.add('d/bad');
    publish('2', { [RULES]: { 'd/bad': '1' }, [SUBSETS]: { 'd/a': '1' } });
    deliver();
    expect(
      stream()
        .status()
        .map(({ lastError }) => lastError),
    ).toEqual(['wrong', expect.stringContaining('refused in istio/networking/v1alpha3/virtualservices'), undefined]);
    publish('3', { [GATEWAYS]: { 'd/g': '1' } });
    publish('4', { [SUBSETS]: { 'd/a': '2' } });
    deliver();
    expect(heard.slice(1)).toEqual(['3| gateways:d/g@1']);
    publish('5', { [RULES]: { 'd/good': '1' } });
    deliver();
    expect(heard.slice(2)).toEqual(['5| all virtualservices:d/good@1 destinationrules:d/a@2']);
    expect(
      stream()
        .status()
        .every(({ acked }) => acked),
    ).toBe(true);
  });

  it('comes as single collections from a source that knows of no such changes', () => {
    const { sink, heard } = pair();
    const states = new SourceStates(ALL);
    states.publish(
      new Map([
        [RULES, content({ 'd/a': '1' })],
        [SUBSETS, content({ 'd/a': '1' })],
      ]),
      '7',
    );
    const stream = new McpSourceStream(states.known, states);
    for (const request of sink.open()) {
      const plain = { ...request, sinkNode: undefined };
      for (const response of stream.onRequest(plain).responses) expect(sink.onResources(response)).toHaveLength(1);
    }
    expect(heard).toEqual(['7| virtualservices:d/a@1', '7| destinationrules:d/a@1']);
  });
});
