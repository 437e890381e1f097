import { expect, test } from "vitest";
import { announcement } from "../../../src/kernel/announce-address.ts";

test("an announcement is a broadcast ARP request by and for one address, as tcpdump would read it", () => {
  const lladdr = Uint8Array.from([0x02, 0xff, 172, 30, 0, 4]);
  expect(announcement(lladdr, Uint8Array.from([172, 30, 0, 4])).toString("hex")).toBe(
    ["ffffffffffff02ffac1e00040806", "0001080006040001", "02ffac1e0004ac1e0004", "000000000000ac1e0004"].join(""),
  );
});
