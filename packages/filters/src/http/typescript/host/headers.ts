import type { FilterHeaders } from '@xebec/filter';
import { type HeaderList, header, removeHeader, setHeader } from '@xebec/wire';

/** No controls and no line ends in what becomes a header. */
const badValue = /[\0\r\n]/;
const goodName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** A header list as users see it; changes go into the list. */
export class ListHeaders implements FilterHeaders {
  readonly list: HeaderList;

  constructor(list: HeaderList) {
    this.list = list;
  }
  get(name: string): string | undefined {
    return header(this.list, name.toLowerCase());
  }
  getAll(name: string): readonly string[] {
    const lower = name.toLowerCase();
    return [...this].filter(([other]) => other === lower).map(([, value]) => value);
  }
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
  set(name: string, value: string): void {
    setHeader(this.list, checkedName(name), checkedValue(name, value));
  }
  append(name: string, value: string): void {
    this.list.push(checkedName(name), checkedValue(name, value));
  }
  delete(name: string): void {
    removeHeader(this.list, name.toLowerCase());
  }
  *[Symbol.iterator](): Iterator<readonly [string, string]> {
    for (let i = 0; i < this.list.length; i += 2) yield [this.list[i] ?? '', this.list[i + 1] ?? ''];
  }
}

function checkedName(name: string): string {
  const lower = name.toLowerCase();
  if (!goodName.test(lower)) throw new TypeError(`"${name}" is not a header name`);
  return lower;
}

function checkedValue(name: string, value: string): string {
  const text = String(value);
  if (badValue.test(text)) throw new TypeError(`value of header "${name}" has a line end or a zero byte`);
  return text;
}
