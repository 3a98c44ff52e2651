import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { describe, expect, it } from 'vitest';
import { protoRegistry } from '../config/proto-registry.ts';
import { redacted } from './redaction.ts';

const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const certificate = (key: JsonValue): JsonValue => ({
  certificate_chain: { inline_string: 'public' },
  private_key: key,
  password: { inline_string: 'p' },
});

function dumped(config: JsonValue): string {
  const registry = protoRegistry();
  const json = toJson(BootstrapSchema, fromJson(BootstrapSchema, config, { registry }), { registry, useProtoFieldName: true });
  return JSON.stringify(redacted(json as JsonValue, BootstrapSchema));
}

describe('redaction', () => {
  it('covers keys, passwords and generic secrets, in the form in which they came', () => {
    const secrets: JsonValue = [
      { name: 'text', tls_certificate: certificate({ inline_string: 'key' }) },
      { name: 'bytes', tls_certificate: certificate({ inline_bytes: Buffer.from('key').toString('base64') }) },
      { name: 'generic', generic_secret: { secret: { inline_string: 'key' } } },
      { name: 'tickets', session_ticket_keys: { keys: [{ inline_string: 'key' }] } },
    ];
    const text = dumped({ static_resources: { secrets } });
    expect(text).not.toMatch(/"key"|"p"|a2V5/);
    expect(text).toContain('{"name":"generic","generic_secret":{"secret":{"inline_string":"[redacted]"}}}');
    expect(text).toContain(`"private_key":{"inline_bytes":"${Buffer.from('[redacted]').toString('base64')}"}`);
    expect(text).toContain('"certificate_chain":{"inline_string":"public"}');
  });
  it('looks into every Any', () => {
    const context = {
      '@type': `${type}.UpstreamTlsContext`,
      sni: 's',
      common_tls_context: { tls_certificates: [certificate({ inline_string: 'key' })] },
    };
    const text = dumped({ static_resources: { clusters: [{ name: 'c', transport_socket: { name: 't', typed_config: context } }] } });
    expect(text).not.toMatch(/"key"|"p"/);
    expect(text).toContain('"sni":"s"');
  });
});
