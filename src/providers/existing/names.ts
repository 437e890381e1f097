/** Labels of every namespace of ours in a cluster that is not. */
export const LABELS = {
  lab: "cnilab.dev/lab",
  /** Drawn anew for each making of a lab. */
  owner: "cnilab.dev/owner",
} as const;

/** Where the pods are whose flows show that a change is in force. */
export function systemNamespace(lab: string): string {
  return `cnilab-system-${lab}`;
}

/** Where the agents are. */
export function agentsNamespace(lab: string): string {
  return `cnilab-agents-${lab}`;
}

/** Whose a namespace is. */
export interface Owner {
  lab: string;
  owner: string;
}

export function labelsOf({ lab, owner }: Owner): Record<string, string> {
  return { [LABELS.lab]: lab, [LABELS.owner]: owner };
}

/** As `kubectl -l` takes it. */
export function selectorOf(owner: Owner): string {
  return Object.entries(labelsOf(owner))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
