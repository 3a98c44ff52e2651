import type { HealthServer } from '@xebec/daemon';
import { type AccessRules, accessOf, isLocalAddress } from '../access.ts';
import type { Caller } from '../authenticate.ts';
import type { DebugPage } from './pages.ts';

export interface DebugAccess {
  /** Finds out who calls by the request's bearer token; undefined: it shows none that is good. */
  readonly authenticate: (token: string) => Promise<Caller | undefined>;
  readonly rules: () => AccessRules;
}

/** Serves the pages under `/debug/`: everything to this machine and to the control plane's namespace, to others what is theirs. */
export function registerDebug(http: HealthServer['http'], pages: ReadonlyMap<string, DebugPage>, access: DebugAccess): void {
  http.get('/debug', async (request, reply) => {
    if (!isLocalAddress(request.ip)) return reply.code(401).send('');
    return Object.fromEntries([...pages].map(([name, { help }]) => [name, help]));
  });
  http.get<{ Params: { page: string } }>('/debug/:page', async (request, reply) => {
    const page = pages.get(request.params.page);
    if (page === undefined) return reply.code(404).send({ error: `no page ${request.params.page}; /debug/list names them` });
    const local = isLocalAddress(request.ip);
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const caller = local || token === undefined ? undefined : await access.authenticate(token);
    const allowed = accessOf({ caller, local }, access.rules());
    if (allowed.kind === 'nothing') return reply.code(401).send('');
    if (allowed.kind === 'namespace' && page.ofProxy !== true) return reply.code(403).send('');
    const query = new URLSearchParams(request.url.split('?')[1] ?? '');
    const answer = await page.read(query, allowed);
    if ('text' in answer) return reply.code(answer.status).type('text/plain').send(answer.text);
    const text = JSON.stringify(answer.json, undefined, query.has('pretty') ? 2 : undefined);
    return reply.type('application/json').send(text);
  });
}
