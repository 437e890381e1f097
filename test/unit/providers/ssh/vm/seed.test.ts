import { expect, test } from "vitest";
import { parse } from "yaml";
import { isoImage } from "../../../../../src/providers/ssh/vm/iso9660.ts";
import { seedFiles, seedImage, type SeedConfig } from "../../../../../src/providers/ssh/vm/seed.ts";

const config: SeedConfig = {
  uuid: "8c59b25a-1c3c-46f1-b9c8-d8b8e4a66b96",
  hostname: "worker1",
  user: "lab",
  authorizedKey: "ssh-ed25519 AAAA",
  hostKey: { privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nxyz\n", publicKey: "ssh-ed25519 BBBB" },
  management: { mac: "52:54:8c:59:b2:00", internet: false },
  interfaces: [
    { name: "eth0", mac: "52:54:8c:59:b2:01", addresses: ["10.89.0.2/24"], gateway: "10.89.0.1", mtu: 1400 },
  ],
};

function read(of: SeedConfig): Record<string, Record<string, unknown>> {
  const files = seedFiles(of);
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, parse(text) as Record<string, unknown>]),
  );
}

function fixed(mac: string, name: string): object {
  return { match: { macaddress: mac }, "set-name": name, dhcp4: false, dhcp6: false, "accept-ra": false };
}

test("the way out goes before the default route, which is the lab's for CNIs to find", () => {
  const { ethernets } =
    read({ ...config, management: { ...config.management, internet: true } })["network-config"] ?? {};
  expect(ethernets).toMatchObject({
    mgmt0: {
      nameservers: { addresses: ["10.0.2.3"] },
      routes: [
        { to: "0.0.0.0/1", via: "10.0.2.2" },
        { to: "128.0.0.0/1", via: "10.0.2.2" },
      ],
    },
    eth0: { routes: [{ to: "0.0.0.0/0", via: "10.89.0.1" }] },
  });
});

test("the seed names machine and user, has the one host key that we know, and gives the lab's addresses", () => {
  expect(seedFiles(config)["user-data"]).toMatch(/^#cloud-config\n/);
  expect(read(config)).toEqual({
    "meta-data": { "instance-id": config.uuid, "local-hostname": "worker1" },
    "network-config": {
      version: 2,
      ethernets: {
        mgmt0: { ...fixed("52:54:8c:59:b2:00", "mgmt0"), addresses: ["10.0.2.15/24"] },
        eth0: {
          ...fixed("52:54:8c:59:b2:01", "eth0"),
          addresses: ["10.89.0.2/24"],
          mtu: 1400,
        },
      },
    },
    "user-data": {
      hostname: "worker1",
      preserve_hostname: false,
      manage_etc_hosts: "localhost",
      users: [
        {
          name: "lab",
          shell: "/bin/bash",
          lock_passwd: true,
          sudo: "ALL=(ALL) NOPASSWD:ALL",
          ssh_authorized_keys: ["ssh-ed25519 AAAA"],
        },
      ],
      disable_root: true,
      ssh_pwauth: false,
      ssh_deletekeys: true,
      ssh_keys: { ed25519_private: config.hostKey.privateKey, ed25519_public: "ssh-ed25519 BBBB" },
      package_update: false,
      package_upgrade: false,
    },
  });
});

test.each([
  "x\nruncmd: [reboot]",
  'x"\nruncmd:\n  - reboot\n#',
  "x: {y: z}",
  "*alias",
  "!!python/object/apply:os.system [reboot]",
  "yes",
  "1e3",
  "# comment",
  "'",
  "- x\r\n- y\u0085\u2028z",
  "\u0000",
  "{{ x }}",
])("%j stays one value wherever it stands", (hostile) => {
  const files = read({ ...config, hostname: hostile, user: hostile, authorizedKey: hostile });
  expect(Object.keys(files["user-data"] ?? {})).toEqual(Object.keys(read(config)["user-data"] ?? {}));
  expect(files["user-data"]).toMatchObject({
    hostname: hostile,
    users: [{ name: hostile, ssh_authorized_keys: [hostile] }],
  });
  expect(files["meta-data"]).toEqual({ "instance-id": config.uuid, "local-hostname": hostile });
});

test("root may log in where it is the user that was asked for", () => {
  expect(read({ ...config, user: "root" })["user-data"]).toMatchObject({ disable_root: false });
});

test("the image is labelled for cloud-init, and the same for the same machine", () => {
  const image = seedImage(config);
  expect(image).toEqual(seedImage(config));
  const label = image.toString("latin1", 16 * 2048 + 40, 16 * 2048 + 72).trim();
  expect(label).toBe("cidata");
  expect(image.toString("latin1", 16 * 2048 + 1, 16 * 2048 + 6)).toBe("CD001");
});

test("more files than fit are refused, and what is in files comes back whole", () => {
  const long = "ü".repeat(5000);
  const image = isoImage("label", { long, short: "" });
  expect(image.length % 2048).toBe(0);
  expect(image.includes(Buffer.from(long))).toBe(true);
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`file-${index}`, "x"]));
  expect(() => isoImage("label", many)).toThrow(RangeError);
});
