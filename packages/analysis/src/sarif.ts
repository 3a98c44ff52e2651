import { documentationUrl, formatMessage, levelOf, lineOf, type Message, originOf } from './message.ts';
import { type Level, type MessageCode, messageType } from './message-types.ts';

const SARIF_LEVEL: Readonly<Record<Level, 'error' | 'warning' | 'note'>> = { Error: 'error', Warning: 'warning', Info: 'note' };

/** Messages as a SARIF 2.1.0 log, for code hosts and editors. `version` is the tool's. */
export function toSarif(messages: readonly Message[], version: string): unknown {
  const codes = [...new Set(messages.map(({ code }) => code))].sort();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'xebec analyze',
            version,
            informationUri: 'https://istio.io/v1.30/docs/reference/config/analysis/',
            rules: codes.map(toRule),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: messages.map((message) => toResult(message, codes.indexOf(message.code))),
      },
    ],
  };
}

function toRule(code: MessageCode): unknown {
  const { name, level, when } = messageType(code);
  const url = documentationUrl(code);
  return {
    id: code,
    name,
    shortDescription: { text: when },
    ...(URL.canParse(url) ? { helpUri: url } : {}),
    defaultConfiguration: { level: SARIF_LEVEL[level] },
  };
}

function toResult(message: Message, ruleIndex: number): unknown {
  const { source } = message.subject;
  const origin = originOf(message);
  return {
    ruleId: message.code,
    ruleIndex,
    level: SARIF_LEVEL[levelOf(message)],
    message: { text: message.text },
    locations: [
      {
        ...(source === undefined
          ? {}
          : {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(source.file) },
                region: { startLine: Math.max(1, lineOf(message, source)) },
              },
            }),
        logicalLocations: [
          { name: message.subject.name, fullyQualifiedName: message.path === '' ? origin : `${origin} ${message.path}`, kind: 'resource' },
        ],
      },
    ],
    // So that a finding is known again when lines move.
    partialFingerprints: {
      'xebecMessage/v1': formatMessage({ ...message, subject: { ...message.subject, source: { file: '', line: 0 } } }),
    },
  };
}
