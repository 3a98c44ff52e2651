import { VirtualClock } from '@xebec/core';
import { expect, it } from 'vitest';
import { parseTapRequest } from './tap-request.ts';
import { maxWaitingBytes, TapViewers } from './tap-viewers.ts';

function request(query: string) {
  const parsed = parseTapRequest(new URLSearchParams(query));
  if (!parsed.ok) throw new Error(parsed.error.join());
  return parsed.value;
}

/** A viewer that takes nothing until it is told to. */
function stuckSink() {
  const lines: string[] = [];
  let waiting = 0;
  let ended = false;
  return {
    lines,
    ended: () => ended,
    take: () => {
      waiting = 0;
    },
    sink: {
      get waitingBytes() {
        return waiting;
      },
      write: (text: string) => {
        waiting += text.length;
        lines.push(text);
      },
      end: () => {
        ended = true;
      },
    },
  };
}

const line = `${JSON.stringify({ summary: 'x'.repeat(1000) })}\n`;

it('lets a stuck viewer wait for a bounded number of bytes, counts what it lost, and tells it later', () => {
  const clock = new VirtualClock();
  const viewers = new TapViewers(clock, () => undefined);
  const viewer = stuckSink();
  viewers.open(request('max_rps=1000'), viewer.sink);
  for (let second = 0; second < 30; second++) {
    for (let n = 0; n < 1000; n++) viewers.receive({ id: 1, line, dropped: 4 });
    clock.advance(1000);
  }
  expect(viewer.sink.waitingBytes).toBeLessThan(maxWaitingBytes + line.length);
  const sent = viewer.lines.filter((text) => text === line).length;
  viewer.take();
  clock.advance(1000);
  expect(JSON.parse(viewer.lines.at(-1) ?? '')).toEqual({
    tap_status: { sent, dropped_by_rate: 120_000, dropped_by_slow_viewer: 30_000 - sent },
  });
});

it('beats like a heart where nothing happens, and ends on time', () => {
  const clock = new VirtualClock();
  const published: number[] = [];
  const viewers = new TapViewers(clock, (active) => void published.push(active.length));
  const viewer = stuckSink();
  viewers.open(request('duration=21s'), viewer.sink);
  clock.advance(20_500);
  // The first tells that it has begun to count; then one in five seconds.
  expect(viewer.lines.length).toBeGreaterThanOrEqual(4);
  expect(viewer.lines.length).toBeLessThanOrEqual(6);
  clock.advance(500);
  expect(viewer.ended()).toBe(true);
  expect(JSON.parse(viewer.lines.at(-1) ?? '')).toMatchObject({ tap_status: { ended: 'duration' } });
  expect(published).toEqual([1, 0]);
});

it('ends all when the proxy ends', () => {
  const viewers = new TapViewers(new VirtualClock(), () => undefined);
  const viewer = stuckSink();
  viewers.open(request(''), viewer.sink);
  viewers.close();
  expect([viewer.ended(), viewers.count]).toEqual([true, 0]);
  expect(JSON.parse(viewer.lines.at(-1) ?? '')).toMatchObject({ tap_status: { ended: 'shutdown' } });
});
