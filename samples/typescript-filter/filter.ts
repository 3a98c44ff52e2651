import { defineFilter } from '@xebec/filter';

interface Config {
  /** The header that carries the caller's key. */
  readonly header: string;
}

export default defineFilter<Config>({
  config(raw) {
    const header = Object(raw).header ?? 'x-api-key';
    if (typeof header !== 'string') throw new TypeError(`header must be a text, not ${typeof header}`);
    return { header };
  },
  async onRequest(stream, { header }) {
    const key = stream.request.headers.get(header);
    if (key === undefined) {
      stream.reply({ status: 401, body: `say who you are in ${header}\n`, details: 'no_key' });
      return;
    }
    const answer = await stream.fetch('keys', { path: `/keys/${encodeURIComponent(key)}` });
    if (answer.status !== 200) {
      stream.count('refused');
      stream.reply({ status: 403, body: 'this key opens nothing\n', details: 'bad_key' });
      return;
    }
    const user = answer.text();
    stream.request.headers.delete(header);
    stream.request.headers.set('x-user', user);
    stream.setMetadata('keys', { user });
    stream.state.set('user', user);
  },
  onResponse(stream) {
    stream.response?.headers.set('x-served-for', String(stream.state.get('user')));
  },
});
