/** A rule of a node with the packets that it counted. */
export interface CountedRule {
  /** `filter cali-tw-cali1` or `inet kube-proxy filter-forward`. */
  chain: string;
  /** Without its counter. */
  text: string;
  packets: number;
  /** Comments of iptables and nft rules, in their order. */
  comments: string[];
  /** Chains of the same table that it leads to. */
  jumps: string[];
  /** Whether it drops or rejects. */
  blocks: boolean;
}

const QUOTED = /"((?:[^"\\]|\\.)*)"/g;

/** The rules of `iptables-save -c`. */
export function iptablesRules(saved: string): CountedRule[] {
  let table = "";
  return saved.split("\n").flatMap((line): CountedRule[] => {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const [, packets, chain = "", rest = ""] = /^\[(\d+):\d+\] -A (\S+) ?(.*)$/.exec(line) ?? [];
    if (packets === undefined) return [];
    const bare = rest.replaceAll(/--comment ("(?:[^"\\]|\\.)*"|\S+)/g, "");
    return [
      {
        chain: `${table} ${chain}`,
        text: rest,
        packets: Number(packets),
        comments: [...rest.matchAll(/--comment (?:"((?:[^"\\]|\\.)*)"|(\S+))/g)].map(
          ([, quoted, plain]) => quoted ?? plain ?? "",
        ),
        jumps: [...bare.matchAll(/ ?-[jg] (\S+)/g)].map(([, target]) => `${table} ${target}`),
        blocks: /(^| )-j (DROP|REJECT)\b/.test(bare),
      },
    ];
  });
}

/** The rules of `nft list ruleset` that count; tables that iptables-nft manages (named in `warnings`) are left to iptables. */
export function nftRules(ruleset: string, warnings: string): CountedRule[] {
  const foreign = foreignTables(warnings);
  let table = "";
  let chain = "";
  return ruleset.split("\n").flatMap((raw): CountedRule[] => {
    const line = raw.trim();
    if (raw.startsWith("table ")) table = line.replace(/^table /, "").replace(/ \{$/, "");
    if (raw.startsWith("\tchain ")) chain = line.replace(/^chain /, "").replace(/ \{$/, "");
    const packets = /\bcounter packets (\d+) bytes \d+/.exec(line)?.[1];
    if (packets === undefined || foreign.has(`table ${table}`)) return [];
    const text = line.replace(/\bcounter packets \d+ bytes \d+ ?/, "");
    const bare = text.replaceAll(QUOTED, "");
    return [
      {
        chain: `${table} ${chain}`,
        text,
        packets: Number(packets),
        comments: [...text.matchAll(/comment "((?:[^"\\]|\\.)*)"/g)].map(([, comment = ""]) => comment),
        jumps: [...bare.matchAll(/\b(?:jump|goto) (\S+)/g)].map(([, target]) => `${table} ${target}`),
        blocks: /\b(drop|reject)\b/.test(bare),
      },
    ];
  });
}

/** Tables, as `table ip filter`, of which nft says that iptables-nft manages them. */
export function foreignTables(warnings: string): Set<string> {
  return new Set(
    [...warnings.matchAll(/^# Warning: (table \S+ \S+) is managed by iptables-nft/gm)].map(([, table = ""]) => table),
  );
}

/** A rule with what it counted meanwhile. */
export interface MovedRule extends CountedRule {
  moved: number;
}

/** The rules that counted packets between two looks; a rule that was made anew meanwhile counted all of its own. */
export function movedRules(before: readonly CountedRule[], now: readonly CountedRule[]): MovedRule[] {
  const counts = new Map<string, number[]>();
  for (const rule of before) counts.set(keyOf(rule), [...(counts.get(keyOf(rule)) ?? []), rule.packets]);
  return now.flatMap((rule) => {
    // Equal rules of a chain follow each other in both looks.
    const earlier = counts.get(keyOf(rule))?.shift() ?? 0;
    const moved = rule.packets >= earlier ? rule.packets - earlier : rule.packets;
    return moved > 0 ? [{ ...rule, moved }] : [];
  });
}

/** The addresses that rules gave to packets as their destination: iptables' `--to-destination`, nft's `dnat to`. */
export function destinationsGiven(moved: readonly MovedRule[]): string[] {
  return moved.flatMap(({ text }) => {
    const [, bracketed, plain] = /(?:--to-destination|\bdnat (?:ip6? )?to) (?:\[([^\]]+)\]|([\d.]+))/.exec(text) ?? [];
    return bracketed ?? plain ?? [];
  });
}

function keyOf({ chain, text }: CountedRule): string {
  return `${chain} ${text}`;
}

/**
 * Policies that a packet met on its way from these chains, by what rules' comments say ("Policy shop/knp.default.deny
 * ingress", as Calico writes them): those of every chain that rules which counted lead to. With `onlyCounted`, those
 * alone whose own rules counted, which are the ones that said yes.
 */
export function policiesMet(
  from: readonly string[],
  moved: readonly MovedRule[],
  all: readonly CountedRule[],
  { onlyCounted }: { onlyCounted: boolean },
): string[] {
  const reached = new Set(from);
  for (const chain of reached) {
    for (const rule of moved) if (rule.chain === chain) for (const target of rule.jumps) reached.add(target);
  }
  // A rule without a target only holds the comment of a policy that has no rules.
  const candidates = onlyCounted ? moved.filter(({ jumps }) => jumps.length > 0) : all;
  const rules = candidates.filter(({ chain }) => reached.has(chain));
  return [...new Set(rules.flatMap(({ comments }) => comments.flatMap((comment) => policyName(comment) ?? [])))];
}

/** Calico puts the kind (knp: of the Kubernetes API) and the tier before a policy's name. */
function policyName(comment: string): string | undefined {
  const [, namespace, name, direction] =
    /^Policy (?:([^\s/]+)\/)?(?:knp\.default\.)?(\S+) (ingress|egress)$/.exec(comment) ?? [];
  if (name === undefined) return undefined;
  return `${namespace === undefined ? "" : `${namespace}/`}${name} (${direction})`;
}
