export type BinaryOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | '&&' | '||' | '+' | '|';

/** A parsed expression; `column` (from 1) is where it starts, or its operator for binary ones. */
export type Node =
  | { readonly kind: 'string'; readonly value: string; readonly column: number }
  | { readonly kind: 'int'; readonly value: bigint; readonly column: number }
  | { readonly kind: 'double'; readonly value: number; readonly column: number }
  | { readonly kind: 'bool'; readonly value: boolean; readonly column: number }
  | { readonly kind: 'attribute'; readonly name: string; readonly column: number }
  | { readonly kind: 'not'; readonly operand: Node; readonly column: number }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Node; readonly right: Node; readonly column: number }
  | { readonly kind: 'index'; readonly map: Node; readonly key: Node; readonly column: number }
  | { readonly kind: 'conditional'; readonly test: Node; readonly then: Node; readonly otherwise: Node; readonly column: number }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly target: Node | undefined;
      readonly args: readonly Node[];
      readonly column: number;
    };
