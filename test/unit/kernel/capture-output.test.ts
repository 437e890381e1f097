import { expect, test } from "vitest";
import { CaptureOutput } from "../../../src/kernel/capture-output.ts";
import { KEPT_PACKETS } from "../../../src/kernel/packet-reader.ts";

const line = (hex: string): string => `1795326663.398036 eth0  In  IP 10.0.0.1 > 10.0.0.2: UDP\n\t0x0000:  ${hex}\n`;

test("listens when tcpdump says so, wherever its message is cut", async () => {
  const output = new CaptureOutput();
  const listening = output.untilListening();
  for (const text of ["tcpdump: WARNING: any\n", "tcpdump: listen", "ing on any, link-type LINUX_SLL2\n"])
    output.say(text);
  await listening;
});

test("what came before the last packet is all there is, as soon as that one is there", async () => {
  const output = new CaptureOutput();
  const all = output.upTo(({ hex }) => hex.includes("beef"));
  for (const hex of ["4500", "4501", "beef", "4502"]) output.take(line(hex));
  expect((await all).map(({ hex }) => hex)).toEqual(["4500", "4501"]);
});

test("a tcpdump that ends is told in its own words", async () => {
  const output = new CaptureOutput();
  const listening = output.untilListening();
  output.say("tcpdump: can't parse filter expression\n");
  output.end();
  await expect(listening).rejects.toMatchObject({
    code: "CAPTURE_FAILED",
    message: "tcpdump ended: tcpdump: can't parse filter expression",
  });
});

test("more packets than the kernel surely keeps are no whole capture, whatever follows", async () => {
  const output = new CaptureOutput();
  output.take(line("4500").repeat(KEPT_PACKETS + 1));
  output.take(line("beef"));
  await expect(output.upTo(({ hex }) => hex.includes("beef"))).rejects.toMatchObject({ code: "CAPTURE_FAILED" });
});
