import { expect, it } from "vitest";
import { arpReply } from "../../../src/kernel/arp-responder.ts";

const own = Buffer.from("0a0000000001", "hex");
const asker = "0a0000000002";
const request = (operation: string, target: string): Buffer =>
  Buffer.from(`ffffffffffff${asker}0806000108000604${operation}${asker}c0000202000000000000${target}`, "hex");
const has = (address: string): boolean => address === "192.0.2.10";

it("answers a request for an address that is announced, to who asked", () => {
  const reply = arpReply(request("0001", "c000020a"), own, has);
  expect(reply?.toString("hex")).toBe(`${asker}0a0000000001080600010800060400020a0000000001c000020a${asker}c0000202`);
});

it.each([
  ["of another address", request("0001", "c000020b")],
  ["that is a reply", request("0002", "c000020a")],
  ["that is cut short", request("0001", "c000020a").subarray(0, 30)],
])("is silent to a packet %s", (_, frame) => {
  expect(arpReply(frame, own, has)).toBeUndefined();
});
