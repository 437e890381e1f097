import { expect, test } from "vitest";
import { parseHop } from "../../../../src/exec/ssh/ssh-config.ts";

test.each([
  ["bastion", { host: "bastion" }],
  ["lab@bastion:2222", { host: "bastion", user: "lab", port: 2222 }],
  ["[2001:db8::1]:22", { host: "2001:db8::1", port: 22 }],
  ["me@corp@bastion", { host: "bastion", user: "me@corp" }],
  ["ssh://lab@bastion:22/", { host: "bastion", user: "lab", port: 22 }],
])("the jump host %s", (text, hop) => {
  expect(parseHop(text)).toEqual(hop);
});

test.each(["", "a:b", "a:99999", "[::1", "@"])("%j is no jump host", (text) => {
  expect(() => parseHop(text)).toThrow("is no jump host");
});
