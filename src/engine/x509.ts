import { randomBytes, sign, type KeyObject } from "node:crypto";
import asn1 from "asn1";

/** A certificate to be written (RFC 5280), signed with ECDSA and SHA-256. */
export interface CertificateOrder {
  /** Common names; an empty one makes an empty name. */
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  issuerKey: KeyObject;
  /** Whether it may sign others. */
  isAuthority: boolean;
  /** For servers and, where set, for clients; neither of an authority that is nothing else. */
  usages: readonly ("server" | "client")[];
  names: readonly SubjectName[];
  now: Date;
}

export type SubjectName = { dns: string } | { ipv4: string } | { uri: string };

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const KEY_USAGE = "2.5.29.15";
const SUBJECT_ALT_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const USAGES = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;

/** Tags of X.690; those of a context are [0] = 0xa0, or 0x80 where what they replace is no structure. */
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SET = 0x31;
const DNS_NAME = 0x82;
const URI_NAME = 0x86;
const IP_NAME = 0x87;

const DAY_MS = 86_400_000;

type Writer = InstanceType<typeof asn1.BerWriter>;

/** The certificate as PEM, valid from a day ago, for clocks that differ, for ten years. */
export function writeCertificate(order: CertificateOrder): string {
  const body = der((writer) => writeBody(writer, order));
  const certificate = der((writer) => {
    writer.startSequence();
    writer.writeBuffer(body.subarray(headerLength(body)), body[0] ?? 0);
    writeAlgorithm(writer);
    writeBits(writer, sign("sha256", body, order.issuerKey));
    writer.endSequence();
  });
  return pem(certificate);
}

function writeBody(writer: Writer, order: CertificateOrder): void {
  const { subject, issuer, publicKey, now } = order;
  writer.startSequence();
  writer.startSequence(0xa0);
  writer.writeInt(2);
  writer.endSequence();
  const serial = randomBytes(16);
  // Positive, and without a leading zero that DER would not have.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  writer.writeBuffer(serial, INTEGER);
  writeAlgorithm(writer);
  writeName(writer, issuer);
  writer.startSequence();
  writer.writeString(utcTime(now.getTime() - DAY_MS), UTC_TIME);
  writer.writeString(utcTime(now.getTime() + 3650 * DAY_MS), UTC_TIME);
  writer.endSequence();
  writeName(writer, subject);
  const key = publicKey.export({ type: "spki", format: "der" });
  writer.writeBuffer(key.subarray(headerLength(key)), 0x30);
  writer.startSequence(0xa3);
  writer.startSequence();
  writeExtensions(writer, order);
  writer.endSequence();
  writer.endSequence();
  writer.endSequence();
}

function writeExtensions(writer: Writer, { subject, isAuthority, usages, names }: CertificateOrder): void {
  writeExtension(writer, BASIC_CONSTRAINTS, true, (value) => {
    value.startSequence();
    if (isAuthority) value.writeBoolean(true);
    value.endSequence();
  });
  // digitalSignature is bit 0, keyCertSign bit 5; the bits after the last one are counted as unused.
  const bits = isAuthority ? Buffer.from([2, 0x84]) : Buffer.from([7, 0x80]);
  writeExtension(writer, KEY_USAGE, true, (value) => value.writeBuffer(bits, BIT_STRING));
  if (usages.length > 0)
    writeExtension(writer, EXTENDED_KEY_USAGE, false, (value) => {
      value.startSequence();
      for (const usage of usages) value.writeOID(USAGES[usage]);
      value.endSequence();
    });
  // Critical where there is no other name (RFC 5280 4.2.1.6).
  if (names.length > 0)
    writeExtension(writer, SUBJECT_ALT_NAME, subject === "", (value) => {
      value.startSequence();
      for (const name of names) writeSubjectName(value, name);
      value.endSequence();
    });
}

function writeSubjectName(writer: Writer, name: SubjectName): void {
  if ("dns" in name) writer.writeString(name.dns, DNS_NAME);
  else if ("uri" in name) writer.writeString(name.uri, URI_NAME);
  else writer.writeBuffer(Buffer.from(name.ipv4.split(".").map(Number)), IP_NAME);
}

function writeExtension(writer: Writer, oid: string, isCritical: boolean, write: (value: Writer) => void): void {
  writer.startSequence();
  writer.writeOID(oid);
  if (isCritical) writer.writeBoolean(true);
  writer.writeBuffer(der(write), OCTET_STRING);
  writer.endSequence();
}

function writeAlgorithm(writer: Writer): void {
  writer.startSequence();
  writer.writeOID(ECDSA_WITH_SHA256);
  writer.endSequence();
}

function writeName(writer: Writer, commonName: string): void {
  writer.startSequence();
  if (commonName !== "") {
    writer.startSequence(SET);
    writer.startSequence();
    writer.writeOID(COMMON_NAME);
    writer.writeString(commonName, UTF8_STRING);
    writer.endSequence();
    writer.endSequence();
  }
  writer.endSequence();
}

function writeBits(writer: Writer, bytes: Buffer): void {
  writer.writeBuffer(Buffer.concat([Buffer.from([0]), bytes]), BIT_STRING);
}

function der(write: (writer: Writer) => void): Buffer {
  const writer = new asn1.BerWriter();
  write(writer);
  return writer.buffer;
}

/** Bytes of tag and length before a value (X.690 8.1.3). */
function headerLength(bytes: Buffer): number {
  const length = bytes[1] ?? 0;
  return length < 0x80 ? 2 : 2 + (length & 0x7f);
}

/** YYMMDDHHMMSSZ; good until 2049 (RFC 5280 4.1.2.5.1). */
function utcTime(ms: number): string {
  return `${new Date(ms).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`;
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
