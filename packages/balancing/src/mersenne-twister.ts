const size = 624;
const shift = 397;

/** MT19937 (Matsumoto and Nishimura 1998): the same numbers of 32 bits for the same seed on every platform. */
export function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(size);
  state[0] = seed >>> 0;
  for (let i = 1; i < size; i++) {
    const before = state[i - 1] as number;
    state[i] = Math.imul(before ^ (before >>> 30), 1_812_433_253) + i;
  }
  let at = size;
  return () => {
    if (at === size) {
      twist(state);
      at = 0;
    }
    let value = state[at++] as number;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  };
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const joined = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % size] as number) & 0x7fffffff);
    state[i] = (state[(i + shift) % size] as number) ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
  }
}
