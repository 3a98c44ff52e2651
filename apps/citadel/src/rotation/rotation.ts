/**
 * The change from one root to another, as a value and one transition function. Signers are named by an ID; what they are (keys,
 * certificates) is nobody's business here.
 *
 * steady → distributing (both roots trusted, the old signs) → switching (both trusted, the new signs) → retiring (the new alone is
 * trusted) → steady. Rolling back is the same way with the roles of the two exchanged, so no step of it is less careful.
 */
export type Phase = 'steady' | 'distributing' | 'switching' | 'retiring';

export interface Rotation {
  readonly phase: Phase;
  /** Who signs leaves. */
  readonly active: string;
  /** While distributing the signer to come; while switching and retiring the one to go; undefined when steady. */
  readonly other?: string;
  /** Grows with each change of what is to be trusted. */
  readonly bundleVersion: number;
  /** When the phase began, milliseconds since the epoch. */
  readonly since: number;
  readonly paused: boolean;
  /** It goes on by one phase and pauses there. */
  readonly stepping?: boolean;
  readonly rollingBack: boolean;
  /** Instances and identities that the operator took upon themselves not to wait for. */
  readonly skipped: readonly string[];
  /** The signer that was last rolled back: it is not taken up again by itself. */
  readonly declined?: string;
}

export type RotationEvent =
  | { readonly type: 'begin'; readonly target: string; readonly at: number; readonly paused?: boolean }
  | { readonly type: 'proven'; readonly at: number }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'step' }
  | { readonly type: 'rollback'; readonly at: number }
  | { readonly type: 'skip'; readonly id: string }
  /** The same root under a new signer certificate, or a renewed root with the same key: nobody needs to learn it first. */
  | { readonly type: 'replaced'; readonly signer: string; readonly by: string }
  /** What goes with the roots (revocation lists, keys for tokens, roots of others) changed. */
  | { readonly type: 'bundle-changed' };

export type Transition = { readonly ok: true; readonly state: Rotation } | { readonly ok: false; readonly reason: string };

export const MAX_SKIPPED = 10_000;

export function initialRotation(active: string, at: number): Rotation {
  return { phase: 'steady', active, bundleVersion: 1, since: at, paused: false, stepping: false, rollingBack: false, skipped: [] };
}

/** The next state, or why the event does not fit the present one. Total: every event has an answer in every state. */
export function reduce(state: Rotation, event: RotationEvent): Transition {
  switch (event.type) {
    case 'begin':
      if (state.phase !== 'steady') return no(`a rotation is in the phase ${state.phase}; let it end or roll it back`);
      if (event.target === state.active) return no('that root signs already');
      return to(state, {
        phase: 'distributing',
        other: event.target,
        since: event.at,
        bundleVersion: state.bundleVersion + 1,
        paused: event.paused ?? false,
        declined: undefined,
      });
    case 'proven':
      return proven(state, event.at);
    case 'rollback':
      return rollBack(state, event.at);
    case 'pause':
      if (state.phase === 'steady') return no('no rotation is going on');
      return state.paused ? no('the rotation is paused already') : to(state, { paused: true, stepping: false });
    case 'resume':
      return state.paused ? to(state, { paused: false }) : no('the rotation is not paused');
    case 'step':
      return state.phase === 'steady' ? no('no rotation is going on') : to(state, { paused: false, stepping: true });
    case 'skip':
      if (state.phase === 'steady') return no('no rotation is going on');
      if (state.skipped.includes(event.id)) return to(state, {});
      if (state.skipped.length >= MAX_SKIPPED) return no(`${MAX_SKIPPED} are skipped already`);
      return to(state, { skipped: [...state.skipped, event.id] });
    case 'replaced': {
      if (event.signer !== state.active && event.signer !== state.other) return no('that signer is in no use');
      const exchange = (id: string) => (id === event.signer ? event.by : id);
      return to(state, {
        active: exchange(state.active),
        ...(state.other === undefined ? {} : { other: exchange(state.other) }),
        bundleVersion: state.bundleVersion + 1,
      });
    }
    case 'bundle-changed':
      return to(state, { bundleVersion: state.bundleVersion + 1 });
  }
}

/** Whose roots everybody is to trust. */
export function trusted({ phase, active, other }: Rotation): readonly string[] {
  return other === undefined || phase === 'retiring' || phase === 'steady' ? [active] : [active, other];
}

function proven(state: Rotation, at: number): Transition {
  const { phase, active, other } = state;
  if (phase === 'steady' || other === undefined) return no('no rotation is going on');
  if (state.paused) return no('the rotation is paused');
  const step = state.stepping === true ? { paused: true, stepping: false } : {};
  switch (phase) {
    case 'distributing':
      return to(state, { ...step, phase: 'switching', active: other, other: active, since: at });
    case 'switching':
      return to(state, { ...step, phase: 'retiring', since: at, bundleVersion: state.bundleVersion + 1 });
    case 'retiring':
      return to(state, { phase: 'steady', other: undefined, since: at, stepping: false, rollingBack: false, skipped: [] });
  }
}

function rollBack(state: Rotation, at: number): Transition {
  const { phase, active, other } = state;
  if (phase === 'steady' || other === undefined) return no('no rotation is going on; what is retired can only be rotated to anew');
  const turned = {
    since: at,
    paused: false,
    stepping: false,
    rollingBack: !state.rollingBack,
    declined: state.rollingBack ? undefined : signerToCome(state),
  };
  switch (phase) {
    case 'distributing':
      // Nobody shows a certificate of the one to come: it may go at once.
      return to(state, { ...turned, phase: 'retiring', bundleVersion: state.bundleVersion + 1 });
    case 'switching':
      // Everybody trusts both.
      return to(state, { ...turned, active: other, other: active });
    case 'retiring':
      // Some do not trust the old any more: they must learn it again before anybody shows a certificate of it.
      return to(state, { ...turned, phase: 'distributing', bundleVersion: state.bundleVersion + 1 });
  }
}

function signerToCome({ phase, active, other }: Rotation): string | undefined {
  return phase === 'distributing' ? other : active;
}

type Changes = { readonly [K in keyof Rotation]?: Rotation[K] | undefined };

function to(state: Rotation, changes: Changes): Transition {
  const { other = undefined, declined = undefined, ...rest } = { ...state, ...changes };
  const next = { ...rest, ...(other === undefined ? {} : { other }), ...(declined === undefined ? {} : { declined }) };
  // Every field of Rotation that is not optional stands in `state`, and `changes` never sets one of them to undefined.
  return { ok: true, state: next as Rotation };
}

function no(reason: string): Transition {
  return { ok: false, reason };
}
