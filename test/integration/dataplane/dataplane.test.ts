import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const UNSHARE = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
const canUnshare = spawnSync("unshare", [...UNSHARE, "nft", "list", "ruleset"]).status === 0;
if (!canUnshare) console.warn("skipped: needs unprivileged user namespaces and the nft command");

function run<T>(name: string): T {
  const program = fileURLToPath(new URL("program.ts", import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    [...UNSHARE, process.execPath, "--import", "tsx", program, name],
    {
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  if (status !== 0) throw new Error(`case "${name}" failed: ${stderr}`);
  return JSON.parse(stdout) as T;
}

function fullMesh(outcome: (from: string, to: string) => string): Record<string, string> {
  const pods = ["on-n1", "on-n2", "on-n3", "second"];
  return Object.fromEntries(pods.flatMap((from) => pods.map((to) => [`${from} → ${to}`, outcome(from, to)])));
}

const REST = {
  "node n1 → on-n2": "open",
  "on-n1 → outside": "answer",
  "full MTU to on-n2": "answer",
  "a byte more": "no answer",
};

describe.skipIf(!canUnshare)(
  "data planes in real namespaces, two nodes in one subnet and one in another",
  { timeout: 60_000 },
  () => {
    it.each([
      "mesh flannel vxlan",
      "mesh calico vxlan",
      "mesh calico cross-subnet",
      "mesh weave sleeve",
      "mesh weave fastdp",
    ])("%s connects every pair of pods", (name) => {
      expect(run(name)).toEqual({ ...fullMesh(() => "open"), ...REST });
    });

    it.each(["mesh flannel host-gw", "mesh calico direct"])("%s connects pods inside a node subnet only", (name) => {
      const isSplit = (from: string, to: string): boolean => (from === "on-n3") !== (to === "on-n3");
      expect(run(name)).toEqual({
        ...fullMesh((from, to) => (isSplit(from, to) ? "silence" : "open")),
        ...REST,
      });
    });
  },
);

interface SegmentCase {
  addresses: Record<string, string>;
  hops: Record<string, string>;
  arp: Record<string, string>;
  sources: Record<string, string>;
}

describe.skipIf(!canUnshare)("weave in the kernel", { timeout: 60_000 }, () => {
  it("is one segment over all nodes: no hop, ARP answered across, and the addresses that Weave would show", () => {
    const { addresses, hops, arp, sources } = run<SegmentCase>("weave segment");
    expect(addresses).toEqual({ near: "10.32.0.2", second: "10.32.0.3", far: "10.44.0.1" });
    // A packet that may pass no router arrives.
    expect(hops).toEqual({ "near → second": "answer", "near → far": "answer", "near → outside": "no answer" });
    expect(arp["far, as near knows it"]).toBe(arp["far's own"]);
    expect(sources).toEqual({
      "a pod of another node": "10.32.0.2",
      // The bridge's address there, a neighbour of all pods.
      "another node": "10.40.0.0",
      "its own node": "10.44.0.0",
      "the outside at its node, Local": "172.30.2.1",
      // Masqueraded on the way into the pod network, or the answer would take another way.
      "the outside at another node": "10.40.0.0",
      "a pod, seen outside": "172.30.1.10",
    });
  });

  it("enforces policy on the bridge, between nodes and between pods of one", () => {
    expect(run("weave policies")).toEqual({
      open: {
        "web → db": "open",
        "web → far": "open",
        "far → db": "open",
        "own node → db": "open",
        "web ping its node": "answer",
      },
      denied: {
        "web → db": "silence",
        "web → far": "silence",
        "far → db": "silence",
        "own node → db": "open",
        // What is for the node itself passes.
        "web ping its node": "answer",
      },
      allowed: {
        "web → db": "open",
        "web → far": "silence",
        "far → db": "silence",
        "own node → db": "open",
        "web ping its node": "answer",
      },
      drops: ["egress of far by n3", "egress of web by n1", "egress of web by n1"],
    });
  });
});

interface PolicyCase {
  open: Record<string, string>;
  denied: Record<string, string>;
  allowed: Record<string, string>;
  evidence: Record<string, string[]>;
  addresses: Record<string, string>;
}

describe.skipIf(!canUnshare)("the policy ruleset in the kernel", { timeout: 60_000 }, () => {
  it("drops what no policy allows, records each drop, and lets the allowed through", () => {
    const { open, denied, allowed, evidence, addresses } = run<PolicyCase>("policies");
    const { web, db, far, n1 } = addresses;
    const works = (name: string): string => (name.includes("ping") ? "answer" : "open");
    const fails = (name: string): string => (name.includes("ping") ? "no answer" : "silence");
    const expected = (isAllowed: (name: string) => boolean): Record<string, string> =>
      Object.fromEntries(Object.keys(open).map((name) => [name, isAllowed(name) ? works(name) : fails(name)]));

    expect(open).toEqual(expected(() => true));
    expect(denied).toEqual(expected((name) => name === "node ping web"));
    const permitted = ["node ping web", "web → db:5432", "web → db:53/udp", "web → far:80", "web → far:8085"];
    expect(allowed).toEqual(expected((name) => permitted.includes(name)));
    expect(evidence["egress"]?.toSorted()).toEqual(
      [
        `${web} ${db} 17 * 53`,
        `${web} ${db} 6 * 5432`,
        `${web} ${db} 6 * 80`,
        `${web} ${far} 6 * 80`,
        `${web} ${far} 6 * 8085`,
      ].toSorted(),
    );
    expect(evidence["egressIcmp"]?.toSorted()).toEqual([`${web} ${db}`, `${web} ${far}`, `${web} ${n1}`].toSorted());
    // "other node → web": what the node sends through the tunnel bears the tunnel's address.
    expect(evidence["ingress"]).toEqual([
      expect.stringMatching(new RegExp(`^192\\.168\\.\\d+\\.\\d+ ${web} 6 \\* 80$`)),
    ]);
  });
});

describe.skipIf(!canUnshare)("the Service ruleset in the kernel", { timeout: 60_000 }, () => {
  it.each(["services calico", "services flannel", "services weave"])(
    "%s reach their endpoints, and reject or drop the rest",
    (name) => {
      expect(run(name)).toEqual({
        answered: 64,
        endpointRules: 3,
        "from a node": "open",
        "to itself": "open",
        "no endpoints": "ECONNREFUSED",
        "wrong port": "ECONNREFUSED",
        "nobody's address": "silence",
        ping: "no answer",
        rejects: 2,
        drops: 1,
      });
    },
  );

  it("opens node ports to the outside by externalTrafficPolicy, and remembers clients", () => {
    expect(run("node ports")).toEqual({
      "outside at any node": ["open", "open", "open"],
      "outside at nodes, Local": ["open", "silence"],
      "a pod at another node, Local": "open",
      "a node at itself, Local": "open",
      "outside, no endpoints": "ECONNREFUSED",
      "outside, nobody's port": "ECONNREFUSED",
      affinity: 20,
      "endpoints that remember the client": 1,
    });
  });
});

describe.skipIf(!canUnshare)("rules of SCTP in the kernel", { timeout: 60_000 }, () => {
  it("translate and judge the first packet of an association by its protocol and port", () => {
    const all = { "the Service": 3869, "the pod": 3869, "another port of the pod": 4000, "the pod, TCP": "open" };
    const noTcp = { ...all, "the pod, TCP": "silence" };
    expect(run("sctp")).toEqual({
      open: { ...all, "the host port": 3869, "the node port, from outside": 3869, "the Service, TCP": "ECONNREFUSED" },
      "3869/SCTP": { ...noTcp, "another port of the pod": "silence" },
      "a range": noTcp,
      "3869/TCP": {
        "the Service": "silence",
        "the pod": "silence",
        "another port of the pod": "silence",
        "the pod, TCP": "open",
      },
      // Under the last policies alone: each ruleset replaces the sets, too.
      drops: 3,
    });
  });
});
