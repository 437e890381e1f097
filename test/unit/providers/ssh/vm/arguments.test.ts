import { expect, test } from "vitest";
import { switchArguments, vmArguments } from "../../../../../src/providers/ssh/vm/arguments.ts";

const uuid = "8c59b25a-1c3c-46f1-b9c8-d8b8e4a66b96";
const vm = { cpus: 3, memoryBytes: 1536 * 2 ** 20, internet: false };
const common = { vm, uuid, accelerator: "tcg", managementMac: "52:54:00:00:00:00", interfaces: [] } as const;

/** What follows each time an option is given. */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((word, index) => (word === option ? [args[index + 1] ?? ""] : []));
}

test("a virtual machine is found by its id, starts nothing, and is seen on a loopback port alone", () => {
  const args = vmArguments(common);
  expect(valuesOf(args, "-uuid")).toEqual([uuid]);
  expect(valuesOf(args, "-sandbox")).toEqual([
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  ]);
  expect(valuesOf(args, "-netdev")).toEqual([
    "user,id=management,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22",
  ]);
  expect(valuesOf(args, "-m")).toEqual(["1536M"]);
  expect(valuesOf(args, "-smp")).toEqual(["3"]);
  expect(valuesOf(args, "-display")).toEqual(["none"]);
});

test("only where it is asked for does one get further than the lab's network", () => {
  const [management] = valuesOf(vmArguments({ ...common, vm: { ...vm, internet: true } }), "-netdev");
  expect(management).toContain("restrict=off");
});

test("emulation and KVM each have the processor that goes with them", () => {
  const of = (accelerator: "tcg" | "kvm"): string[][] =>
    ["-accel", "-cpu"].map((option) => valuesOf(vmArguments({ ...common, accelerator }), option));
  expect(of("tcg")).toEqual([["tcg,thread=multi"], ["max"]]);
  expect(of("kvm")).toEqual([["kvm"], ["host"]]);
});

test("what a lab writes is a word of its own, never a part of an option", () => {
  const hostile = "x,readonly=off -monitor stdio\n";
  const args = vmArguments({ ...common, vm: { ...vm, kernel: hostile, initrd: hostile, append: hostile } });
  expect(args.filter((word) => word.includes("monitor stdio"))).toEqual([hostile, hostile, hostile]);
  expect(["-kernel", "-initrd", "-append"].map((option) => valuesOf(args, option))).toEqual([
    [hostile],
    [hostile],
    [hostile],
  ]);
});

test("a machine alone in its network has a hub of its own, others a port of the network's switch", () => {
  const interfaces = [
    { mac: "52:54:00:00:00:01", socket: "../network-lan/port1.sock" },
    { mac: "52:54:00:00:00:02", socket: undefined },
  ];
  const args = vmArguments({ ...common, interfaces });
  expect(valuesOf(args, "-netdev").slice(1)).toEqual([
    "stream,id=lab0,addr.type=unix,addr.path=../network-lan/port1.sock",
    "hubport,id=lab1,hubid=1",
  ]);
  const cards = valuesOf(args, "-device").filter((device) => device.startsWith("virtio-net"));
  expect(cards.map((card) => /mac=([^,]*)/.exec(card)?.[1])).toEqual([
    "52:54:00:00:00:00",
    "52:54:00:00:00:01",
    "52:54:00:00:00:02",
  ]);
});

test("a switch has a socket for each machine, in one hub, and no machine", () => {
  const args = switchArguments(uuid, 2);
  expect(valuesOf(args, "-machine")).toEqual(["none"]);
  expect(valuesOf(args, "-uuid")).toEqual([uuid]);
  expect(valuesOf(args, "-netdev")).toEqual([
    "stream,id=port0,server=on,addr.type=unix,addr.path=port0.sock",
    "hubport,id=hub0,hubid=0,netdev=port0",
    "stream,id=port1,server=on,addr.type=unix,addr.path=port1.sock",
    "hubport,id=hub1,hubid=0,netdev=port1",
  ]);
});
