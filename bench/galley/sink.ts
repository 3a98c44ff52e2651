/**
 * A sink in a process of its own: `node sink.ts ADDRESS`. It asks for every collection, counts what comes and prints a line of JSON for each
 * change: `{at, objects, first}`: milliseconds since the epoch, objects held, version of the first VirtualService.
 */
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { collections, connectMcpSink, McpSink, type SinkChange } from '@xebec/mcp';

const [address = ''] = process.argv.slice(2);
const held = new Map<string, Set<string>>();
let first = '';

function take({ collection, incremental, resources, removed }: SinkChange): void {
  const names = incremental ? (held.get(collection) ?? new Set<string>()) : new Set<string>();
  for (const { metadata } of resources) {
    if (metadata === undefined) continue;
    names.add(metadata.name);
    if (metadata.name === 'ns-0/svc-0-0') first = metadata.version;
  }
  for (const name of removed) names.delete(name);
  held.set(collection, names);
}

const sink = new McpSink({
  id: 'bench',
  collections: collections.map(({ name }) => name),
  apply: (changes) => {
    for (const change of changes) take(change);
    const objects = [...held.values()].reduce((sum, { size }) => sum + size, 0);
    process.stdout.write(`${JSON.stringify({ at: Date.now(), objects, first })}\n`);
    return [];
  },
});
connectMcpSink({ address, sink, clock: systemClock, random: systemRandom, logger: silentLogger });
process.once('SIGTERM', () => process.exit(0));
