/** How a message's field names are to be written on HTTP/1, given in lower case. */
export type FieldCase = (name: string) => string;

/** What of a message's wording is kept, so that it goes on as it came. */
export interface PreserveCase {
  /** Names that the message did not have are written `Like-This`; in lower case without. */
  readonly properCaseForOthers: boolean;
  /** Answers keep the words of their status line. */
  readonly keepsReason: boolean;
}

/** The names of a section of header lines as they were written there: the first spelling of each counts. */
export function fieldCaseOf(section: string, others: FieldCase | undefined): FieldCase {
  const spellings = new Map<string, string>();
  for (const line of section.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const lower = name.toLowerCase();
    if (!spellings.has(lower)) spellings.set(lower, name);
  }
  return (name) => spellings.get(name) ?? (others === undefined ? name : others(name));
}
