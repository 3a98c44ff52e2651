/** What is wrong with an expression. */
export interface ExpressionProblem {
  /** From 1, in UTF-16 units. */
  readonly column: number;
  readonly message: string;
  /** The spelling that was likely meant. */
  readonly suggestion?: string;
}

/** `column 14: unknown attribute "source.nam"; did you mean "source.name"?` */
export function expressionProblemText({ column, message }: ExpressionProblem): string {
  return `column ${column}: ${message}`;
}
