/** The part of asn1 0.2 that is used here; the package has no types of its own. */
declare module "asn1" {
  /** Writes BER that is DER, too, for what is written here: definite lengths, shortest integers. */
  class Writer {
    readonly buffer: Buffer;
    startSequence(tag?: number): void;
    endSequence(): void;
    writeInt(value: number, tag?: number): void;
    writeBoolean(value: boolean, tag?: number): void;
    writeOID(value: string, tag?: number): void;
    writeString(value: string, tag?: number): void;
    writeBuffer(value: Buffer, tag: number): void;
  }
  const asn1: { BerWriter: typeof Writer };
  // eslint-disable-next-line import/no-default-export
  export default asn1;
}
