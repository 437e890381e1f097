import { execFileSync } from "node:child_process";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { inventoryText, passwordVariables } from "../../../../src/providers/ssh/ansible/inventory.ts";
import { sshArguments } from "../../../../src/providers/ssh/ansible/ssh-arguments.ts";
import type { ClusterSettings, InventoryMachine } from "../../../../src/providers/ssh/types.ts";

const settings: ClusterSettings = {
  kubernetesVersion: "1.34.4",
  podCidrs: ["10.244.0.0/16"],
  serviceCidrs: ["10.96.0.0/16"],
  dnsDomain: "cluster.local",
  kubeProxyMode: "nftables",
  kubeadmPatches: ["kind: KubeletConfiguration\nmaxPods: 20\n"],
  bundle: undefined,
};

function machine(node: string, change: Partial<InventoryMachine> = {}): InventoryMachine {
  return {
    node,
    role: "worker",
    labels: {},
    taints: [],
    nodeAddress: "192.0.2.1",
    target: { name: node, host: "192.0.2.1" },
    ...change,
  };
}

function readTagged(text: string): unknown {
  const tag = { tag: "!unsafe", resolve: (value: string) => ({ text: value }) };
  return parse(text, { customTags: [tag] });
}

/** As Ansible reads the file: a value is text where it is tagged, and a template elsewhere. */
function read(text: string): { vars: Record<string, unknown>; hosts: Record<string, Record<string, unknown>> } {
  const { all } = readTagged(text) as {
    all: {
      vars: Record<string, unknown>;
      children: Record<string, { hosts: Record<string, Record<string, unknown>> }>;
    };
  };
  return { vars: all.vars, hosts: Object.assign({}, ...Object.values(all.children).map(({ hosts }) => hosts)) };
}

test("machines are in the group of their role, with how they are reached", () => {
  const target = { name: "cp", host: "192.0.2.9", port: 2222, user: "pi", identityFile: "/keys/a b" };
  const text = inventoryText({
    lab: "shop",
    machines: [machine("cp", { role: "control-plane", target, nodeAddress: "10.0.0.9" }), machine("w1")],
    settings,
  });
  expect(read(text).hosts["cp"]).toMatchObject({
    ansible_host: { text: "192.0.2.9" },
    ansible_port: 2222,
    ansible_user: { text: "pi" },
    ansible_ssh_private_key_file: { text: "/keys/a b" },
    cnilab_node_address: { text: "10.0.0.9" },
  });
  expect(parse(text.replaceAll("!unsafe ", ""))).toMatchObject({
    all: { children: { control_plane: { hosts: { cp: {} } }, worker: { hosts: { w1: {} } } } },
  });
});

test("no text of a lab is left for Jinja to read", () => {
  const evil = "{{ lookup('pipe', 'touch /tmp/pwned') }}";
  const text = inventoryText({
    lab: "shop",
    machines: [
      machine("w1", {
        labels: { "a/b": evil },
        taints: [{ key: evil, value: evil, effect: "NoSchedule" }],
        target: { name: "w1", host: "192.0.2.1", user: evil, identityFile: evil, configFile: evil },
      }),
    ],
    settings: { ...settings, dnsDomain: evil, bundle: evil, kubeadmPatches: [`kind: X\nname: "${evil}"\n`] },
  });
  const strings: string[] = [];
  JSON.stringify(read(text), (_key, value: unknown) => {
    if (typeof value === "string") strings.push(value);
    return typeof value === "object" && value !== null && "text" in value ? {} : value;
  });
  expect(strings).toEqual([]);
  expect(text).toContain("touch /tmp/pwned");
});

test("a sudo password is a variable that comes from elsewhere, and stays text there", () => {
  const text = inventoryText({ lab: "shop", machines: [machine("w1"), machine("w2")], settings, withPassword: ["w2"] });
  const { hosts } = read(text);
  expect(hosts["w1"]).not.toHaveProperty("ansible_become_password");
  expect(hosts["w2"]?.["ansible_become_password"]).toBe("{{ cnilab_sudo_passwords[inventory_hostname] }}");
  const evil = "{{ lookup('pipe', 'id') }}: \"'\n#";
  const variables = readTagged(passwordVariables({ w2: evil, "123": "null" }));
  expect(variables).toEqual({ cnilab_sudo_passwords: { w2: { text: evil }, "123": { text: "null" } } });
});

test("labels that a kubelet may not set are left to the API", () => {
  const labels = {
    disk: "ssd",
    "node-role.kubernetes.io/edge": "",
    "topology.k8s.io/zone": "a",
    "example.com/kubernetes.io": "x",
  };
  const { hosts } = read(inventoryText({ lab: "shop", machines: [machine("w1", { labels })], settings }));
  expect(Object.keys(hosts["w1"]?.["cnilab_node_labels"] as object)).toEqual(["disk", "example.com/kubernetes.io"]);
});

describe("what cannot be said is refused", () => {
  test.each(["web[1:3]", "-oProxyCommand=x", "A", ""])("node %j", (node) => {
    expect(() => inventoryText({ lab: "shop", machines: [machine(node)], settings })).toThrow(
      expect.objectContaining({ code: "ANSIBLE_BAD_VALUE" }) as Error,
    );
  });

  test.each(["-oProxyCommand=touch x", "a b", "$(id)", "a\nb"])("host %j", (host) => {
    const bad = machine("w1", { target: { name: "w1", host } });
    expect(() => inventoryText({ lab: "shop", machines: [bad], settings })).toThrow(
      expect.objectContaining({ code: "ANSIBLE_BAD_VALUE" }) as Error,
    );
  });

  test.each(["$(id)", "a b", "-x;y"])("jump host %j", (hop) => {
    expect(() => sshArguments({ name: "w1", host: "h", jump: [hop] })).toThrow(
      expect.objectContaining({ code: "ANSIBLE_BAD_VALUE" }) as Error,
    );
  });

  test.each(['a"b', "a\nb", "${HOME}/x"])("known_hosts file %j", (knownHostsFile) => {
    expect(() => sshArguments({ name: "w1", host: "h", knownHostsFile })).toThrow(
      expect.objectContaining({ code: "ANSIBLE_BAD_VALUE" }) as Error,
    );
  });
});

/** ssh's own reading of the options, split by a shell as Ansible splits them. */
function asSshReads(args: string): Record<string, string> {
  const shown = execFileSync("sh", ["-c", `ssh -G ${args} target`], { encoding: "utf8" });
  return Object.fromEntries(shown.split("\n").map((line) => [line.split(" ")[0] ?? "", line.replace(/^\S+ /, "")]));
}

test("ssh reads paths with quotes, spaces and percent signs as they are", () => {
  const knownHostsFile = "/tmp/it's 100% $(id)/known hosts";
  const read = asSshReads(sshArguments({ name: "w1", host: "h", configFile: "/dev/null", knownHostsFile }));
  expect(read["userknownhostsfile"]).toBe(knownHostsFile);
  expect(read).toMatchObject({ stricthostkeychecking: "true", batchmode: "yes" });
});

test("each hop of a chain looks into the same known_hosts, and leads through the one before it", () => {
  const target = {
    name: "w1",
    host: "h",
    configFile: "/dev/null",
    knownHostsFile: "/k 50%/known",
    jump: ["a@one:2201", "two"],
  };
  const outer = asSshReads(sshArguments(target))["proxycommand"] ?? "";
  expect(outer).toMatch(/ssh:\/\/two$/);
  // What ssh makes of the tokens before a shell reads it; then the inner ssh's own reading.
  const words = execFileSync("sh", ["-c", `printf '%s\\0' ${expand(outer.replace(/^exec /, ""))}`], {
    encoding: "utf8",
  });
  const inner = words.split("\0").slice(1, -1);
  const proxy = inner.find((word) => word.startsWith("ProxyCommand="));
  expect(proxy).toMatch(/ssh:\/\/a@one:2201$/);
  const shown = execFileSync("ssh", ["-G", ...inner.slice(0, -1), "two"], { encoding: "utf8" });
  expect(shown).toContain("userknownhostsfile /k 50%/known\n");
  expect(shown).toContain("stricthostkeychecking true\n");
});

function expand(command: string): string {
  return command.replaceAll("%%", "\0").replaceAll("%h", "h").replaceAll("%p", "22").replaceAll("\0", "%");
}
