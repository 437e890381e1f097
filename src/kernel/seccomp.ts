/* linux/bpf_common.h, linux/seccomp.h, linux/audit.h */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const RET_ALLOW = 0x7fff_0000;
const RET_ERRNO = 0x0005_0000;
const OFFSET_NR = 0;
const OFFSET_ARCH = 4;

/** The architecture's audit number, and its number of setgroups(2). */
const SETGROUPS: Partial<Record<NodeJS.Architecture, { arch: number; nr: number }>> = {
  x64: { arch: 0xc000_003e, nr: 116 },
  arm64: { arch: 0xc000_00b7, nr: 159 },
};

function instruction(code: number, ifTrue: number, ifFalse: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

/**
 * A seccomp(2) program under which setgroups(2) succeeds and does nothing; undefined on architectures that are not known.
 * A user namespace made without privilege forbids the call, and tcpdump, which gives up its supplementary groups first of
 * all, would not start. There is nothing to give up: the namespace has none.
 */
export function ignoreSetgroups(): Buffer | undefined {
  const known = SETGROUPS[process.arch];
  if (known === undefined) return undefined;
  return Buffer.concat([
    instruction(LOAD_WORD, 0, 0, OFFSET_ARCH),
    instruction(JUMP_IF_EQUAL, 0, 3, known.arch),
    instruction(LOAD_WORD, 0, 0, OFFSET_NR),
    instruction(JUMP_IF_EQUAL, 0, 1, known.nr),
    instruction(RETURN, 0, 0, RET_ERRNO),
    instruction(RETURN, 0, 0, RET_ALLOW),
  ]);
}
