import { describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import { attach, query } from './query.ts';
import { sameList } from './sameness.ts';
import { fact, trackSubject } from './subject.ts';

/** Named numbers, and people who look at some of them. */
interface Store {
  number(name: string): number;
}
interface Person {
  readonly home: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly skills: ReadonlySet<string>;
  readonly addresses: readonly string[];
}

function setUp(initial: Record<string, number>) {
  const engine = new Engine();
  const numbers = new Map(Object.entries(initial));
  const store: Store = {
    number: engine.input(
      (name: string) => numbers.get(name) ?? 0,
      (name) => name,
    ),
  };
  attach(engine, store);
  const set = (name: string, value: number) => {
    numbers.set(name, value);
    engine.advance();
  };
  const computed = (name: string) => engine.stats.computed.get(name) ?? 0;
  const person = (fields: Partial<Person>): Person =>
    trackSubject<Person>(
      engine,
      { home: 'a', labels: {}, skills: new Set(), addresses: [], ...fields },
      { labels: 'by-key', skills: 'by-member', addresses: 'by-member' },
    );
  return { engine, store, set, computed, person };
}

describe('a query', () => {
  const parity = query('parity', (store: Store, name: string) => store.number(name) % 2);
  const text = query('text', (store: Store, name: string) => (parity(store, name) === 0 ? 'even' : 'odd'));

  it('is computed once, and again only when what it read has changed', () => {
    const { store, set, computed } = setUp({ a: 1, b: 2 });
    expect([parity(store, 'a'), parity(store, 'a'), parity(store, 'b')]).toEqual([1, 1, 0]);
    expect(computed('parity')).toBe(2);
    set('a', 4);
    expect([parity(store, 'a'), parity(store, 'b')]).toEqual([0, 0]);
    expect(computed('parity')).toBe(3);
  });

  it('stops the wave where a new result equals the old', () => {
    const { store, set, computed } = setUp({ a: 1 });
    expect(text(store, 'a')).toBe('odd');
    set('a', 3);
    expect(text(store, 'a')).toBe('odd');
    expect([computed('parity'), computed('text')]).toEqual([2, 1]);
    set('a', 4);
    expect(text(store, 'a')).toBe('even');
    expect([computed('parity'), computed('text')]).toEqual([3, 2]);
  });

  it('keeps the old object where the given equality says so', () => {
    const { store, set } = setUp({ a: 1 });
    const list = query('list', (at: Store, name: string) => [at.number(name) % 2], { same: sameList });
    const before = list(store, 'a');
    set('a', 3);
    expect(list(store, 'a')).toBe(before);
    set('a', 2);
    expect(list(store, 'a')).toEqual([0]);
  });

  it('follows reads that depend on other reads', () => {
    const { store, set, computed } = setUp({ which: 0, x: 10, y: 20 });
    const chosen = query('chosen', (at: Store) => at.number(at.number('which') === 0 ? 'x' : 'y'));
    expect(chosen(store)).toBe(10);
    set('y', 21);
    expect(chosen(store)).toBe(10);
    expect(computed('chosen')).toBe(1);
    set('which', 1);
    expect(chosen(store)).toBe(21);
    set('x', 11);
    expect(chosen(store)).toBe(21);
    expect(computed('chosen')).toBe(2);
  });

  it('that fails is tried again, and leaves the rest as it was', () => {
    const { store, set } = setUp({ a: 1 });
    const picky = query('picky', (at: Store) => {
      if (at.number('a') === 2) throw new Error('two');
      return at.number('a');
    });
    expect(picky(store)).toBe(1);
    set('a', 2);
    expect(() => picky(store)).toThrow('two');
    expect(() => picky(store)).toThrow('two');
    set('a', 3);
    expect(picky(store)).toBe(3);
  });

  it('over a database without engine keeps its results with that database', () => {
    let calls = 0;
    const counting = query('counting', (at: Store, name: string) => {
      calls++;
      return at.number(name);
    });
    const plain: Store = { number: () => 7 };
    expect([counting(plain, 'a'), counting(plain, 'a'), counting({ number: () => 8 }, 'a')]).toEqual([7, 7, 8]);
    expect(calls).toBe(2);
  });
});

describe('a subject', () => {
  const greeting = query('greeting', (store: Store, person: Person) => `${person.home} ${store.number('a')}`);
  const role = query('role', (_: Store, person: Person) => person.labels['role'] ?? 'none');
  const able = query('able', (_: Store, person: Person) => person.skills.has('x') || person.addresses.includes('1'));

  it('shares results with all that are alike in the fields that were read', () => {
    const { engine, store, computed, person } = setUp({ a: 1 });
    const ask = (who: Person) => engine.observe(who, () => [greeting(store, who), role(store, who), able(store, who)] as const).value;
    expect(ask(person({ labels: { role: 'r', other: '1' } }))).toEqual(['a 1', 'r', false]);
    expect(ask(person({ labels: { role: 'r', other: '2' }, skills: new Set(['y']), addresses: ['2'] }))).toEqual(['a 1', 'r', false]);
    expect([computed('greeting'), computed('role'), computed('able')]).toEqual([1, 1, 1]);
    expect(ask(person({ home: 'b', labels: { role: 's' }, addresses: ['1'] }))).toEqual(['b 1', 's', true]);
    expect([computed('greeting'), computed('role'), computed('able')]).toEqual([2, 2, 2]);
  });

  it('counts with all its keys where somebody goes through them', () => {
    const { engine, store, computed, person } = setUp({});
    const count = query('count', (_: Store, who: Person) => Object.keys(who.labels).length + who.addresses.length + [...who.skills].length);
    const ask = (who: Person) => engine.observe(who, () => count(store, who)).value;
    expect(ask(person({ labels: { a: '1' } }))).toBe(1);
    expect(ask(person({ labels: { b: '1' }, addresses: ['1'], skills: new Set(['x']) }))).toBe(3);
    expect(computed('count')).toBe(2);
  });

  it('is told apart by what a nested query read of it', () => {
    const { engine, store, computed, person } = setUp({});
    const outer = query('outer', (at: Store, who: Person) => `<${role(at, who)}>`);
    const ask = (who: Person) => engine.observe(who, () => outer(store, who)).value;
    expect([ask(person({ labels: { role: 'r' } })), ask(person({ labels: { role: 's' } }))]).toEqual(['<r>', '<s>']);
    expect(ask(person({ home: 'elsewhere', labels: { role: 's' } }))).toBe('<s>');
    expect(computed('outer')).toBe(2);
  });

  it('gets its own result once a change makes a query read more of it', () => {
    const { engine, store, set, computed, person } = setUp({ byRole: 0 });
    const inner = query('inner', (at: Store, who: Person) => (at.number('byRole') === 0 ? 'all' : (who.labels['role'] ?? '')));
    const outer = query('outer', (at: Store, who: Person) => `<${inner(at, who)}>`);
    const [r, s] = [person({ labels: { role: 'r' } }), person({ labels: { role: 's' } })];
    const ask = () => [r, s].map((who) => engine.observe(who, () => outer(store, who)).value);
    expect(ask()).toEqual(['<all>', '<all>']);
    expect(computed('inner')).toBe(1);
    set('byRole', 1);
    expect(ask()).toEqual(['<r>', '<s>']);
    expect(computed('inner')).toBe(3);
    set('byRole', 0);
    expect(ask()).toEqual(['<all>', '<all>']);
    expect(ask()).toEqual(['<all>', '<all>']);
    set('unrelated', 1);
    expect(ask()).toEqual(['<all>', '<all>']);
    set('byRole', 2);
    expect(ask()).toEqual(['<r>', '<s>']);
  });

  it('has facts, which count as one field however they are found', () => {
    const { engine, store, computed, person } = setUp({});
    const many = fact('many addresses', (who: Person) => who.addresses.length > 1);
    const asked = query('asked', (_: Store, who: Person) => [many(who), who.addresses.indexOf('7')]);
    const ask = (who: Person) => engine.observe(who, () => asked(store, who)).value;
    expect(ask(person({ addresses: ['1'] }))).toEqual([false, -1]);
    expect(ask(person({ addresses: ['2'] }))).toEqual([false, -1]);
    expect(computed('asked')).toBe(1);
    expect(ask(person({ addresses: ['2', '7'] }))).toEqual([true, 1]);
    expect(many({ home: '', labels: {}, skills: new Set(), addresses: ['1', '2'] })).toBe(true);
  });

  it('must not be kept in a result', () => {
    const { engine, store, person } = setUp({});
    const keeper = query('keeper', (_: Store, who: Person) => () => who.home);
    const first = person({});
    const late = engine.observe(first, () => keeper(store, first)).value;
    const other = person({ home: 'b' });
    expect(() => engine.observe(other, () => late())).toThrow('a memo kept one');
  });
});

describe('garbage', () => {
  it('is what no observed value was made from', () => {
    const { engine, store, set, person } = setUp({ a: 1 });
    const home = query('home', (at: Store, who: Person) => `${who.home} ${at.number(who.home)}`);
    const ask = (who: Person) => engine.observe(who, () => home(store, who));
    const kept = ask(person({ home: 'a' }));
    for (let round = 0; round < 100; round++) ask(person({ home: `b${round}` }));
    expect(engine.stats.entries).toBe(202);
    expect(engine.collect(() => [kept])).toBe(false);
    engine.collect(() => [kept], true);
    expect(engine.stats.entries).toBe(2);
    set('a', 5);
    expect(ask(person({ home: 'a' })).value).toBe('a 5');
    expect(ask(person({ home: 'b1' })).value).toBe('b1 0');
    expect(engine.stats.computed.get('home')).toBe(103);
  });
});
