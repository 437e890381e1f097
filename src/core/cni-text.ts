/** A CNI as the command line names it, then its options: `weave:sleeve encrypted=true`. */
export function cniText(name: string, mode: string, options?: Readonly<Record<string, unknown>>): string {
  return `${name}:${mode}${optionsText(options)}`;
}

/** A CNI's options behind its name, each with a space before it: ` encrypted=true`; nothing where there are none. */
export function optionsText(options: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(options)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("");
}
