import { templates, type Variety } from '@xebec/policy';
import { CommandFailure, EXIT } from '../../exit.ts';

/** A template as an adapter outside of Mixer is called with it. */
export interface AdapterTemplate {
  readonly name: string;
  /** `ListEntry`: the service is `HandleListEntryService`, its method `HandleListEntry`. */
  readonly call: string;
  readonly variety: Exclude<Variety, 'ATTRIBUTE_GENERATOR'>;
}

/** Where a template's name says more words than its letters do. */
const CALLS: Readonly<Record<string, string>> = {
  apikey: 'ApiKey',
  checknothing: 'CheckNothing',
  listentry: 'ListEntry',
  logentry: 'LogEntry',
  reportnothing: 'ReportNothing',
  tracespan: 'TraceSpan',
};

/** Reads names by commas; unknown ones, and those that no new adapter can be written for, are errors. */
export function readTemplates(text: string): readonly AdapterTemplate[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const usable = [...templates.values()].filter(({ variety }) => variety !== 'ATTRIBUTE_GENERATOR');
  const known = usable.map(({ name }) => name).join(', ');
  if (names.length === 0) throw new CommandFailure(`--template names no template; it takes some of ${known}`, EXIT.usage);
  return names.map((name) => {
    const variety = usable.find((template) => template.name === name)?.variety;
    if (variety === undefined || variety === 'ATTRIBUTE_GENERATOR')
      throw new CommandFailure(`--template ${name}: a new adapter takes some of ${known}`, EXIT.usage);
    return { name, call: CALLS[name] ?? `${name.charAt(0).toUpperCase()}${name.slice(1)}`, variety };
  });
}
