import type { ConfigReference } from '@xebec/translate';
import type { Explanation, Place } from './explanation.ts';

const titles: Record<Place, string> = {
  mesh: 'The call',
  source: "At the caller's proxy",
  gateway: 'At the gateway',
  destination: "At the destination's proxy",
};

/** An explanation as text: places as headings, one decision a line, its reasons below it, what was passed over before it. */
export function explanationText({ steps, verdict }: Explanation): string {
  const lines: string[] = [];
  let place: Place | undefined;
  const width = Math.max(...steps.map(({ topic }) => topic.length));
  for (const step of steps) {
    if (step.place !== place) {
      place = step.place;
      if (lines.length > 0) lines.push('');
      lines.push(titles[place]);
    }
    const indent = ' '.repeat(width + 4);
    for (const { what, because, origins } of step.passedOver) lines.push(`${indent}not ${what}: ${because}${behind(origins)}`);
    lines.push(`  ${step.topic.padEnd(width)}  ${step.decision}${behind(step.origins)}`);
    for (const detail of step.details) lines.push(`${indent}  ${detail}`);
  }
  lines.push('', `=> ${verdict.text}${behind(verdict.origins)}`);
  return `${lines.join('\n')}\n`;
}

function behind(origins: readonly ConfigReference[]): string {
  return origins.length === 0 ? '' : `  [${origins.map(referenceText).join(', ')}]`;
}

/** `reviews.yaml:12 VirtualService default/reviews spec.http[0]`. */
export function referenceText({ kind, namespace, name, rule, file, line }: ConfigReference): string {
  const where = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`} `;
  return `${where}${kind} ${namespace}/${name}${rule === undefined ? '' : ` ${rule}`}`;
}
