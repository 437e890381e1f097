import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

/*
 * The parts of ansible/ that only compute, run by this host's Python as a machine's own runs them.
 */

const root = join(import.meta.dirname, "../../../..");

/** Runs code in which `given` is the value, and gives what it leaves in `result`. */
function python(folder: string, code: string, given: unknown): unknown {
  const script = `import json, sys\nsys.path.insert(0, sys.argv[1])\ngiven = json.load(sys.stdin)\n${code}\nprint(json.dumps(result))`;
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
  const printed = execFileSync("python3", ["-c", script, join(root, "ansible", folder)], {
    input: JSON.stringify(given),
    encoding: "utf8",
    env,
  });
  return JSON.parse(printed) as unknown;
}

const VERSION_2 = `disabled_plugins = []
imports = ["/etc/containerd/config.toml"]
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "somebody/pause:1"
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.other.options]
      SystemdCgroup = false
`;

const VERSION_3 = `version = 3
disabled_plugins = []

[plugins]
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = 'registry.k8s.io/pause:3.10'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dir = ''
    bin_dirs = ['/opt/cni/bin', '/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'
`;

interface Rewritten {
  text: string;
  changes: string[];
  driver: string;
}

function rewritten(dump: string, choices: Record<string, unknown>): Rewritten {
  const code = `import cnilab_containerd_config as c\ntext, changes = c.rewrite(given["dump"], given["choices"])\nresult = {"text": text, "changes": changes, "driver": c.cgroup_driver(text)}`;
  const all = { choose_driver: false, is_systemd: true, sandbox_image: "", ...choices };
  return python("module_utils", code, { dump, choices: all }) as Rewritten;
}

test("of containerd's settings those change that a kubelet or a CNI cannot work with, and then nothing more", () => {
  const once = rewritten(VERSION_2, {});
  expect(once.changes).toEqual(['bin_dir = "/opt/cni/bin"']);
  expect(once.text).toContain('sandbox_image = "somebody/pause:1"');
  expect(rewritten(once.text, {}).changes).toEqual([]);
});

test("a cgroup driver that nobody has chosen is systemd's, for the runtime of pods alone", () => {
  const { text, changes, driver } = rewritten(VERSION_2, { choose_driver: true });
  expect([driver, rewritten(VERSION_2, {}).driver]).toEqual(["systemd", "cgroupfs"]);
  expect(changes).toContain("SystemdCgroup = true");
  expect(text.match(/SystemdCgroup = true/g)).toHaveLength(1);
});

test("containerd 2 names its settings otherwise", () => {
  const { changes } = rewritten(VERSION_3, { choose_driver: true, sandbox_image: "registry.k8s.io/pause:3.10.1" });
  expect(changes).toEqual([
    'sandbox = "registry.k8s.io/pause:3.10.1"',
    "SystemdCgroup = true",
    "bin_dirs = ['/opt/cni/bin']",
  ]);
});

test.each([
  ['disabled_plugins = ["cri"]', "disabled_plugins = []"],
  ['disabled_plugins = [\n  "io.containerd.grpc.v1.cri", "x.y.zfs"\n]', 'disabled_plugins = ["x.y.zfs"]'],
])("CRI is switched on in %j", (text, expected) => {
  expect(python("module_utils", "import cnilab_containerd_config as c\nresult = c.with_cri(given)", text)).toBe(
    expected,
  );
});

test("a folder is put back with contents, links and times, and what came goes", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cnilab-tree-"));
  try {
    const folder = join(scratch, "folder");
    mkdirSync(join(folder, "sub"), { recursive: true });
    writeFileSync(join(folder, "kept"), "as it was", { mode: 0o640 });
    writeFileSync(join(folder, "sub", "lost"), "lost");
    symlinkSync("kept", join(folder, "link"));
    const keep = "import cnilab_tree as t\nresult = t.keep(given, given + '.copies')";
    const former = python("module_utils", keep, folder);

    writeFileSync(join(folder, "kept"), "changed!!");
    rmSync(join(folder, "sub"), { recursive: true });
    mkdirSync(join(folder, "came", "deep"), { recursive: true });
    rmSync(join(folder, "link"));
    writeFileSync(join(folder, "link"), "a file now");

    const back =
      "import cnilab_tree as t\nresult = t.put_back(given['folder'], given['former'], given['folder'] + '.copies')";
    expect(python("module_utils", back, { folder, former })).not.toEqual([]);
    expect(readFileSync(join(folder, "kept"), "utf8")).toBe("as it was");
    expect(python("module_utils", "import cnilab_tree as t\nresult = t.manifest(given)", folder)).toEqual(former);
    expect(python("module_utils", back, { folder, former })).toEqual([]);
    expect(python("module_utils", back, { folder, former: null })).not.toEqual([]);
    expect(python("module_utils", "import cnilab_tree as t\nresult = t.manifest(given)", folder)).toBeNull();
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test("a lab's patches are merged into kubeadm's documents by their kind", () => {
  const documents = [
    {
      kind: "InitConfiguration",
      nodeRegistration: { name: "cp", kubeletExtraArgs: [{ name: "node-ip", value: "1.2.3.4" }] },
    },
    { kind: "KubeletConfiguration", failSwapOn: false, cgroupDriver: "systemd" },
  ];
  const patches = [
    { kind: "KubeletConfiguration", apiVersion: "x", maxPods: 20, cgroupDriver: null },
    { kind: "InitConfiguration", nodeRegistration: { kubeletExtraArgs: { v: 4 } } },
    { kind: "KubeProxyConfiguration", mode: "iptables" },
  ];
  const code = "import cnilab_kubeadm as k\nresult = k.cnilab_patched(given['documents'], given['patches'])";
  expect(python("filter_plugins", code, { documents, patches })).toEqual([
    {
      kind: "InitConfiguration",
      nodeRegistration: {
        name: "cp",
        kubeletExtraArgs: [
          { name: "node-ip", value: "1.2.3.4" },
          { name: "v", value: "4" },
        ],
      },
    },
    { kind: "KubeletConfiguration", failSwapOn: false, maxPods: 20 },
  ]);
});

test("a route has its type as a word, which `ip route del` takes, though `ip -N` shows a number", () => {
  const shown = [
    { type: "6", dst: "192.168.235.128/26", dev: "lo", protocol: "80" },
    { dst: "192.168.9.0/24", dev: "vxlan.calico", protocol: "80" },
    { type: "local", dst: "10.0.0.1", dev: "eth0", protocol: "2" },
  ];
  const code = `import cnilab_machine as m
m.run = lambda argv: json.dumps(given) if argv[1] == "-4" else "[]"
routes = m.routes()
result = [routes[0]["type"], routes[1]["type"], len(routes)]`;
  expect(python("module_utils", code, shown)).toEqual(["blackhole", "unicast", 2]);
});
