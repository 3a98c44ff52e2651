import { readFile } from 'node:fs/promises';
import { type CalendarEntry, calendarEntries } from '@xebec/agent';
import { readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { createProtoRegistry } from '@xebec/protos/registry';
import { CommandFailure, EXIT } from '../exit.ts';
import { type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { parseConfigDump } from '../proxy-config/dump.ts';
import { calendarJson, calendarTable, sorted } from './calendar-table.ts';
import { certificatesOfDump } from './dump-certificates.ts';
import { type LiveCalendar, liveCertificates } from './live-certificates.ts';
import { certificatesOfObject } from './manifest-certificates.ts';

export interface CertificatesOptions extends KubeOptions {
  readonly allNamespaces?: boolean;
  readonly file?: readonly string[];
  readonly within?: string;
  readonly alarm?: string;
  readonly failureThreshold: string;
  readonly output: string;
}

export async function run(options: CertificatesOptions): Promise<void> {
  const { output } = options;
  if (output !== 'short' && output !== 'json')
    throw new CommandFailure(`-o ${output} is not an output format; use short or json`, EXIT.usage);
  const failAt = percent('--failure-threshold', options.failureThreshold);
  const atLeast = options.alarm === undefined ? 0 : percent('--alarm', options.alarm);
  const withinMs = options.within === undefined ? Number.POSITIVE_INFINITY : durationMs(options.within);
  const now = Date.now();
  const { entries, problems } =
    options.file === undefined
      ? await liveCertificates(loadKubeConfig(options), options.allNamespaces === true ? undefined : options.namespace, now)
      : await fileCertificates(options.file, now);
  const chosen = sorted(entries).filter((entry) => entry.lifeUsed * 100 >= atLeast && entry.notAfter - now <= withinMs);
  if (output === 'json') process.stdout.write(`${JSON.stringify(calendarJson(chosen), null, 2)}\n`);
  else if (chosen.length > 0) process.stdout.write(calendarTable(chosen, now));
  else process.stdout.write(entries.length === 0 ? 'No certificates found.\n' : 'No certificate is that far.\n');
  for (const problem of problems) console.error(`Error: ${problem}`);
  if (chosen.some(({ lifeUsed }) => lifeUsed * 100 >= failAt)) process.exitCode = EXIT.analyzerFoundIssues;
  else if (problems.length > 0) process.exitCode = EXIT.failure;
}

async function fileCertificates(files: readonly string[], now: number): Promise<LiveCalendar> {
  const entries: CalendarEntry[] = [];
  for (const file of files) {
    const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((error: unknown) => {
      throw new CommandFailure(`--file ${file}: ${errorText(error)}`, EXIT.usage);
    });
    const found = ofText(file, text, now);
    if (found === undefined)
      throw new CommandFailure(`--file ${file} holds no certificate; give PEM, manifests with Secrets, or a config dump`, EXIT.data);
    entries.push(...found);
  }
  return { entries, problems: [] };
}

/** PEM, a config dump, or manifests; undefined when it is none of them. */
function ofText(file: string, text: string, now: number): CalendarEntry[] | undefined {
  if (text.trimStart().startsWith('-----BEGIN')) return orNothing(calendarEntries(file, '-', text, now));
  if (text.trimStart().startsWith('{') && text.includes('envoy.admin.v3'))
    try {
      return certificatesOfDump(file, parseConfigDump(text, createProtoRegistry()).secrets, now);
    } catch (error) {
      throw new CommandFailure(`--file ${file} is not a config dump: ${errorText(error)}`, EXIT.data);
    }
  const { objects, problems } = readYamlObjects(text);
  const [problem] = problems;
  if (problem !== undefined) throw new CommandFailure(`${file}:${problem.line}: ${problem.message}`, EXIT.data);
  return orNothing(objects.flatMap(({ value }) => itemsOf(value)).flatMap((object) => certificatesOfObject(object, now)));
}

function orNothing(entries: CalendarEntry[]): CalendarEntry[] | undefined {
  return entries.length === 0 ? undefined : entries;
}

/** The objects of a `List`, as kubectl prints several. */
function itemsOf(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null && 'items' in value && Array.isArray(value.items) ? value.items : [value];
}

function percent(flag: string, text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new CommandFailure(`${flag} ${text} is not a percentage such as 80`, EXIT.usage);
  return value;
}

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

function durationMs(text: string): number {
  if (!/^(\d+(\.\d+)?[dhms])+$/.test(text)) throw new CommandFailure(`--within ${text} is not a duration such as 720h or 30d`, EXIT.usage);
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)([dhms])/g)) total += Number(value) * (UNITS[unit ?? ''] ?? 0);
  return total;
}
