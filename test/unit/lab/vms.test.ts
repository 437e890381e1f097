import { homedir } from "node:os";
import { expect, test } from "vitest";
import { nodeMachine, vmSchema } from "../../../src/lab/vms.ts";

const where = { shared: undefined, directory: "/labs/shop" };

test("a virtual machine has what its own node says, then what the topology says, then the defaults", () => {
  const shared = vmSchema.parse({ image: "../images/debian.qcow2", memory: "3GiB", user: "debian" });
  const own = vmSchema.parse({ memory: "1536MiB", kernel: "~/vmlinuz", append: "quiet", internet: false });
  expect(nodeMachine("worker1", { vm: own }, { ...where, shared })).toEqual({
    name: "worker1",
    host: "127.0.0.1",
    user: "debian",
    vm: {
      image: "/labs/images/debian.qcow2",
      kernel: `${homedir()}/vmlinuz`,
      append: "quiet",
      cpus: 2,
      memoryBytes: 1536 * 2 ** 20,
      diskBytes: 20 * 2 ** 30,
      internet: false,
    },
  });
});

test("a node that names a machine that is there keeps it beside virtual ones, and without any has none", () => {
  const shared = vmSchema.parse({ image: "debian.qcow2" });
  expect(nodeMachine("worker1", { address: "10.0.0.4" }, { ...where, shared })).toEqual({
    name: "worker1",
    host: "10.0.0.4",
  });
  expect(nodeMachine("worker1", undefined, { ...where, shared })).toMatchObject({
    vm: { image: "/labs/shop/debian.qcow2" },
  });
  expect(nodeMachine("worker1", undefined, where)).toBeUndefined();
});

test.each(["2G", "2 GiB", "2gib", "-1GiB", "1e3MiB", "0GiB", "255MiB", "513GiB", "9999999999GiB", ""])(
  "memory %j is refused",
  (memory) => {
    const { error } = vmSchema.safeParse({ memory });
    expect(error?.issues[0]?.message).toMatch(/is no size from 256MiB to 512GiB/);
  },
);
