import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import asn1 from "asn1";

/** A certificate that signs itself, and its private key, as PEM. */
export interface ServerCertificate {
  cert: string;
  key: string;
}

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const KEY_USAGE = "2.5.29.15";
const SUBJECT_ALT_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/** Tags of X.690; those of a context are [0] = 0xa0, or 0x80 where what they replace is no structure. */
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SET = 0x31;

const DAY_MS = 86_400_000;

type Writer = InstanceType<typeof asn1.BerWriter>;

/**
 * Makes an ECDSA P-256 key and its self-signed certificate (RFC 5280) for 127.0.0.1 and localhost, valid from a day ago, for
 * clocks that differ, for ten years. About 1 ms.
 */
export function makeServerCertificate(commonName: string, now: Date): ServerCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const body = der((writer) => writeBody(writer, commonName, now, publicKey));
  const certificate = der((writer) => {
    writer.startSequence();
    writer.writeBuffer(body.subarray(headerLength(body)), body[0] ?? 0);
    writeAlgorithm(writer);
    writeBits(writer, sign("sha256", body, privateKey));
    writer.endSequence();
  });
  return { cert: pem(certificate), key: String(privateKey.export({ type: "pkcs8", format: "pem" })) };
}

function writeBody(writer: Writer, commonName: string, now: Date, publicKey: KeyObject): void {
  writer.startSequence();
  writer.startSequence(0xa0);
  writer.writeInt(2);
  writer.endSequence();
  const serial = randomBytes(16);
  // Positive, and without a leading zero that DER would not have.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  writer.writeBuffer(serial, INTEGER);
  writeAlgorithm(writer);
  writeName(writer, commonName);
  writer.startSequence();
  writer.writeString(utcTime(now.getTime() - DAY_MS), UTC_TIME);
  writer.writeString(utcTime(now.getTime() + 3650 * DAY_MS), UTC_TIME);
  writer.endSequence();
  writeName(writer, commonName);
  const key = publicKey.export({ type: "spki", format: "der" });
  writer.writeBuffer(key.subarray(headerLength(key)), 0x30);
  writer.startSequence(0xa3);
  writer.startSequence();
  writeExtensions(writer);
  writer.endSequence();
  writer.endSequence();
  writer.endSequence();
}

function writeExtensions(writer: Writer): void {
  writeExtension(writer, BASIC_CONSTRAINTS, true, (value) => {
    value.startSequence();
    value.writeBoolean(true);
    value.endSequence();
  });
  // digitalSignature and keyCertSign: bits 0 and 5, two bits unused.
  writeExtension(writer, KEY_USAGE, true, (value) => value.writeBuffer(Buffer.from([2, 0x84]), BIT_STRING));
  writeExtension(writer, EXTENDED_KEY_USAGE, false, (value) => {
    value.startSequence();
    value.writeOID(SERVER_AUTH);
    value.endSequence();
  });
  writeExtension(writer, SUBJECT_ALT_NAME, false, (value) => {
    value.startSequence();
    value.writeString("localhost", 0x82);
    value.writeBuffer(Buffer.from([127, 0, 0, 1]), 0x87);
    value.endSequence();
  });
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
  writer.startSequence(SET);
  writer.startSequence();
  writer.writeOID(COMMON_NAME);
  writer.writeString(commonName, UTF8_STRING);
  writer.endSequence();
  writer.endSequence();
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
