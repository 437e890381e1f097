const OPENS = /^(table|chain|set|map|flowtable|ct \S+|counter|quota|limit|synproxy|secmark) .*\{$/;

/**
 * Rules of `nft list ruleset` (nft(8)), each with its table and chain; elements of sets that packets or time change are left out.
 * `others` are tables, as "ip filter", that another tool prints better.
 */
export function nftLines(output: string, others: ReadonlySet<string>): string[] {
  const found: string[] = [];
  const blocks: string[] = [];
  let changesByItself = false;
  let pending = "";
  for (const raw of output.split("\n")) {
    const line = `${pending}${raw.trim()}`;
    pending = "";
    if (line === "" || line.startsWith("#")) continue;
    const isOther = blocks[0] !== undefined && others.has(blocks[0].slice("table ".length));
    if (line === "}") {
      blocks.pop();
    } else if (OPENS.test(line)) {
      blocks.push(line.slice(0, -1).trim());
      changesByItself = false;
      const [table = ""] = blocks;
      if (!others.has(table.slice("table ".length))) found.push(blocks.join(" "));
    } else if (isUnbalanced(line)) {
      // Elements of a set go on over several lines.
      pending = `${line} `;
    } else {
      if (/^timeout |^flags .*(dynamic|timeout)/.test(line)) changesByItself = true;
      if (!isOther && !(changesByItself && line.startsWith("elements"))) found.push(`${blocks.join(" ")}: ${line}`);
    }
  }
  return found;
}

function isUnbalanced(line: string): boolean {
  return line.split("{").length > line.split("}").length;
}

/** Rules and chains of iptables-save(8) by their tables. Built-in chains that accept are what an empty table has. */
export function iptablesLines(output: string): { lines: string[]; tables: string[] } {
  const tables: string[] = [];
  const lines = output.split("\n").flatMap((raw) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#") || line === "COMMIT") return [];
    if (line.startsWith("*")) {
      tables.push(line.slice(1));
      return [];
    }
    const rule = line.replace(/ \[\d+:\d+\]$/, "").replace(/^\[\d+:\d+\] /, "");
    return /^:\S+ ACCEPT$/.test(rule) ? [] : [`${tables.at(-1)} ${rule}`];
  });
  return { lines, tables };
}

/** Sets and their entries of `ipset save` (ipset(8)), without what the kernel draws by itself. */
export function ipsetLines(output: string): string[] {
  const withTimeout = new Set<string>();
  return output.split("\n").flatMap((raw) => {
    const line = raw.trim();
    const [verb, name = ""] = line.split(" ");
    if (verb === "create") {
      if (/ timeout \d+/.test(line)) withTimeout.add(name);
      return [line.replace(/ (initval|bucketsize|hashsize) \S+/g, "")];
    }
    return verb === "add" && !withTimeout.has(name) ? [line] : [];
  });
}
