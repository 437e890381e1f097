import { describe, expect, it } from "vitest";
import { socketAddress } from "../../../../src/kernel/sockets.ts";
import { decode } from "../../../../src/providers/netns/lab/evidence.ts";

function bytes(address: string): Buffer {
  const name = Buffer.from(socketAddress(address, 0));
  return address.includes(":") ? name.subarray(8, 24) : name.subarray(4, 8);
}

/** A key as the kernel has it: fields padded to four bytes. */
function key(source: string, destination: string, flow?: [protocol: number, from: number, to: number]): Buffer {
  const fields = Buffer.alloc(flow === undefined ? 0 : 12);
  if (flow !== undefined) {
    fields.writeUInt8(flow[0], 0);
    fields.writeUInt16BE(flow[1], 4);
    fields.writeUInt16BE(flow[2], 8);
  }
  return Buffer.concat([bytes(source), bytes(destination), fields]);
}

describe("a record of a drop", () => {
  it.each([
    ["10.0.0.1", "10.0.0.2"],
    ["fd00:10:244::1", "fd00:10:244:0:a::2"],
  ])("names both ends and ports of a flow from %s", (source, destination) => {
    const expected = { node: "n1", direction: "egress", source, destination };
    expect(decode(key(source, destination, [6, 40_000, 80]), "n1", "egress")).toEqual({
      ...expected,
      protocol: "tcp",
      sourcePort: 40_000,
      destinationPort: 80,
    });
    expect(decode(key(source, destination, [17, 40_000, 53]), "n1", "egress")).toMatchObject({ protocol: "udp" });
    expect(decode(key(source, destination), "n1", "egress")).toEqual({ ...expected, protocol: "icmp" });
  });

  it("of a protocol that no probe speaks is none", () => {
    expect(decode(key("10.0.0.1", "10.0.0.2", [132, 1, 2]), "n1", "egress")).toBeUndefined();
  });
});
