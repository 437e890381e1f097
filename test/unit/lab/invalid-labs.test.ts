import { mkdtemp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabProblems } from "../../../src/core/errors.ts";
import { formatProblems } from "../../../src/core/format-error.ts";
import { loadLab } from "../../../src/lab/load.ts";
import { registries } from "../../../src/run/registries.ts";

/** Relative, as people name labs: the messages show the path they typed. */
const ROOT = path.relative(process.cwd(), path.resolve(import.meta.dirname, "../../fixtures/invalid"));

async function problemsOf(target: string): Promise<LabProblems> {
  try {
    await loadLab(target, registries);
  } catch (error) {
    if (error instanceof LabProblems) return error;
    throw error;
  }
  throw new Error(`${target} was accepted`);
}

describe("an invalid lab is told everything that is wrong with it", () => {
  const names = readdirSync(ROOT);

  test("there are at least 45 of them, each expecting something", () => {
    expect(names.length).toBeGreaterThanOrEqual(45);
    for (const name of names) expect(readFileSync(path.join(ROOT, name, "expected.txt"), "utf8"), name).not.toBe("");
  });

  test.each(names)("%s", async (name) => {
    const folder = path.join(ROOT, name);
    const text = formatProblems((await problemsOf(folder)).problems).replaceAll(`${folder}/`, "");
    expect(`${text}\n`).toBe(readFileSync(path.join(folder, "expected.txt"), "utf8"));
  });

  test("every code that a message shows has its entry in docs/errors.md", () => {
    const documented = readFileSync(path.resolve(import.meta.dirname, "../../../docs/errors.md"), "utf8");
    const shown = names.flatMap((name) => [
      ...readFileSync(path.join(ROOT, name, "expected.txt"), "utf8").matchAll(
        /\b((?:YAML|LAB|MANIFEST)_[A-Z0-9_]+)\b/g,
      ),
    ]);
    const missing = new Set(
      shown.map(([, code]) => code as string).filter((code) => !documented.includes(`### ${code}\n`)),
    );
    expect([...missing]).toEqual([]);
  });
});

describe("files that are not what they seem", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "cnilab-invalid-"));
    await mkdir(path.join(folder, "lab"));
    await writeFile(
      path.join(folder, "lab/lab.yaml"),
      "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: x, title: X }\ncni: calico\nscenario: [{ apply: m.yaml }]\n",
    );
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const first = async (): Promise<string> =>
    (await problemsOf(path.join(folder, "lab"))).problems
      .map(({ code, span }) => `${code} ${span?.line ?? "-"}`)
      .join(", ");

  test("a manifest that links out of the lab's folder is refused", async () => {
    await writeFile(path.join(folder, "secret.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: secret }\n");
    await symlink("../secret.yaml", path.join(folder, "lab/m.yaml"));
    expect(await first()).toBe("LAB_PATH_OUTSIDE 5");
  });

  test("a folder of the lab that links out of it is refused", async () => {
    await symlink("..", path.join(folder, "lab/up"));
    await writeFile(path.join(folder, "m.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: secret }\n");
    await writeFile(
      path.join(folder, "lab/lab.yaml"),
      readFileSync(path.join(folder, "lab/lab.yaml"), "utf8").replace("m.yaml", "up/m.yaml"),
    );
    expect(await first()).toBe("LAB_PATH_OUTSIDE 5");
  });

  test("a manifest that links inside the lab's folder is read", async () => {
    await writeFile(path.join(folder, "lab/real.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: fine }\n");
    await symlink("real.yaml", path.join(folder, "lab/m.yaml"));
    const { lab } = await loadLab(path.join(folder, "lab"), registries);
    expect(lab.scenario[0]?.objects[0]?.object.metadata.name).toBe("fine");
  });

  test("a manifest that is a link to itself is refused", async () => {
    await symlink("m.yaml", path.join(folder, "lab/m.yaml"));
    expect(await first()).toBe("LAB_FILE_NOT_FOUND 5");
  });

  test("a device does not block", async () => {
    await symlink("/dev/zero", path.join(folder, "lab/m.yaml"));
    expect(await first()).toBe("LAB_PATH_OUTSIDE 5");
  });

  test("a manifest of 10 MB is refused without being read", async () => {
    await writeFile(path.join(folder, "lab/m.yaml"), "# ".padEnd(10_000_000, "x"));
    expect(await first()).toBe("YAML_TOO_LARGE 5");
  });

  test("a lab of 10 MB is refused", async () => {
    await writeFile(path.join(folder, "lab/lab.yaml"), "a: b\n".repeat(2_000_000));
    expect(await first()).toBe("YAML_TOO_LARGE -");
  });

  test("a lab that does not exist, and a folder without one", async () => {
    expect((await problemsOf(path.join(folder, "none"))).problems[0]?.code).toBe("LAB_FILE_NOT_FOUND");
    expect((await problemsOf(folder)).problems[0]?.code).toBe("LAB_FILE_NOT_FOUND");
  });

  test("a megabyte of wrong fields, in the lab and in a manifest, is told quickly", async () => {
    const fields = Array.from({ length: 60_000 }, (_, index) => `wrong${index}: 1`).join("\n");
    await writeFile(
      path.join(folder, "lab/m.yaml"),
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n${fields}\n`,
    );
    // Time of this process's own, which other work on the machine does not lengthen.
    const started = process.cpuUsage();
    expect((await problemsOf(path.join(folder, "lab"))).problems.length).toBe(50);
    await writeFile(path.join(folder, "lab/lab.yaml"), fields);
    expect((await problemsOf(path.join(folder, "lab"))).problems.length).toBeGreaterThanOrEqual(50);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(8000);
  }, 60_000);

  test("a manifest with a thousand problems reports the first hundred and the number of the rest", async () => {
    const service = "apiVersion: v1\nkind: Service\nmetadata: { name: UP }\nspec: { ports: [{ port: 1 }] }\n";
    await writeFile(path.join(folder, "lab/m.yaml"), Array.from({ length: 1000 }, () => service).join("---\n"));
    const { problems } = await problemsOf(path.join(folder, "lab"));
    expect(problems.length).toBe(101);
    expect(problems.at(-1)).toMatchObject({ code: "LAB_MORE_PROBLEMS", message: "and 900 problems more" });
  });
});
