import { errorText, ok, type Result } from '@xebec/core';
import { childOf, type DerNode, derError, readDer, readOid, TAG } from './der.ts';
import { type CertificateExtensions, readExtensions } from './extensions.ts';
import { OID } from './oids.ts';
import { decodePem } from './pem.ts';
import { type Refusal, refuse } from './refusal.ts';

/** What a request asks for beside its key: only for handing it on to a signer that grants what is asked, never to grant it. */
export interface RequestedNames {
  /** Whether the subject says nothing: no name, or one empty organization, as Istio's agents write it. */
  readonly subjectSaysNothing: boolean;
  readonly extensions: CertificateExtensions;
  /** Object identifiers of every extension that is asked for. */
  readonly extensionIds: readonly string[];
  /** Whether it asks for names of other types than URI, DNS and IP address. */
  readonly otherNames: boolean;
}

/** Reads the names of a request whose signature `parseCsr` has judged. */
export function requestedNames(pem: string): Result<RequestedNames, Refusal> {
  const label = pem.includes('BEGIN NEW CERTIFICATE REQUEST') ? 'NEW CERTIFICATE REQUEST' : 'CERTIFICATE REQUEST';
  const blocks = decodePem(pem, label);
  if (!blocks.ok) return blocks;
  try {
    const [block = new Uint8Array()] = blocks.value;
    const info = childOf(readDer(block), 0, TAG.sequence, 'the request body');
    const subject = childOf(info, 1, TAG.sequence, 'the subject');
    let extensions: CertificateExtensions = { unknownCritical: [] };
    let extensionIds: string[] = [];
    let otherNames = false;
    for (const attribute of info.children[3]?.children ?? []) {
      if (readOid(childOf(attribute, 0, TAG.oid, 'an attribute')) !== OID.extensionRequest) throw derError('an attribute is not known');
      if (extensionIds.length > 0) throw derError('extensions are asked for twice');
      const list = childOf(childOf(attribute, 1, TAG.set, 'the extensions'), 0, TAG.sequence, 'the extensions');
      extensions = readExtensions(list);
      otherNames = list.children.some(asksForOtherNames);
      extensionIds = list.children.map((item) => readOid(childOf(item, 0, TAG.oid, 'an extension')));
    }
    const subjectSaysNothing = subject.children.every((set) =>
      set.children.every(
        (part) => readOid(childOf(part, 0, TAG.oid, 'a name')) === OID.organization && part.children[1]?.content.length === 0,
      ),
    );
    return ok({ subjectSaysNothing, extensions, extensionIds, otherNames });
  } catch (error) {
    return refuse('E_CSR', `the certificate request cannot be read: ${errorText(error)}`);
  }
}

function asksForOtherNames(extension: DerNode): boolean {
  if (readOid(childOf(extension, 0, TAG.oid, 'an extension')) !== OID.subjectAltName) return false;
  const value = extension.children.find(({ tag }) => tag === TAG.octetString);
  return value !== undefined && readDer(value.content).children.some(({ tag }) => tag !== 0x86 && tag !== 0x82 && tag !== 0x87);
}
