import { VirtualClock } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import type { AdmissionAnswer } from './admission.ts';
import { settledAnswer } from './settled-answer.ts';

const warned: AdmissionAnswer = { allowed: true, warnings: ['there is no usable instance "nothing"'] };

function setup(answers: AdmissionAnswer[]) {
  const clock = new VirtualClock();
  const listeners = new Set<() => void>();
  const subscribe = (listener: (changes: readonly never[]) => void) => {
    const call = () => listener([]);
    listeners.add(call);
    return () => void listeners.delete(call);
  };
  const judged = settledAnswer(() => answers.shift() ?? warned, { subscribe }, clock);
  return { clock, judged, listeners, change: () => [...listeners].forEach((call) => void call()) };
}

describe('settledAnswer', () => {
  it('waits for what was stored just before', async () => {
    const { change, judged, listeners } = setup([warned, warned, { allowed: true }]);
    change();
    change();
    expect(await judged).toEqual({ allowed: true });
    expect(listeners.size).toBe(0);
  });
  it('keeps a warning that holds', async () => {
    const { clock, judged, listeners } = setup([warned]);
    clock.advance(300);
    expect(await judged).toEqual(warned);
    expect(listeners.size).toBe(0);
  });
  it('says at once what needs no waiting', async () => {
    expect(await setup([{ allowed: false, message: 'no' }]).judged).toEqual({ allowed: false, message: 'no' });
    expect(await setup([{ allowed: true }]).judged).toEqual({ allowed: true });
  });
});
