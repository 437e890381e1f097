import { declaredPorts } from "./pods.ts";
import type { PodSpec, Protocol } from "./types.ts";

/** A port of a node that a pod asks for. */
export interface HostPort {
  hostPort: number;
  containerPort: number;
  protocol: Protocol;
  /** "0.0.0.0": every address of the node. */
  hostIP: string;
  /** Whose addresses alone are meant; absent where the pod names no hostIP: both. */
  family?: 4 | 6;
}

const ANY = "0.0.0.0";

/** The node ports a pod asks for; on the node's own network those that its containers declare. */
export function hostPorts(spec: PodSpec): HostPort[] {
  return declaredPorts(spec).flatMap(({ containerPort, protocol, hostPort, ...rest }) => {
    const port = hostPort ?? (spec.hostNetwork === true ? containerPort : 0);
    const { hostIP } = rest as { hostIP?: string };
    if (port === 0) return [];
    const asked = { hostPort: port, containerPort, protocol };
    if (hostIP === undefined || hostIP === "") return [{ ...asked, hostIP: ANY }];
    const family = hostIP.includes(":") ? (6 as const) : (4 as const);
    return [{ ...asked, hostIP: hostIP === "::" ? ANY : hostIP, family }];
  });
}

/** Whether two pods cannot be on one node: one protocol and port, at an address in common (kube-scheduler's HostPortInfo). */
export function clash(one: readonly HostPort[], other: readonly HostPort[]): boolean {
  return one.some((left) =>
    other.some(
      (right) =>
        left.hostPort === right.hostPort &&
        left.protocol === right.protocol &&
        (left.hostIP === right.hostIP || left.hostIP === ANY || right.hostIP === ANY),
    ),
  );
}
