import { createHash } from "node:crypto";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { cidrsOverlap, formatCidr, parseCidr, type Cidr } from "../../core/ip.ts";
import { dockerReason, isMissing } from "../../exec/docker.ts";
import { networkName, routerAddress } from "./layout.ts";
import { LABELS } from "./names.ts";

const ATTEMPTS = 5;
/** Docker's own pools hold some thirty networks. */
const PICKS = 40;

/** A cluster's networks, by their names, and whose they are: undefined where they have no labels of ours. */
export async function networksNamed(
  docker: Dockerode,
  name: string,
): Promise<{ id: string; owner: string | undefined }[]> {
  // The filter matches parts of names.
  const networks = await docker.listNetworks({ filters: { name: [name] } });
  return networks
    .filter((network) => network.Name === name || network.Name.startsWith(networkName(name, "")))
    .map((network) => ({ id: network.Id, owner: network.Labels?.[LABELS.owner] }));
}

export interface NetworkOptions {
  name: string;
  lab: string;
  owner: string;
  mtu: number;
  avoid: readonly string[];
  hasRouter: boolean;
  /** An IPv6 subnet beside the IPv4 one. */
  hasIpv6: boolean;
}

/**
 * Makes the lab's node network and returns its subnets, IPv4 first. Docker picks a subnet that is free, and again where that overlaps one
 * of `avoid` (CIDRs of pods and Services: a CNI would take the nodes' neighbours for pods); the network is then made anew with it as if we had named it, for Docker lets a container ask for its old address only in such a network, and
 * a node that is started anew must keep its address. An IPv6 subnet is drawn from the network's name, since engines before 27 have no pool
 * of them. With `hasRouter` containers have the lab's router for their gateway, not the
 * Docker host.
 */
export async function makeNetwork(
  docker: Dockerode,
  { name, lab, owner, mtu, avoid, hasRouter, hasIpv6 }: NetworkOptions,
): Promise<[ipv4: string, ...ipv6: string[]]> {
  const settings = {
    Name: name,
    CheckDuplicate: true,
    Driver: "bridge",
    Options: {
      "com.docker.network.driver.mtu": String(mtu),
      // A lab has no way out: what answers in it is its own. Where packets to nowhere leave masqueraded, a proxy that takes
      // every connection makes a Service without endpoints look alive.
      "com.docker.network.bridge.enable_ip_masquerade": "false",
      ...(hasRouter ? await optionsBesideRouter(docker) : {}),
    },
    Labels: { [LABELS.lab]: lab, [LABELS.owner]: owner, [LABELS.role]: "network" },
  };
  for (let attempt = 1; ; attempt += 1) {
    const picked = await pickSubnet(docker, settings, avoid);
    const config = hasRouter
      ? { ...picked, AuxiliaryAddresses: { DefaultGatewayIPv4: routerAddress(picked.Subnet) } }
      : picked;
    try {
      const ipv6 = hasIpv6 ? [uniqueLocalSubnet(name, attempt, avoid)] : [];
      await docker.createNetwork({
        ...settings,
        EnableIPv6: hasIpv6,
        IPAM: { Driver: "default", Config: [config, ...ipv6.map((Subnet) => ({ Subnet }))] },
      });
      return [config.Subnet, ...ipv6];
    } catch (error) {
      // Another network took the subnet in between.
      if (attempt === ATTEMPTS || !/overlap/i.test(dockerReason(error))) throw error;
    }
  }
}

/**
 * A /64 of fd00::/8 whose other bits come from a digest (RFC 4193, section 3.2.2), so that the networks of two labs are others; the
 * next one of the same name where that overlaps what is to be avoided.
 */
export function uniqueLocalSubnet(name: string, attempt: number, avoid: readonly string[]): string {
  for (let draw = 0; ; draw += 1) {
    const digest = createHash("sha256").update(`${name} ${attempt} ${draw}`).digest("hex");
    const groups = [`fd${digest.slice(0, 2)}`, digest.slice(2, 6), digest.slice(6, 10), digest.slice(10, 14)];
    const cidr = parseCidr(`${groups.join(":")}::/64`) as Cidr;
    const isTaken = avoid.some((other) => {
      const taken = parseCidr(other);
      return taken !== undefined && cidrsOverlap(taken, cidr);
    });
    if (!isTaken) return formatCidr(cidr);
  }
}

/** Engines since 28 drop what comes for a container from anywhere but its own bridge, and so from the router. */
async function optionsBesideRouter(docker: Dockerode): Promise<Record<string, string>> {
  const { Version } = await docker.version();
  return Number.parseInt(Version, 10) >= 28 ? { "com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected" } : {};
}

/** Ids of all networks of one owner, also of those that were only held. */
export async function networksOf(docker: Dockerode, owner: string): Promise<string[]> {
  const networks = await docker.listNetworks({ filters: { label: [`${LABELS.owner}=${owner}`] } });
  return networks.map(({ Id }) => Id);
}

/** A subnet that Docker would give now. Those that overlap are held until it gives another, and then given back. */
async function pickSubnet(
  docker: Dockerode,
  settings: Dockerode.NetworkCreateOptions,
  avoid: readonly string[],
): Promise<{ Subnet: string; Gateway?: string | undefined }> {
  const taken = avoid.flatMap((cidr) => parseCidr(cidr) ?? []);
  const held: Dockerode.Network[] = [];
  try {
    for (let pick = 0; pick < PICKS; pick += 1) {
      const network = await docker.createNetwork({ ...settings, Name: `${settings.Name}-${pick}` });
      held.push(network);
      const { IPAM } = (await network.inspect()) as Dockerode.NetworkInspectInfo;
      const config = IPAM?.Config?.find(({ Subnet }) => Subnet?.includes(".") === true);
      const subnet = parseCidr(config?.Subnet ?? "");
      if (config?.Subnet === undefined || subnet === undefined) {
        throw new LabError("DOCKER_FAILED", "Docker gave the lab's network no subnet");
      }
      if (taken.every((other) => !cidrsOverlap(subnet, other))) return { ...config, Subnet: config.Subnet };
    }
    throw new LabError("DOCKER_FAILED", `Docker has no free subnet outside ${avoid.join(", ")}`, {
      hint: "remove networks that nobody uses (docker network prune), or give the lab another cni.podCidr",
    });
  } finally {
    await Promise.all(held.map((network) => network.remove()));
  }
}

/** Removes a network; one that is gone is fine. */
export async function removeNetwork(docker: Dockerode, id: string): Promise<void> {
  try {
    await docker.getNetwork(id).remove();
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
