import { basename, isAbsolute, normalize } from "node:path";
import type { LeaseOwner, LeaseState } from "./lease.ts";
import { readSshState } from "./state.ts";

/**
 * Why nobody is behind a lease any more; undefined where that cannot be shown, as for every lab of another host. Labs live in the
 * state folder of their controller: one of this very user and host that has no such folder any more can be given back by nobody.
 */
export function deathOf(state: LeaseState, us: Pick<LeaseOwner, "owner" | "controller">): string | undefined {
  if (state.kind === "free") return undefined;
  if (state.kind === "unreadable") return state.mayLive ? undefined : "what is there is no lease";
  const { lab, owner, controller, stateDirectory, token } = state.lease;
  if (owner !== us.owner || controller === "" || controller !== us.controller) return undefined;
  // What a machine says is not to make us read other files.
  const isFolder = isAbsolute(stateDirectory) && normalize(stateDirectory) === stateDirectory;
  if (!isFolder || basename(stateDirectory) !== lab) return undefined;
  try {
    const isThere = readSshState(stateDirectory)?.owner.token === token;
    return isThere ? undefined : `${stateDirectory} has no such lab any more`;
  } catch {
    // There is something that we cannot read: the lab may live.
    return undefined;
  }
}
