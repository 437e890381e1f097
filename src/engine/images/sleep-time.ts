const UNITS: Readonly<Record<string, number>> = { "": 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** How long the command `sleep` takes, milliseconds: the sum of its arguments (sleep(1)); undefined for other commands. */
export function sleepMs([path = "", ...args]: readonly string[]): number | undefined {
  if (path.slice(path.lastIndexOf("/") + 1) !== "sleep" || args.length === 0) return undefined;
  return args.reduce((sum, arg) => {
    if (/^inf(?:inity)?$/i.test(arg)) return Infinity;
    const [, number = "0", unit = ""] = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(arg) ?? [];
    return sum + Number(number) * (UNITS[unit] ?? 0);
  }, 0);
}
