import { encode, RECURSION_DESIRED, type RecordType } from "dns-packet";

/** What a test asks, besides the name. */
export interface Asked {
  type?: RecordType;
  edns?: number;
  flags?: number;
}

/** A query as a client sends it; with an OPT record where `edns` gives its size. */
export function query(name: string, { type = "A", edns, flags = RECURSION_DESIRED }: Asked = {}): Buffer {
  const opt = {
    type: "OPT",
    name: ".",
    udpPayloadSize: edns ?? 0,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as const;
  return encode({
    type: "query",
    id: 4711,
    flags,
    questions: [{ type, name }],
    ...(edns === undefined ? {} : { additionals: [{ ...opt, options: [] }] }),
  });
}
