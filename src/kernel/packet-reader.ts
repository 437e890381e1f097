/** A packet as a capture on one place showed it. */
export interface CapturedPacket {
  /** When the kernel took it in, in milliseconds since 1970. */
  atMs: number;
  interface: string;
  /** Taken in at that interface, or on its way out. */
  isIn: boolean;
  /** From its outermost IP header on, in hexadecimal. */
  hex: string;
}

/** `-tt -i any` of tcpdump 4.99 and later names interface and direction (DLT_LINUX_SLL2). */
const HEADER = /^(\d+\.\d+) (\S+) +(In|Out|P|B|M) +/;
const HEX = /^\s+0x[0-9a-f]+: {2}((?:[0-9a-f]{2,4} ?)+)$/;

/**
 * Packets that the kernel keeps at the least for a tcpdump with {@link CAPTURE_ROOM}, while it waits for a processor. With `--immediate-mode`
 * each takes a frame of the whole snapshot length: tcpdump's own length leaves room for eight on "any", and the ninth of a burst is lost.
 */
export const KEPT_PACKETS = 2000;

/** Of tcpdump(8): the first 1024 bytes of each packet, and a buffer of 4 MiB. */
export const CAPTURE_ROOM = ["-s", "1024", "-B", "4096"] as const;

/**
 * The tcpdump(8) command whose output {@link PacketReader} reads: all interfaces, no names, each packet at once, with its first
 * bytes; what is not for this place need not be seen.
 */
export function packetCommand(filter: string): string[] {
  return ["tcpdump", "-i", "any", "-p", "-n", "-q", "-tt", "-x", "-l", "--immediate-mode", ...CAPTURE_ROOM, filter];
}

/** Puts packets together from what tcpdump prints, as it prints it. A packet is whole when the next one begins. */
export class PacketReader {
  readonly packets: CapturedPacket[] = [];
  private rest = "";
  private current: CapturedPacket | undefined;

  take(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.takeLine(line);
  }

  private takeLine(line: string): void {
    const header = HEADER.exec(line);
    if (header !== null) {
      const [, seconds, device = "", direction] = header;
      this.current = { atMs: Number(seconds) * 1000, interface: device, isIn: direction !== "Out", hex: "" };
      // P: for another host, seen only because somebody else has made the interface promiscuous.
      if (direction !== "P") this.packets.push(this.current);
      return;
    }
    const bytes = HEX.exec(line)?.[1];
    if (bytes !== undefined && this.current !== undefined) this.current.hex += bytes.replaceAll(" ", "");
  }
}
