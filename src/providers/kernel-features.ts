import type { KernelFeature } from "../cnis/types.ts";
import { LabError } from "../core/errors.ts";
import type { Finding } from "./types.ts";

/** How a command ended. `exitCode` is undefined where it could not be started. */
export interface KernelCommandResult {
  exitCode: number | undefined;
  stderr: string;
}

/** Runs a command on the machine whose kernel is meant. */
export type RunOnKernel = (argv: readonly [string, ...string[]]) => Promise<KernelCommandResult>;

interface FeatureTest {
  title: string;
  /** Where all of them are loaded or can be, the feature is there. */
  modules: readonly string[];
  /** Succeeds in an empty network namespace where the kernel has the feature. */
  tryIt: readonly string[];
  /** What `ip` or `tc` says where the kernel has not; anything else is another failure. */
  refusal: RegExp;
  /** What `ip` says where the kernel has it and still does not do what was asked. */
  presence?: RegExp;
}

/** rtnetlink's answer for a kind that no module registered (net/core/rtnetlink.c), and what ip says without extended acks. */
const UNKNOWN_LINK_TYPE = /Unknown device type|Operation not supported/;

function linkType(title: string, kind: string, ...options: string[]): FeatureTest {
  return {
    title,
    modules: [kind],
    tryIt: ["ip", "link", "add", "cnilab0", "type", kind, ...options],
    refusal: UNKNOWN_LINK_TYPE,
  };
}

/** `tc` says so where no module registered the kind (net/sched/sch_api.c), in newer and older words. */
const UNKNOWN_QDISC = /Specified qdisc (kind is unknown|not found)|No such file or directory/;

function queueingDiscipline(kind: string, ...options: string[]): FeatureTest {
  return {
    title: `the queueing discipline ${kind}`,
    modules: [`sch_${kind}`],
    tryIt: ["tc", "qdisc", "add", "dev", "lo", "root", kind, ...options],
    refusal: UNKNOWN_QDISC,
  };
}

const TESTS: Record<KernelFeature, FeatureTest> = {
  vxlan: linkType("VXLAN", "vxlan", "id", "1", "dstport", "4789"),
  ipip: linkType("IP in IP", "ipip", "local", "192.0.2.1", "remote", "192.0.2.2"),
  wireguard: linkType("WireGuard", "wireguard"),
  // Its link type is registered, but links of it are made by its own netlink family alone (net/openvswitch/
  // vport-internal_dev.c): that the type is unknown, or known, is what the try is for.
  openvswitch: {
    ...linkType("Open vSwitch", "openvswitch"),
    refusal: /Unknown device type/,
    presence: /Operation not supported|Invalid argument/,
  },
  netem: queueingDiscipline("netem", "delay", "1ms"),
  tbf: queueingDiscipline("tbf", "rate", "1mbit", "burst", "1600", "latency", "50ms"),
  // The algorithm is the one of Weave's fast data path (net/ipsec in its source): AES-GCM in transport mode.
  esp: {
    title: "IPsec ESP with AES-GCM",
    modules: ["esp4", "gcm"],
    tryIt: (
      "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport " +
      `aead rfc4106(gcm(aes)) 0x${"00".repeat(20)} 128`
    ).split(" "),
    refusal: /algorithm not found|Protocol not supported|Operation not supported|Function not implemented/,
  },
};

/** What {@link missingKernelFeatures} asks of these features, for a program that asks all of it on another machine at once. */
export function kernelTries(features: readonly KernelFeature[]): Pick<FeatureTest, "modules" | "tryIt">[] {
  return features.map((feature) => ({ modules: TESTS[feature].modules, tryIt: TESTS[feature].tryIt }));
}

const runHere: RunOnKernel = async ([program, ...args]) => {
  const { execa } = await import("execa");
  // LC_ALL: strerror(3) speaks the user's language otherwise.
  const { exitCode, stderr, failed, originalMessage } = await execa(program, args, {
    reject: false,
    stdin: "ignore",
    env: { LC_ALL: "C" },
  });
  return { exitCode, stderr: failed && stderr === "" ? (originalMessage ?? "") : stderr };
};

/**
 * The features that the kernel lacks, in the order given. A module that is loaded, or that root could load (`modprobe
 * --dry-run`), counts as there and is not touched. For the others the feature is tried in a network namespace of its own,
 * which ends with the command: that finds what is built in, or what has no module files in sight, as in a container. All
 * that stays of a try is a module that the kernel may load for it, as it would for the CNI.
 * Throws KERNEL_FEATURES_UNKNOWN where a try fails for another reason.
 */
export async function missingKernelFeatures(
  features: readonly KernelFeature[],
  run: RunOnKernel = runHere,
): Promise<KernelFeature[]> {
  if (features.length === 0) return [];
  const there = await Promise.all(features.map((feature) => hasModules(TESTS[feature].modules, run)));
  const toTry = features.filter((_, index) => there[index] !== true);
  if (toTry.length === 0) return [];
  const namespace = await enterNetwork(run);
  const tried = await Promise.all(
    toTry.map(async (feature): Promise<KernelFeature[]> => {
      const { tryIt, refusal, presence, title } = TESTS[feature];
      const { exitCode, stderr } = await run([...namespace, ...tryIt]);
      if (exitCode === 0 || presence?.test(stderr) === true) return [];
      if (refusal.test(stderr)) return [feature];
      throw new LabError(
        "KERNEL_FEATURES_UNKNOWN",
        `whether the kernel has ${title} cannot be told: ${stderr.trim()}`,
        {
          hint: `try it: ${[...namespace, ...tryIt].join(" ")}`,
        },
      );
    }),
  );
  return tried.flat();
}

/** That a host whose kernel carries every node cannot carry a CNI's mode. */
export function kernelFinding(feature: string, { name, mode }: { name: string; mode: string }): Finding {
  return {
    code: "HOST_KERNEL_FEATURE",
    ok: false,
    message: `this kernel has no ${feature}, which ${name} in mode ${mode} needs`,
    remedy: `another mode (docs/cnis/${name}.md), or a host whose kernel has it`,
  };
}

async function hasModules(modules: readonly string[], run: RunOnKernel): Promise<boolean> {
  const found = await Promise.all(
    modules.map(async (module) => {
      if ((await run(["test", "-d", `/sys/module/${module}`])).exitCode === 0) return true;
      // Knows built-in modules too; where kmod or its files are missing it says nothing, and the try decides.
      return (await run(["modprobe", "--dry-run", "--quiet", module])).exitCode === 0;
    }),
  );
  return !found.includes(false);
}

/** The command prefix for a network namespace of one's own: root's way, or an ordinary user's. */
async function enterNetwork(run: RunOnKernel): Promise<[string, ...string[]]> {
  const ways: [string, ...string[]][] = [
    ["unshare", "--net", "--"],
    ["unshare", "--user", "--map-root-user", "--net", "--"],
  ];
  const failures: string[] = [];
  for (const way of ways) {
    const { exitCode, stderr } = await run([...way, "true"]);
    if (exitCode === 0) return way;
    failures.push(stderr.trim());
  }
  throw new LabError("KERNEL_FEATURES_UNKNOWN", `no network namespace to try the kernel in: ${failures.join("; ")}`, {
    hint: "install util-linux, and run as root or allow user namespaces",
  });
}
