import * as z from "zod";
import { makeVisibleLine } from "../../core/visible-text.ts";
import type { Remote } from "../../exec/ssh/types.ts";
import { playbook, type PlaybookRun } from "./ansible/playbook.ts";

/** A machine whose lease is ours. */
export interface HeldMachine {
  name: string;
  remote: Pick<Remote, "must" | "readFile">;
}

export interface TakeAwayOptions extends Omit<PlaybookRun, "playbook"> {
  /** Told what goes of a machine, one line each, before it does. */
  tell: (machine: string, goes: string[]) => Promise<void>;
}

/** A lab's own name: what is none is no journal of ours. */
const LAB_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const taken = z.array(z.string());

/**
 * Takes away from machines what labs that are dead and clusters of others have left on them, having told it: first what journals of
 * labs know, then all of kubeadm, kubelet and CNIs that is still there. A machine without either is left alone. Safe to do again;
 * rejects as {@link playbook}.
 */
export async function takeAway(machines: readonly HeldMachine[], options: TakeAwayOptions): Promise<void> {
  const { tell, ...run } = options;
  const of = (names: ReadonlySet<string>): PlaybookRun["machines"] =>
    options.machines.filter(({ node }) => names.has(node));

  const journals = await journalsOn(machines);
  for (const [lab, names] of journals) {
    for (const name of names) {
      await tell(name, [`all that lab ${lab} has changed there, by its journal in /var/lib/cnilab/${lab}`]);
    }
    await playbook({ ...run, playbook: "reset", lab, machines: of(names) });
  }
  await playbook({ ...run, playbook: "force" });
  const having = new Set<string>();
  for (const { name, remote } of machines) {
    const list = await remote.readFile(`/var/lib/cnilab/${options.lab}/journal/taken.json`, { sudo: true });
    if (list === undefined) continue;
    having.add(name);
    await tell(name, taken.parse(JSON.parse(list.toString("utf8"))).map(makeVisibleLine));
  }
  if (having.size > 0) await playbook({ ...run, playbook: "reset", machines: of(having) });
}

/** By lab, the machines that have a journal of it. */
async function journalsOn(machines: readonly HeldMachine[]): Promise<Map<string, Set<string>>> {
  const script = 'for each in /var/lib/cnilab/*/journal; do [ ! -d "$each" ] || printf "%s\\n" "$each"; done';
  const labs = new Map<string, Set<string>>();
  for (const { name, remote } of machines) {
    const found = (await remote.must(script, [], { sudo: true }))
      .split("\n")
      .map((path) => path.split("/").at(-2) ?? "");
    for (const lab of found.filter((each) => LAB_NAME.test(each))) {
      labs.set(lab, (labs.get(lab) ?? new Set()).add(name));
    }
  }
  return labs;
}
