import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  cells: number;
  allowed: number;
  blocked: number;
  overIpv6: number;
  decidedByAdmin: number;
  toNodes: number;
  runs: number;
  seed: number;
  failure?: string;
}

// CNILAB_SEED repeats a run, CNILAB_RUNS makes it longer.
const seed = process.env["CNILAB_SEED"] ?? String(Math.trunc(Math.random() * 2 ** 31));
const runs = Number(process.env["CNILAB_RUNS"] ?? 12);

test.each([
  { cni: "calico", mode: "vxlan", subnets: 1, families: "ipv4" },
  { cni: "calico", mode: "vxlan", subnets: 2, families: "dual" },
  { cni: "calico", mode: "cross-subnet", subnets: 2, families: "dual" },
  { cni: "calico", mode: "direct", subnets: 1, families: "dual" },
  { cni: "weave", mode: "fastdp", subnets: 2, families: "ipv4" },
  { cni: "flannel", mode: "vxlan", subnets: 2, families: "dual" },
  { cni: "flannel", mode: "host-gw", subnets: 1, families: "ipv4" },
])(
  "what the kernel lets through is what the oracle says, in random worlds ($cni $mode, $subnets subnets, $families)",
  { timeout: 120_000 },
  async ({ cni, mode, subnets, families }) => {
    const args = [cni, mode, String(subnets), String(runs), seed, families];
    const seen = (await inNamespace("engine-equals-oracle.ts", ...args)) as Seen;
    console.log(
      `${cni} ${mode} ${families}: ${seen.cells} cells of ${seen.runs} worlds, ${seen.overIpv6} of them over IPv6, ` +
        `${seen.blocked} blocked, ${seen.decidedByAdmin} decided by cluster-wide policies; seed ${seen.seed}`,
    );
    expect(seen.overIpv6).toBe(families === "dual" ? seen.cells / 2 : 0);
    expect(seen.failure ?? "").toBe("");
    expect(seen.runs).toBe(runs);
    // How many are blocked is the seed's; one world has both for certain.
    expect(seen.allowed).toBeGreaterThan(0);
    if (cni !== "flannel") expect(seen.blocked).toBeGreaterThan(0);
    expect(seen.toNodes).toBeGreaterThan(0);
    if (cni === "calico") expect(seen.decidedByAdmin).toBeGreaterThan(0);
    else expect(seen.decidedByAdmin).toBe(0);
  },
);
