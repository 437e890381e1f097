import type { Source, SweepCell } from "../providers/types.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { observeSweepCell } from "./sweep-observation.ts";
import { sweep } from "./sweep.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

const LOOPBACK = "the destination probes itself: a control, not graded";

/** A destination's connection to itself: never leaves its namespace, so no policy of the CNI sees it. */
export interface SelfControl {
  source: Source & { kind: "pod" };
  address: string;
  port: number;
  protocol: "tcp" | "udp";
  /** Key fields of the cells it vouches for. */
  destination: string;
  keyPort: number;
}

/** The self-controls of a target, one for each pod behind it; none for nodes, hosts and addresses of others. */
export function selfControls(target: ResolvedTarget, port: number, protocol: "tcp" | "udp"): SelfControl[] {
  return target.backends.flatMap((backend) =>
    backend.pod === undefined
      ? []
      : [
          {
            source: { kind: "pod" as const, ...backend.pod },
            address: backend.address,
            port: backend.port ?? port,
            protocol,
            destination: target.identity,
            keyPort: port,
          },
        ],
  );
}

/** As sweep cells, their ids counted from `firstId`. */
export function controlSweepCells(controls: readonly SelfControl[], firstId: number): SweepCell[] {
  return controls.map(({ source, address, port, protocol }, index) => ({
    id: firstId + index,
    from: source,
    address,
    port,
    protocol,
  }));
}

/** The cell that a self-control becomes; the same pod at both ends marks it as loopback for src/grade. */
export function controlCell(control: SelfControl, observation: ProbedCell["observation"]): ProbedCell {
  const name = `${control.source.namespace}/${control.source.name}`;
  return {
    key: { from: name, to: name, port: control.keyPort, protocol: control.protocol },
    destination: control.destination,
    ungraded: LOOPBACK,
    flow: {
      from: control.source,
      to: [control.source],
      address: control.address,
      port: control.port,
      protocol: control.protocol,
    },
    ...(observation === undefined ? {} : { observation }),
  };
}

/** Probes a target from itself; for kinds whose own tool got no answer. */
export async function probeControls(
  target: ResolvedTarget,
  port: number,
  protocol: "tcp" | "udp",
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const controls = selfControls(target, port, protocol);
  if (controls.length === 0) return [];
  const byId = await sweep(controlSweepCells(controls, 0), context);
  return controls.map((control, index) => {
    const result = byId.get(index);
    return controlCell(control, result === undefined ? undefined : observeSweepCell(result, protocol));
  });
}
