import koffi from "koffi";
import { LabError } from "../core/errors.ts";
import { calls, check } from "./libc.ts";
import { keepDescriptorsFromChildren } from "./processes.ts";
import type { NetworkNamespace } from "./namespace.ts";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_DOMAIN = 39;
const AF_NETLINK = 16;
const SEND_BUFFER_BYTES = 16 << 20;

const NFT_CTX_OUTPUT_JSON = 1 << 4;
/** Protocols, priorities and symbols as numbers. */
const NFT_CTX_OUTPUT_NUMERIC_ALL = (1 << 7) | (1 << 8) | (1 << 9);

interface Library {
  create(flags: number): unknown;
  free(context: unknown): void;
  bufferOutput(context: unknown): number;
  bufferError(context: unknown): number;
  output(context: unknown): string;
  error(context: unknown): string;
  setOutputFlags(context: unknown, flags: number): void;
  run(context: unknown, text: string): number;
}

let library: Library | undefined;

function open(): Library {
  if (library !== undefined) return library;
  let handle: ReturnType<typeof koffi.load>;
  try {
    handle = koffi.load("libnftables.so.1");
  } catch (cause) {
    throw new LabError("HOST_NO_LIBNFTABLES", "libnftables.so.1 cannot be loaded", {
      hint: "install nftables (Debian: apt-get install nftables)",
      cause,
    });
  }
  const pointer = "void *";
  library = {
    create: handle.func("nft_ctx_new", pointer, ["uint32_t"]) as Library["create"],
    free: handle.func("nft_ctx_free", "void", [pointer]) as Library["free"],
    bufferOutput: handle.func("nft_ctx_buffer_output", "int", [pointer]) as Library["bufferOutput"],
    bufferError: handle.func("nft_ctx_buffer_error", "int", [pointer]) as Library["bufferError"],
    output: handle.func("nft_ctx_get_output_buffer", "const char *", [pointer]) as Library["output"],
    error: handle.func("nft_ctx_get_error_buffer", "const char *", [pointer]) as Library["error"],
    setOutputFlags: handle.func("nft_ctx_output_set_flags", "void", [
      pointer,
      "unsigned int",
    ]) as Library["setOutputFlags"],
    run: handle.func("nft_run_cmd_from_buffer", "int", [pointer, "const char *"]) as Library["run"],
  };
  return library;
}

/**
 * A transaction goes to the kernel in one send, which must fit the socket's buffer: 208 KiB hold the rules of about 150
 * Service endpoints on two ports. The kernel grants up to net.core.wmem_max, doubled; libnftables itself asks only in a
 * way that needs privilege on the host.
 */
function enlargeSendBuffer(fd: number): void {
  const bytes = Buffer.alloc(4);
  // What else was open to children is not ours to change.
  if (calls.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, bytes, [4]) < 0 || bytes.readInt32LE(0) !== AF_NETLINK) return;
  bytes.writeInt32LE(SEND_BUFFER_BYTES);
  check("setsockopt", calls.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, bytes, 4), "SO_SNDBUF");
}

/** Of the complaints, one a command of the transaction, the first; the others mostly repeat it. */
function firstErrors(text: string): string {
  const complaints = text.trim().split(/\n(?=[^\n]*Error: )/);
  const [first = ""] = complaints;
  return complaints.length === 1 ? first : `${first}\n(and ${complaints.length - 1} more)`;
}

/**
 * nftables of one namespace through libnftables(3): a call is one transaction, all of it or nothing, and costs no
 * process (0.3–1 ms against 4–5 ms for one `nft`).
 */
export class Nftables {
  private readonly context: unknown;
  private readonly name: string;
  private readonly nft = open();

  constructor(namespace: NetworkNamespace) {
    this.name = namespace.name;
    this.context = namespace.enter(() => this.nft.create(0));
    // Its netlink socket, which would otherwise be open in every child.
    for (const fd of keepDescriptorsFromChildren()) enlargeSendBuffer(fd);
    this.nft.bufferOutput(this.context);
    this.nft.bufferError(this.context);
  }

  private run(text: string, flags: number): string {
    this.nft.setOutputFlags(this.context, flags);
    const failed = this.nft.run(this.context, text) !== 0;
    // Both buffers are emptied by reading them.
    const output = this.nft.output(this.context);
    const error = this.nft.error(this.context);
    if (failed) {
      throw new LabError(
        "KERNEL_NFT_REFUSED",
        `the kernel of ${this.name} refused an nftables transaction: ${firstErrors(error)}`,
      );
    }
    return output;
  }

  /** Applies commands in nft(8) syntax as one transaction; throws KERNEL_NFT_REFUSED and changes nothing when refused. */
  apply(text: string): void {
    this.run(text, 0);
  }

  /** The parsed `nftables` array of a list command (libnftables-json(5)), all figures numeric. */
  list(command: string): Record<string, unknown>[] {
    const text = this.run(command, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_ALL);
    return (JSON.parse(text) as { nftables: Record<string, unknown>[] }).nftables;
  }

  close(): void {
    this.nft.free(this.context);
  }
}
