import { makeVisibleLine } from "../../../core/visible-text.ts";
import type { Footprint, FootprintSection } from "./facts.ts";
import { VOLATILE } from "./volatile.ts";

export interface FootprintDifference {
  /** What is not as it was, a line each: "package kubelet:amd64 is new (1.34.4 ii)". */
  lines: string[];
  /** What cannot be undone without a restart, or could not be compared. */
  notes: string[];
}

const NOTHING: FootprintSection = { entries: {} };

/** Pure: what differs between two footprints of one machine, but for what changes by itself. */
export function difference(before: Footprint, after: Footprint): FootprintDifference {
  const names = new Set([...Object.keys(before.sections), ...Object.keys(after.sections)]);
  const lines: string[] = [];
  const notes: string[] = [];
  const ofBoth = (section: string, entry: string): boolean =>
    [before, after].every(({ sections }) => entry in (sections[section] ?? NOTHING).entries);
  for (const name of names) {
    const [was = NOTHING, is = NOTHING] = [before.sections[name], after.sections[name]];
    const problem = was.problem ?? is.problem;
    if (problem !== undefined) notes.push(line(`${name}: not everything could be compared: ${problem}`));
    const change = changes(name, was.entries, is.entries);
    if (name === "module") {
      notes.push(...told(name, change).map((each) => `${each}; a kernel keeps modules until it is restarted`));
    } else if (name === "sysctl") {
      // Those of a link come and go with it; others with their module.
      lines.push(...told(name, { ...change, added: [], gone: [] }));
      const come = change.added.filter(([key]) => linkOf(key) === undefined || ofBoth("interface", linkOf(key) ?? ""));
      if (come.length > 0) notes.push(line(`${come.length} sysctls are new with a module: ${come[0]?.[0]}, …`));
    } else if (name === "qdisc") {
      const stays = ([key]: Entry): boolean => ofBoth("interface", key.split(" ")[0] ?? "");
      lines.push(...told(name, { ...change, added: change.added.filter(stays), gone: change.gone.filter(stays) }));
    } else if (name === "unit" && before.boot !== after.boot) {
      const [atStart, ours] = partition(
        change.added,
        ([unit, state]) => state === "failed" && ofBoth("unit file", unit),
      );
      notes.push(...atStart.map(([unit]) => line(`unit ${unit} failed when the machine was started anew`)));
      lines.push(...told(name, { ...change, added: ours }));
    } else lines.push(...told(name, name === "file" ? withoutInsides(change) : change));
  }
  return { lines, notes };
}

type Entry = [key: string, value: string];
interface Changes {
  added: Entry[];
  gone: Entry[];
  changed: [key: string, was: string, is: string][];
}

function changes(section: string, was: Record<string, string>, is: Record<string, string>): Changes {
  const patterns = VOLATILE.filter((each) => each.section === section);
  const counts = (key: string): boolean => !patterns.some(({ name }) => name.test(key));
  const [earlier, later] = [new Map(Object.entries(was)), new Map(Object.entries(is))];
  return {
    added: [...later].filter(([key]) => !earlier.has(key) && counts(key)),
    gone: [...earlier].filter(([key]) => !later.has(key) && counts(key)),
    changed: [...earlier].flatMap(([key, value]): Changes["changed"] => {
      const now = later.get(key);
      return now === undefined || now === value || !counts(key) ? [] : [[key, value, now]];
    }),
  };
}

function partition(entries: readonly Entry[], test: (entry: Entry) => boolean): [yes: Entry[], no: Entry[]] {
  return [entries.filter((each) => test(each)), entries.filter((each) => !test(each))];
}

function told(section: string, { added, gone, changed }: Changes): string[] {
  const how = (value: string): string => (value === "" ? "" : ` (${value})`);
  return [
    ...added.map(([key, value]) => line(`${section} ${key} is new${how(value)}`)),
    ...gone.map(([key, value]) => line(`${section} ${key} is gone${how(value)}`)),
    ...changed.map(([key, was, is]) => line(`${section} ${key}: ${was || "once"} before, ${is || "once"} now`)),
  ];
}

function line(text: string): string {
  const shown = makeVisibleLine(text);
  return shown.length > 400 ? `${shown.slice(0, 400)}…` : shown;
}

/** What is in a folder that is new, or gone, is told with the folder. */
function withoutInsides({ added, gone, changed }: Changes): Changes {
  return { added: outermost(added), gone: outermost(gone), changed };
}

function outermost(entries: readonly Entry[]): Entry[] {
  const paths = new Set(entries.map(([path]) => path));
  const insides = new Map<string, number>();
  const tops = entries.filter(([path]) => {
    let top: string | undefined;
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      if (paths.has(path.slice(0, at))) top = path.slice(0, at);
    }
    if (top !== undefined) insides.set(top, (insides.get(top) ?? 0) + 1);
    return top === undefined;
  });
  return tops.map(([path, what]) => {
    const inside = insides.get(path) ?? 0;
    return [path, inside === 0 ? what : `${what}, with ${inside} in it`];
  });
}

/** The interface whose sysctl it is: net/ipv4/conf/eth0/rp_filter. */
function linkOf(key: string): string | undefined {
  const [, name] = /^net\/(?:ipv4|ipv6|mpls)\/(?:conf|neigh)\/([^/]+)\//.exec(key) ?? [];
  return name === "all" || name === "default" ? undefined : name;
}
