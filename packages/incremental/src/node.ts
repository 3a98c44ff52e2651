/** Something that was read: an input, or a derived value. */
export interface Dependency {
  /** Revision in which its value last became another. */
  readonly changedAt: number;
  /** Number of the last sweep that found it in use. */
  mark: number;
  /** What it was made from; nothing for inputs. */
  readonly reads: readonly Dependency[];
  /** Brings it up to the current revision. */
  refresh(): void;
}

/** Gathers what one computation reads. */
export class Frame {
  readonly reads = new Set<Dependency>();
  /** Paths of the subject's fields, in the order in which they were read. */
  readonly paths = new Set<string>();

  read(dependency: Dependency): void {
    this.reads.add(dependency);
  }
}
