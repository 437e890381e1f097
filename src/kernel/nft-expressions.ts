import { NotEncodable } from "./nft-keys.ts";
import type { NftWriter } from "./nft-writer.ts";

/* linux/netfilter/nf_tables.h */
const LIST_ELEM = 1;
const EXPR = { name: 1, data: 2 } as const;
const DATA = { value: 1, verdict: 2 } as const;
const VERDICT = { code: 1, chain: 2 } as const;
const CMP = { sreg: 1, op: 2, data: 3 } as const;
const CMP_OPS = { eq: 0, neq: 1, lte: 3, gte: 5 } as const;
const LOOKUP = { set: 1, sreg: 2, dreg: 3, flags: 5 } as const;
const LOOKUP_INVERTED = 1;
const IMMEDIATE = { dreg: 1, data: 2 } as const;
const BITWISE = { sreg: 1, dreg: 2, length: 3, mask: 4, xor: 5 } as const;
const DYNSET = { set: 1, op: 3, key: 4 } as const;
const DYNSET_UPDATE = 1;
const NAT = { type: 1, family: 2, address: 3, port: 5, flags: 7 } as const;
const NAT_DNAT = 1;
const NAT_PROTO_SPECIFIED = 2;
const NUMGEN = { dreg: 1, modulus: 2, type: 3, offset: 4 } as const;
const NUMGEN_RANDOM = 1;
const FIB = { dreg: 1, result: 2, flags: 3 } as const;
const FIB_ADDRESS_TYPE = 3;
const FIB_SOURCE = 1;
const RTN_LOCAL = 2;
const VERDICT_REGISTER = 0;
/** The first of 16 bytes, as libnftables uses it, and the one behind it. */
export const LOADED_REGISTER = 1;
const SECOND_REGISTER = 2;

const VERDICT_CODES = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

export interface NftVerdict {
  code: number;
  chain?: string;
}

/** Throws {@link NotEncodable}. */
export function verdictOf(text: string): NftVerdict {
  const [, word = "", chain] = /^(accept|drop|return|jump|goto)(?: ([A-Za-z0-9._/-]+))?$/.exec(text) ?? [];
  const needsChain = word === "jump" || word === "goto";
  if (word === "" || needsChain !== (chain !== undefined)) throw new NotEncodable(`the verdict ${text}`);
  const code = VERDICT_CODES[word as keyof typeof VERDICT_CODES];
  return chain === undefined ? { code } : { code, chain };
}

/** One expression, as an element of a rule's list. */
export function expression(writer: NftWriter, name: string, fill: () => void): void {
  writer.nested(LIST_ELEM, () => writer.text(EXPR.name, name).nested(EXPR.data, fill));
}

export function verdictData(writer: NftWriter, type: number, { code, chain }: NftVerdict): void {
  writer.nested(type, () =>
    writer.nested(DATA.verdict, () => {
      writer.u32(VERDICT.code, code);
      if (chain !== undefined) writer.text(VERDICT.chain, chain);
    }),
  );
}

export function valueData(writer: NftWriter, type: number, value: Uint8Array): void {
  writer.nested(type, () => writer.bytes(DATA.value, value));
}

export function compare(writer: NftWriter, op: keyof typeof CMP_OPS, value: Uint8Array): void {
  expression(writer, "cmp", () => {
    writer.u32(CMP.sreg, LOADED_REGISTER).u32(CMP.op, CMP_OPS[op]);
    valueData(writer, CMP.data, value);
  });
}

export function bitmask(writer: NftWriter, mask: Uint8Array): void {
  expression(writer, "bitwise", () => {
    writer.u32(BITWISE.sreg, LOADED_REGISTER).u32(BITWISE.dreg, LOADED_REGISTER).u32(BITWISE.length, mask.length);
    valueData(writer, BITWISE.mask, mask);
    valueData(writer, BITWISE.xor, new Uint8Array(mask.length));
  });
}

export function lookup(
  writer: NftWriter,
  set: string,
  { isMap, isNegated }: { isMap: boolean; isNegated: boolean },
): void {
  if (isMap && isNegated) throw new NotEncodable("a map that is negated");
  expression(writer, "lookup", () => {
    writer.text(LOOKUP.set, set).u32(LOOKUP.sreg, LOADED_REGISTER);
    if (isMap) writer.u32(LOOKUP.dreg, VERDICT_REGISTER);
    if (isNegated) writer.u32(LOOKUP.flags, LOOKUP_INVERTED);
  });
}

export function immediateVerdict(writer: NftWriter, verdict: NftVerdict): void {
  expression(writer, "immediate", () => {
    writer.u32(IMMEDIATE.dreg, VERDICT_REGISTER);
    verdictData(writer, IMMEDIATE.data, verdict);
  });
}

function immediateValue(writer: NftWriter, register: number, value: Uint8Array): void {
  expression(writer, "immediate", () => {
    writer.u32(IMMEDIATE.dreg, register);
    valueData(writer, IMMEDIATE.data, value);
  });
}

export function counter(writer: NftWriter): void {
  expression(writer, "counter", () => undefined);
}

/** Adds the loaded key to a set, or begins its time anew. */
export function dynset(writer: NftWriter, set: string): void {
  expression(writer, "dynset", () =>
    writer.text(DYNSET.set, set).u32(DYNSET.op, DYNSET_UPDATE).u32(DYNSET.key, LOADED_REGISTER),
  );
}

export function numgen(writer: NftWriter, modulus: number): void {
  expression(writer, "numgen", () => {
    writer.u32(NUMGEN.dreg, LOADED_REGISTER).u32(NUMGEN.modulus, modulus);
    writer.u32(NUMGEN.type, NUMGEN_RANDOM).u32(NUMGEN.offset, 0);
  });
}

/** Whether the source address is one of the host's own. */
export function fibIsLocal(writer: NftWriter): void {
  expression(writer, "fib", () =>
    writer.u32(FIB.flags, FIB_SOURCE).u32(FIB.result, FIB_ADDRESS_TYPE).u32(FIB.dreg, LOADED_REGISTER),
  );
  compare(writer, "eq", Buffer.of(RTN_LOCAL, 0, 0, 0));
}

export function dnat(writer: NftWriter, family: number, address: Uint8Array, port: Uint8Array): void {
  immediateValue(writer, LOADED_REGISTER, address);
  immediateValue(writer, SECOND_REGISTER, port);
  expression(writer, "nat", () => {
    writer.u32(NAT.type, NAT_DNAT).u32(NAT.family, family).u32(NAT.address, LOADED_REGISTER);
    writer.u32(NAT.port, SECOND_REGISTER).u32(NAT.flags, NAT_PROTO_SPECIFIED);
  });
}
