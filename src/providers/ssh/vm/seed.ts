import { stringify } from "yaml";
import { isoImage } from "./iso9660.ts";

/** What a virtual machine is told when it first starts. */
export interface SeedConfig {
  /** Another one means another machine to cloud-init. */
  uuid: string;
  hostname: string;
  user: string;
  /** A line of authorized_keys(5). */
  authorizedKey: string;
  hostKey: { privateKey: string; publicKey: string };
  /** By which this host reaches it, and it the internet where it may. */
  management: { mac: string; internet: boolean };
  /** In the lab's networks, each with the address of its router. */
  interfaces: readonly { name: string; mac: string; addresses: readonly string[]; gateway: string; mtu: number }[];
}

/** The interface that we come by; the lab's are called as in its topology. */
const MANAGEMENT_INTERFACE = "mgmt0";

/**
 * A disk for cloud-init's NoCloud (docs.cloud-init.io, reference/datasources/nocloud): an ISO image labelled `cidata`. All values are
 * written by a YAML library: none can become a key.
 */
export function seedImage(config: SeedConfig): Buffer {
  return isoImage("cidata", seedFiles(config));
}

/** The seed's files by name. */
export function seedFiles(config: SeedConfig): Record<"meta-data" | "network-config" | "user-data", string> {
  const { uuid, hostname, user, authorizedKey, hostKey } = config;
  const userData = {
    hostname,
    preserve_hostname: false,
    manage_etc_hosts: "localhost",
    users: [
      {
        name: user,
        shell: "/bin/bash",
        lock_passwd: true,
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        ssh_authorized_keys: [authorizedKey],
      },
    ],
    disable_root: user !== "root",
    ssh_pwauth: false,
    // Its only host key is the one that we know.
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey },
    package_update: false,
    package_upgrade: false,
  };
  return {
    "meta-data": stringify({ "instance-id": uuid, "local-hostname": hostname }),
    "network-config": stringify(networkConfig(config)),
    "user-data": `#cloud-config\n${stringify(userData)}`,
  };
}

/** Of QEMU's user-mode network (qemu(1), -netdev user): the machine's address, its way out, and a name server. */
const USER_MODE = { address: "10.0.2.15/24", gateway: "10.0.2.2", nameserver: "10.0.2.3" };

/** All addresses in two halves, which go before a default route. */
const EVERYWHERE = ["0.0.0.0/1", "128.0.0.0/1"];

/**
 * Version 2 of cloud-init's networking configuration. CNIs and kubelets take the interface of the default route for the nodes' own: so
 * that is the lab's first, though nobody is at its gateway, and the way out is by routes that are more specific. Without a way out there
 * is no default route either: what asks for a name would wait for an answer from nowhere.
 */
function networkConfig({ management, interfaces }: SeedConfig): unknown {
  const own = (mac: string, name: string): object => ({
    match: { macaddress: mac },
    "set-name": name,
    dhcp4: false,
    dhcp6: false,
    "accept-ra": false,
  });
  const out = {
    nameservers: { addresses: [USER_MODE.nameserver] },
    routes: EVERYWHERE.map((to) => ({ to, via: USER_MODE.gateway })),
  };
  const labs = interfaces.map(({ name, mac, addresses, gateway, mtu }, index) => [
    name,
    {
      ...own(mac, name),
      addresses,
      mtu,
      ...(index === 0 && management.internet ? { routes: [{ to: "0.0.0.0/0", via: gateway }] } : {}),
    },
  ]);
  return {
    version: 2,
    ethernets: {
      [MANAGEMENT_INTERFACE]: {
        ...own(management.mac, MANAGEMENT_INTERFACE),
        addresses: [USER_MODE.address],
        ...(management.internet ? out : {}),
      },
      ...(Object.fromEntries(labs) as object),
    },
  };
}
