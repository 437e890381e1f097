/** Response codes (RFC 1035 4.1.1, RFC 6891 9). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** Bits of the header's second word (RFC 1035 4.1.1, RFC 4035 3). */
export const FLAG = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  checkingDisabled: 0x0010,
} as const;

/** Length of a message's header. */
export const HEADER_BYTES = 12;

/** The pseudo-record of EDNS (RFC 6891 6.1.1). */
export const TYPE_OPT = 41;
