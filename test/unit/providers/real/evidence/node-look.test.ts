import { describe, expect, test } from "vitest";
import {
  iptablesLines,
  nftLines,
  nodeTexts,
  readKernel,
  readRules,
  type RunOnNode,
} from "../../../../../src/providers/real/evidence/node-look.ts";

async function texts(node: string, addresses: string[], run: RunOnNode): Promise<{ title: string; text: string }[]> {
  return nodeTexts(node, await readKernel(addresses, run), await readRules(run), []);
}

const saved = `# Generated
*filter
:INPUT ACCEPT [0:0]
[5:300] -A INPUT -s 10.0.0.12/32 -j ACCEPT
[7:420] -A cali-tw-cali1 -m comment --comment "cali:x" -m comment --comment "Drop if no policies passed packet" -j DROP
[0:0] -A cali-tw-cali2 -m comment --comment "Drop if no policies passed packet" -j DROP
[9:540] -A cali-tw-cali2 -m comment --comment "reject nothing" -j ACCEPT
COMMIT
*nat
[0:0] -A PREROUTING -d 10.0.0.1/32 -j DNAT
COMMIT`;

describe("iptablesLines", () => {
  test("keeps rules that dropped something and rules that name the address, under their table", () => {
    expect(iptablesLines(saved, [/(?<![\w.])10\.0\.0\.1(?![\w.])/])).toEqual([
      "*filter",
      '[7:420] -A cali-tw-cali1 -m comment --comment "cali:x" -m comment --comment "Drop if no policies passed packet" -j DROP',
      "*nat",
      "[0:0] -A PREROUTING -d 10.0.0.1/32 -j DNAT",
    ]);
  });
});

const ruleset = `table ip filter {
	chain INPUT {
		counter packets 3 bytes 9 drop
	}
}
table inet lab {
	chain forward {
		type filter hook forward priority 0; policy accept;
		ip saddr 10.0.0.1 counter packets 0 bytes 0 accept
		counter packets 0 bytes 0 drop
	}
	chain output {
		counter packets 2 bytes 6 reject
		meta mark 1 drop
	}
}`;

test("nftLines leaves out what iptables-nft manages, and rules that dropped nothing", () => {
  const warnings = "# Warning: table ip filter is managed by iptables-nft, do not touch!";
  expect(nftLines(ruleset, warnings, [/10\.0\.0\.1/]).map((line) => line.trim())).toEqual([
    "table inet lab {",
    "chain forward {",
    "ip saddr 10.0.0.1 counter packets 0 bytes 0 accept",
    "chain output {",
    "counter packets 2 bytes 6 reject",
    "meta mark 1 drop",
  ]);
});

describe("nodeTexts", () => {
  test("asks for each family that there is, and says what is not to be had", async () => {
    const asked: string[] = [];
    const found = await texts("one", ["fd00::1"], (argv) => {
      asked.push(argv.join(" "));
      if (argv[0] === "nft") return Promise.resolve({ ok: false, stdout: "", stderr: "", reason: "no such program" });
      const stdout = argv[0] === "conntrack" ? "tcp src=fd00::1 dst=fd00::2\ntcp src=fd00::11 dst=fd00::3" : "";
      return Promise.resolve({ ok: true, stdout, stderr: "" });
    });
    expect(asked.toSorted()).toEqual([
      "conntrack -L -f ipv6",
      "ip route get fd00::1",
      "ip6tables-save -c",
      "iptables-save -c",
      "nft list ruleset",
    ]);
    expect(found.find(({ title }) => title.includes("nftables"))?.text).toBe("not to be had: no such program");
    expect(found.some(({ title }) => title.startsWith("iptables"))).toBe(false);
    expect(found.find(({ title }) => title.includes("conntrack"))?.text).toBe("tcp src=fd00::1 dst=fd00::2");
  });

  test("looks for rules by the interface of a pod that is here, never by the node's own", async () => {
    const found = await texts("one", ["10.0.0.1", "10.0.0.2"], (argv) => {
      const device = argv[3] === "10.0.0.1" ? "cali1" : "eth0";
      const rules = "*filter\n[0:0] -A x -o cali1 -j y\n[0:0] -A x -o eth0 -j z\n";
      const stdout = argv[0] === "ip" ? `${argv[3]} dev ${device}` : argv[0] === "iptables-save" ? rules : "";
      return Promise.resolve({ ok: true, stdout, stderr: "" });
    });
    expect(found.find(({ title }) => title.startsWith("iptables"))?.text).toBe("*filter\n[0:0] -A x -o cali1 -j y");
  });
});
