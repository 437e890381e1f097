import { describe, expect, it } from "vitest";
import type { KernelFeature } from "../../../src/cnis/types.ts";
import {
  missingKernelFeatures,
  type KernelCommandResult,
  type RunOnKernel,
} from "../../../src/providers/kernel-features.ts";

const ALL: KernelFeature[] = ["vxlan", "ipip", "wireguard", "openvswitch", "esp"];

interface World {
  /** Modules that are loaded. */
  loaded?: string[];
  /** Modules that modprobe would load. */
  loadable?: string[];
  /** What `ip` says on stderr in a namespace, by link type or "esp"; absent where it succeeds. */
  says?: Record<string, string>;
  /** Why a way into a network namespace is closed: "root" is plain unshare, "user" that with a user namespace. */
  closed?: Partial<Record<"root" | "user", string>>;
}

/** A machine with that kernel, and every command that was run on it. */
function machine({ loaded = [], loadable = [], says = {}, closed = {} }: World): { run: RunOnKernel; ran: string[] } {
  const ran: string[] = [];
  const ended = (exitCode: number, stderr = ""): KernelCommandResult => ({ exitCode, stderr });
  const run: RunOnKernel = (argv) => {
    ran.push(argv.join(" "));
    const [program, ...rest] = argv;
    if (program === "test") return Promise.resolve(ended(loaded.includes((rest[1] ?? "").slice(12)) ? 0 : 1));
    if (program === "modprobe") return Promise.resolve(ended(loadable.includes(rest.at(-1) ?? "") ? 0 : 1));
    const refusal = closed[rest.includes("--user") ? "user" : "root"];
    if (refusal !== undefined) return Promise.resolve(ended(1, refusal));
    const command = rest.slice(rest.indexOf("--") + 1);
    const feature = command[1] === "xfrm" ? "esp" : (command[command.indexOf("type") + 1] ?? "");
    const stderr = command[0] === "true" ? undefined : says[feature];
    return Promise.resolve(stderr === undefined ? ended(0) : ended(2, stderr));
  };
  return { run, ran };
}

const UNKNOWN = "Error: Unknown device type.";

describe("a feature of the kernel", () => {
  it("is missing where the kernel refuses to make it, named in the order asked for", async () => {
    const says = {
      ipip: UNKNOWN,
      wireguard: UNKNOWN,
      openvswitch: UNKNOWN,
      esp: "Error: Requested AEAD algorithm not found.",
    };
    expect(await missingKernelFeatures(ALL, machine({ says }).run)).toEqual([
      "ipip",
      "wireguard",
      "openvswitch",
      "esp",
    ]);
  });

  it("is there where it can be made, without a module in sight", async () => {
    // Open vSwitch knows its link type and lets nobody make one by hand.
    const says = { openvswitch: "RTNETLINK answers: Operation not supported" };
    expect(await missingKernelFeatures(ALL, machine({ says }).run)).toEqual([]);
  });

  it("is there, untouched, where its modules are loaded or root could load them", async () => {
    const { run, ran } = machine({ loaded: ["vxlan", "esp4"], loadable: ["wireguard", "gcm"] });
    expect(await missingKernelFeatures(["vxlan", "wireguard", "esp"], run)).toEqual([]);
    expect(ran.filter((command) => command.includes("unshare"))).toEqual([]);
    expect(ran.filter((command) => command.startsWith("modprobe")).every((each) => each.includes("--dry-run"))).toBe(
      true,
    );
  });

  it("is tried where one of its modules is not there", async () => {
    const { run } = machine({ loaded: ["esp4"], says: { esp: "Error: Requested AEAD algorithm not found." } });
    expect(await missingKernelFeatures(["esp"], run)).toEqual(["esp"]);
  });

  it("is tried only in a network namespace of its own, an ordinary user's where root's is closed", async () => {
    const { run, ran } = machine({ closed: { root: "unshare failed: Operation not permitted" } });
    expect(await missingKernelFeatures(["wireguard"], run)).toEqual([]);
    expect(ran.filter((command) => command.includes("ip link add"))).toEqual([
      "unshare --user --map-root-user --net -- ip link add cnilab0 type wireguard",
    ]);
  });

  it("is unknown, not missing, where it could not be tried", async () => {
    const denied = "Operation not permitted";
    const nowhere = machine({ closed: { root: denied, user: denied } }).run;
    await expect(missingKernelFeatures(["vxlan"], nowhere)).rejects.toMatchObject({ code: "KERNEL_FEATURES_UNKNOWN" });
    const { run } = machine({ says: { vxlan: "RTNETLINK answers: Operation not permitted" } });
    await expect(missingKernelFeatures(["vxlan"], run)).rejects.toMatchObject({
      code: "KERNEL_FEATURES_UNKNOWN",
      message: expect.stringContaining("Operation not permitted") as unknown,
    });
  });

  it("that nobody needs is not looked for", async () => {
    const { run, ran } = machine({});
    expect(await missingKernelFeatures([], run)).toEqual([]);
    expect(ran).toEqual([]);
  });
});
