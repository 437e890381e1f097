import { closeSync, openSync } from "node:fs";
import { LabError } from "../../../core/errors.ts";
import { NetworkNamespace } from "../../../kernel/namespace.ts";
import type { Place } from "../types.ts";
import { agentLost, placeMissing, placeName, podMissing } from "./place-name.ts";
import { anchorOf, scanPods, statOf } from "./pod-processes.ts";
import type { PodAnchor } from "./pod-processes.ts";

/** A place opened: its network namespace, which stays the same one even when the place ends. */
export interface OpenPlace {
  place: Place;
  namespace: NetworkNamespace;
  /** The process that holds the namespace, and the one whose root folder has the place's /etc. */
  pids: { network: number; files: number };
  /** Throws SOURCE_MISSING or AGENT_LOST unless the place is still the one that was opened. */
  verify(): void;
  close(): void;
}

export interface HostPlacesOptions {
  nodes: ReadonlyMap<string, number>;
  externalPid?: number | undefined;
}

const isRunning = ({ pid, startTime }: { pid: number; startTime: number }): boolean =>
  statOf(pid)?.startTime === startTime;

/** Finds network namespaces by processes of this host; what it finds is kept until a process is gone or a uid is unknown. */
export class HostPlaces {
  private readonly options: HostPlacesOptions;
  private anchors = new Map<string, PodAnchor>();
  /** When each given process was seen first: a later process under its number is not it. */
  private readonly startTimes = new Map<number, number>();

  constructor(options: HostPlacesOptions) {
    this.options = options;
  }

  /** Opens places together, so that all unknown ones cost one walk over /proc. What cannot be opened is an error in its place. */
  openAll(places: readonly Place[]): (OpenPlace | LabError)[] {
    let isFresh = false;
    return places.map((place) => {
      try {
        if (place.kind === "pod" && !isFresh && this.known(place) === undefined) {
          this.scan();
          isFresh = true;
        }
        return this.open(place);
      } catch (error) {
        if (error instanceof LabError) return error;
        throw error;
      }
    });
  }

  /** Whether a pod runs that was found before. */
  has(pod: Place & { kind: "pod" }): boolean {
    return this.known(pod) !== undefined;
  }

  private scan(): void {
    this.anchors = new Map(
      [...scanPods(this.options.nodes)].flatMap(([key, processes]) => {
        const anchor = anchorOf(processes);
        return anchor === undefined ? [] : [[key, anchor] as const];
      }),
    );
  }

  private known(place: Place & { kind: "pod" }): PodAnchor | undefined {
    const anchor = this.anchors.get(`${place.node}/${place.uid}`);
    return anchor !== undefined && isRunning(anchor.network) && isRunning(anchor.container) ? anchor : undefined;
  }

  private open(place: Place): OpenPlace {
    if (place.kind !== "pod") {
      const pid = place.kind === "node" ? this.options.nodes.get(place.node) : this.options.externalPid;
      if (pid === undefined) throw placeMissing(place);
      const verify = (): void => this.verifyProcess(place, pid);
      return this.opened(place, { network: pid, files: pid }, verify);
    }
    this.verifyNode(place.node, place);
    const anchor = this.known(place);
    if (anchor === undefined) throw podMissing(place);
    return this.opened(place, { network: anchor.network.pid, files: anchor.container.pid }, () => {
      if (isRunning(anchor.network) && isRunning(anchor.container)) return;
      this.verifyNode(place.node, place);
      // A container that was restarted meanwhile left the pod's network as it was.
      this.scan();
      const now = this.known(place);
      const isSame = now?.network.pid === anchor.network.pid && now.network.startTime === anchor.network.startTime;
      if (!isSame) throw podMissing(place, ": it ended meanwhile");
    });
  }

  private verifyNode(node: string, place: Place): void {
    const pid = this.options.nodes.get(node);
    if (pid === undefined) throw placeMissing(place.kind === "pod" ? { kind: "node", node } : place);
    this.verifyProcess({ kind: "node", node }, pid);
  }

  private verifyProcess(place: Place, pid: number): void {
    const now = statOf(pid)?.startTime;
    const before = this.startTimes.get(pid);
    if (now !== undefined && before === undefined) this.startTimes.set(pid, now);
    if (now !== undefined && (before === undefined || before === now)) return;
    throw agentLost(placeName(place), `its first process (${pid}) has ended`);
  }

  private opened(place: Place, pids: OpenPlace["pids"], verify: () => void): OpenPlace {
    let fd: number;
    try {
      fd = openSync(`/proc/${pids.network}/ns/net`, "r");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ESRCH") throw error;
      verify();
      throw agentLost(placeName(place), `process ${pids.network} ended`, error);
    }
    try {
      // The number may have gone to another process before it was opened.
      verify();
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    const namespace = NetworkNamespace.adopt(placeName(place), fd);
    return { place, namespace, pids, verify, close: () => namespace.close() };
  }
}
