import type { ConfigSource } from '@xebec/config';
import { type Clock, Debounce } from '@xebec/core';
import { collectionOf, collections, resourceName, toResource } from '@xebec/mcp';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { McpServing } from './mcp-serving.ts';
import type { GalleyMetrics } from './metrics.ts';

/** A `kubectl apply` of several objects goes out as one change, without making a single one wait noticeably. */
const DEBOUNCE = { quietMs: 5, maxMs: 100 };

/**
 * Feeds those who serve collections from a source: nothing until the source is synced, then the collections that changed, as one change. What the
 * source told with one callback is never divided; several callbacks in quick succession may go out together.
 */
export function distribute(
  source: ConfigSource,
  server: Pick<McpServing, 'publish'>,
  metrics: GalleyMetrics,
  clock: Clock,
): { close(): void } {
  const contents = new Map<string, Map<string, Resource>>(collections.map(({ name }) => [name, new Map()]));
  const dirty = new Set<string>();
  let versions = 0;
  const publish = () => {
    const changed = new Map([...dirty].map((collection) => [collection, new Map(contents.get(collection))]));
    for (const [collection, resources] of changed) metrics.objects.set({ collection }, resources.size);
    server.publish(changed, String(++versions));
    metrics.published.inc();
    metrics.problems.set(source.problems().length);
    dirty.clear();
  };
  const debounce = new Debounce(DEBOUNCE, clock, publish);
  const stop = source.subscribe((changes) => {
    for (const change of changes) {
      const object = change.type === 'upsert' ? change.object : change.previous;
      const collection = collectionOf(object);
      const content = collection === undefined ? undefined : contents.get(collection);
      if (collection === undefined || content === undefined) continue;
      if (change.type === 'upsert') content.set(resourceName(object.metadata), toResource(object));
      else content.delete(resourceName(object.metadata));
      dirty.add(collection);
    }
    if (source.synced && dirty.size > 0) debounce.trigger();
  });
  source.onSynced(() => {
    for (const { name } of collections) dirty.add(name);
    publish();
  });
  return {
    close: () => {
      stop();
      debounce.close();
    },
  };
}
