const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const pad = (value: number, width: number) => String(value).padStart(width, '0');

const parts: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getUTCFullYear()),
  m: (date) => pad(date.getUTCMonth() + 1, 2),
  d: (date) => pad(date.getUTCDate(), 2),
  e: (date) => String(date.getUTCDate()).padStart(2, ' '),
  H: (date) => pad(date.getUTCHours(), 2),
  M: (date) => pad(date.getUTCMinutes(), 2),
  S: (date) => pad(date.getUTCSeconds(), 2),
  y: (date) => pad(date.getUTCFullYear() % 100, 2),
  j: (date) => pad(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1, 3),
  a: (date) => days[date.getUTCDay()] ?? '',
  b: (date) => months[date.getUTCMonth()] ?? '',
  F: (date) => date.toISOString().slice(0, 10),
  T: (date) => date.toISOString().slice(11, 19),
  z: () => '+0000',
  Z: () => 'UTC',
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  f: (date) => pad(date.getUTCMilliseconds(), 3).padEnd(9, '0'),
  '%': () => '%',
};

/**
 * Compiles `%START_TIME(...)%`'s strftime format (UTC): the usual letters, `%s` epoch seconds, `%f` nanoseconds, `%1f`..`%9f`
 * that many digits of the fraction. An empty format is ISO 8601 with milliseconds.
 */
export function compileTimeFormat(format: string): (epochMs: number) => string {
  if (format === '') return latest((epochMs) => new Date(epochMs).toISOString());
  const pieces: ((date: Date) => string)[] = [];
  for (const match of format.matchAll(/%([1-9])f|%E([0-9*])S|%E?([a-zA-Z%])|([^%]+)|%/g)) {
    const [whole, digits, subsecond, letter, literal] = match;
    const part = letter === undefined ? undefined : parts[letter];
    if (literal !== undefined) pieces.push(() => literal);
    else if (digits !== undefined) pieces.push((date) => pad(date.getUTCMilliseconds(), 3).padEnd(9, '0').slice(0, Number(digits)));
    else if (subsecond !== undefined) pieces.push((date) => secondsText(date, subsecond));
    else pieces.push(part ?? (() => whole));
  }
  return latest((epochMs) => {
    const date = new Date(epochMs);
    let text = '';
    for (const piece of pieces) text += piece(date);
    return text;
  });
}

/** Many requests share a millisecond: its text is made once. */
function latest(format: (epochMs: number) => string): (epochMs: number) => string {
  let known = Number.NaN;
  let text = '';
  return (epochMs) => {
    if (epochMs !== known) {
      text = format(epochMs);
      known = epochMs;
    }
    return text;
  };
}

/** `%E4S` is seconds with four digits of the fraction, `%E*S` with as many as it has. */
function secondsText(date: Date, precision: string): string {
  const fraction = pad(date.getUTCMilliseconds(), 3).padEnd(9, '0');
  const shown = precision === '*' ? fraction.replace(/0+$/, '') : fraction.slice(0, Number(precision));
  return `${pad(date.getUTCSeconds(), 2)}${shown === '' ? '' : `.${shown}`}`;
}
