import { expect, test } from "vitest";
import { sandboxCommand } from "../../../../src/kernel/sandbox.ts";
import { LAB_PATH } from "../../../../src/providers/netns/preflight.ts";

test("a lab's programs are looked for where its commands find them", () => {
  const command = sandboxCommand(["true"], { hostname: "worker1", etc: {}, env: {}, networkAdmin: false });
  expect(command[command.indexOf("PATH") + 1]).toBe(LAB_PATH);
});
