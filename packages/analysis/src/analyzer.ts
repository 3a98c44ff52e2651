import type { FormatArgument } from './go-format.ts';
import type { MessageCode } from './message-types.ts';
import type { AnalysedKind, Resource } from './resource.ts';
import type { AnalysisView } from './view.ts';

/** Takes a message about an object; `path` is the field it points at. */
export type Report = (code: MessageCode, resource: Pick<Resource, 'subject'>, values: readonly FormatArgument[], path?: string) => void;

/** One way of finding mistakes. Pure: it reads the view and reports. */
export interface Analyzer {
  /** As istioctl names it, for `--analyzer` and `-L`. */
  readonly name: string;
  readonly description: string;
  readonly inputs: readonly AnalysedKind[];
  readonly codes: readonly MessageCode[];
  /** Runs only when asked for by name. */
  readonly onRequest?: boolean;
  analyze(view: AnalysisView, report: Report): void;
}
