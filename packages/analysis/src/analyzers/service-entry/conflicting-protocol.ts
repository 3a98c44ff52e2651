import type { Analyzer } from '../../analyzer.ts';
import { integer, records, text, texts } from '../../fields.ts';
import { scopesOf } from '../../host-index.ts';
import type { Resource } from '../../resource.ts';

interface Use {
  readonly protocol: string;
  readonly resource: Resource;
}

/** IST0177: ServiceEntries that the same namespaces see give one host and port different protocols. */
export const conflictingProtocol: Analyzer = {
  name: 'serviceentry.ConflictingServiceEntryProtocolAnalyzer',
  description: 'Checks if multiple ServiceEntries define the same host and port with different protocols',
  inputs: ['ServiceEntry'],
  codes: ['IST0177'],
  analyze(view, report) {
    const uses = new Map<string, { scope: string; host: string; port: number; list: Use[] }>();
    for (const resource of view.all('ServiceEntry')) {
      for (const scope of scopesOf(texts(resource.spec['exportTo']), resource.namespace)) {
        for (const host of texts(resource.spec['hosts'])) {
          for (const entry of records(resource.spec['ports'])) {
            const port = integer(entry['number']);
            const key = `${scope}/${host}:${port}`;
            const found = uses.get(key) ?? { scope, host, port, list: [] };
            found.list.push({ protocol: text(entry['protocol']).toUpperCase(), resource });
            uses.set(key, found);
          }
        }
      }
    }
    const reported = new Set<Resource>();
    for (const [, { scope, host, port, list }] of [...uses].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const all = scope === '*' ? list : [...list, ...(uses.get(`*/${host}:${port}`)?.list ?? [])];
      const protocols = [...new Set(all.map(({ protocol }) => protocol))].sort();
      if (protocols.length < 2) continue;
      const names = [...new Set(all.map(({ resource }) => resource.fullName))].sort();
      for (const { resource } of all) {
        if (reported.has(resource)) continue;
        reported.add(resource);
        report('IST0177', resource, [names.join(', '), host, port, protocols.join(', ')], 'metadata.name');
      }
    }
  },
};
