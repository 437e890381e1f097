import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { Script } from "node:vm";

/*
 * How a built process or thread loads its own code, which is most of what a short command does. Each file of dist/ is compiled from V8's
 * code cache of it, which the build writes (scripts/code-cache.mjs) for the node and the flags that it will be run with. Where there is
 * none for these, the file is compiled as any other. Built apart into dist/load-built.cjs.
 */

/** What a file's text is compiled as: a function of what CommonJS gives to a module. */
export function wrapped(text: string): string {
  return `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
}

/**
 * Where dist/'s code cache of a file is, for the process that asks. V8 refuses one of another version or other flags, and the file is
 * compiled then, too; of another text it refuses one of another length alone, so a build removes them all first.
 */
export function codeCachePath(dist: string, file: string): string {
  const flags = process.execArgv.join("").replaceAll(/[^\w=-]/g, "_");
  const which = `${process.version}-${process.arch}${flags}`.slice(0, 100);
  return join(dist, "code-cache", which, `${relative(dist, file)}.bin`);
}

type Module = { exports: unknown };
type Evaluate = (
  exports: unknown,
  require: (name: string) => unknown,
  module: Module,
  file: string,
  folder: string,
) => void;

/** Runs dist/'s file of that path, and what it requires of dist/. */
export function run(path: string): void {
  const loaded = new Map<string, Module>();
  const others = createRequire(path);
  const load = (file: string): Module => {
    const known = loaded.get(file);
    if (known !== undefined) return known;
    const module: Module = { exports: {} };
    loaded.set(file, module);
    const folder = dirname(file);
    const own = (name: string): unknown =>
      name.startsWith(".") && name.endsWith(".cjs") ? load(join(folder, name)).exports : others(name);
    const evaluate = compiled(file).runInThisContext() as Evaluate;
    evaluate(module.exports, Object.assign(own, { resolve: others.resolve }), module, file, folder);
    return module;
  };
  load(path);
}

function compiled(file: string): Script {
  const cachedData = readIfThere(codeCachePath(__dirname, file));
  return new Script(wrapped(readFileSync(file, "utf8")), { filename: file, ...(cachedData && { cachedData }) });
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
