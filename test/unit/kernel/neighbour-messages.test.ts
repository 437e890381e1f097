import { expect, it } from "vitest";
import {
  neighbourAdvertisement,
  solicitedAddress,
  solicitedNodeGroup,
} from "../../../src/kernel/neighbour-messages.ts";
import { addressBytes } from "../../../src/kernel/sockets.ts";

const target = "20010db800000000000000000000000a";
const lladdr = "0a0000000001";
const solicitation = (options = `0101${lladdr}`, head = "8700", at = target): Buffer =>
  Buffer.from(`${head}123400000000${at}${options}`, "hex");

it("the group of an address has its last 24 bits (RFC 4291, 2.7.1)", () => {
  const address = addressBytes("4037::1:800:200e:8c6c");
  expect(solicitedNodeGroup(address).toString("hex")).toBe("ff0200000000000000000001ff0e8c6c");
});

it("a solicitation names the address that it asks for", () => {
  expect(Buffer.from(solicitedAddress(solicitation()) ?? []).toString("hex")).toBe(target);
  // A nonce (RFC 3971) may stand before it.
  expect(solicitedAddress(solicitation(`0e01000000000000${`0101${lladdr}`}`))).toBeDefined();
});

it.each([
  ["of duplicate address detection, without the asker's hardware address", solicitation("")],
  ["with a nonce alone", solicitation("0e01000000000000")],
  ["with an option of no length", solicitation("0100000000000000")],
  ["with an option that is cut short", solicitation("0102000000000000")],
  ["for a group", solicitation(undefined, undefined, "ff020000000000000000000000000001")],
  ["with a code", solicitation(undefined, "8701")],
  ["that is an advertisement", solicitation(undefined, "8800")],
  ["that is cut short", solicitation("").subarray(0, 20)],
])("a message %s asks for nothing", (_, message) => {
  expect(solicitedAddress(message)).toBeUndefined();
});

it.each([
  ["an answer", true, "40"],
  ["an announcement", false, "20"],
])("%s is an advertisement with its flag and the hardware address", (_, isAnswer, flags) => {
  const message = neighbourAdvertisement(Buffer.from(target, "hex"), Buffer.from(lladdr, "hex"), isAnswer);
  expect(message.toString("hex")).toBe(`88000000${flags}000000${target}0201${lladdr}`);
});
