import { silentLogger, VirtualClock } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { EventRecorder } from './event-recorder.ts';

const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' } };

function recording() {
  const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'));
  const calls: { verb: string; path: string; body: unknown }[] = [];
  let failing = false;
  const call = (verb: string) => async (path: string, body: unknown) => {
    if (failing) throw new Error('gone');
    calls.push({ verb, path, body });
    return {} as never; // the recorder ignores the answer
  };
  const recorder = new EventRecorder({
    client: { post: call('post'), mergePatch: call('patch') },
    clock,
    logger: silentLogger,
    nodeName: 'node',
  });
  return { recorder, calls, clock, fail: (value: boolean) => (failing = value) };
}

describe('EventRecorder', () => {
  it('counts the same event, and writes another one anew', async () => {
    const { recorder, calls, clock } = recording();
    recorder.record(pod, 'Warning', 'BackOff', 'again');
    await recorder.flushed();
    clock.advance(5000);
    recorder.record(pod, 'Warning', 'BackOff', 'again');
    recorder.record(pod, 'Warning', 'BackOff', 'again');
    recorder.record(pod, 'Warning', 'BackOff', 'other');
    await recorder.flushed();
    expect(calls.map(({ verb }) => verb)).toEqual(['post', 'patch', 'patch', 'post']);
    expect(calls[0]?.body).toMatchObject({
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      involvedObject: { uid: 'u' },
      reason: 'BackOff',
    });
    expect(calls[2]?.body).toEqual({ count: 3, lastTimestamp: '2026-01-01T00:00:05Z' });
    expect(calls[2]?.path).toMatch(/^\/api\/v1\/namespaces\/n\/events\/p\./);
  });

  it('writes an event anew whose count could not be raised', async () => {
    const { recorder, calls, fail } = recording();
    recorder.record(pod, 'Normal', 'Started', 'x');
    await recorder.flushed();
    fail(true);
    recorder.record(pod, 'Normal', 'Started', 'x');
    await recorder.flushed();
    fail(false);
    recorder.record(pod, 'Normal', 'Started', 'x');
    await recorder.flushed();
    expect(calls.map(({ verb }) => verb)).toEqual(['post', 'post']);
  });

  it('cuts a message that is too long for an Event', async () => {
    const { recorder, calls } = recording();
    recorder.record(pod, 'Warning', 'Failed', 'x'.repeat(5000));
    await recorder.flushed();
    expect(JSON.stringify(calls[0]?.body).length).toBeLessThan(2000);
  });
});
