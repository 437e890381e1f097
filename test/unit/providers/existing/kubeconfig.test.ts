import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stringify } from "yaml";
import { chooseCluster, mergeKubeconfigs, openChosen } from "../../../../src/providers/existing/kubeconfig.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-kubeconfig-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: object): string {
  const file = join(folder, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, stringify(content));
  return file;
}

const context = (name: string, user = "me"): object => ({ name, context: { cluster: "far", user } });
const cluster = { name: "far", cluster: { server: "https://far.example" } };

test("the command line's file goes before KUBECONFIG, and that before the one in the home folder", () => {
  const given = write("given", { "current-context": "a" });
  const listed = write("listed", { "current-context": "b" });
  const home = write(".kube/config", { "current-context": "c" });
  const env = { HOME: folder, KUBECONFIG: `:${listed}:${join(folder, "gone")}` };
  expect(chooseCluster({ kubeconfig: given }, env)).toEqual({ kubeconfigs: [given], context: "a" });
  expect(chooseCluster(undefined, env)).toEqual({ kubeconfigs: [listed], context: "b" });
  expect(chooseCluster({ context: "z" }, { HOME: folder })).toEqual({ kubeconfigs: [home], context: "z" });
});

test("no file, and no context, are errors that say what there is", () => {
  expect(() => chooseCluster({ kubeconfig: join(folder, "none") }, {})).toThrow(
    `there is no kubeconfig at ${folder}/none`,
  );
  const file = write("config", { contexts: [context("one"), context("two")] });
  expect(() => chooseCluster({ kubeconfig: file }, {})).toThrow(
    expect.objectContaining({ code: "KUBECONFIG_NO_CONTEXT", hint: "--context NAME; its contexts: one, two" }),
  );
});

test("of what several files name the first counts, and relative paths start at their own file", () => {
  const first = write("first/config", {
    contexts: [context("one", "first")],
    users: [{ name: "me", user: { tokenFile: "token" } }],
  });
  const second = write("second/config", {
    "current-context": "two",
    contexts: [context("one", "second"), context("two")],
    clusters: [{ name: "far", cluster: { server: "https://far.example", "certificate-authority": "ca.pem" } }],
    users: [
      { name: "me", user: { token: "other" } },
      { name: "plugged", user: { exec: { command: "bin/login", args: ["x"] } } },
      { name: "found", user: { exec: { command: "aws" }, "client-key": "/abs/key" } },
    ],
  });
  expect(mergeKubeconfigs([first, second])).toEqual({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "two",
    contexts: [context("one", "first"), context("two")],
    clusters: [
      {
        name: "far",
        cluster: { server: "https://far.example", "certificate-authority": join(folder, "second/ca.pem") },
      },
    ],
    users: [
      { name: "me", user: { tokenFile: join(folder, "first/token") } },
      { name: "plugged", user: { exec: { command: join(folder, "second/bin/login"), args: ["x"] } } },
      { name: "found", user: { exec: { command: "aws" }, "client-key": "/abs/key" } },
    ],
  });
});

test.each([
  [{ as: "admin", "as-groups": ["x"] }, "as: (impersonation), as-groups: (impersonation)"],
  [{ "auth-provider": { name: "openstack" } }, 'auth-provider "openstack"'],
])("a user with %j is refused by name", async (user, what) => {
  const file = write("config", { contexts: [context("one")], clusters: [cluster], users: [{ name: "me", user }] });
  await expect(openChosen({ kubeconfigs: [file], context: "one" })).rejects.toMatchObject({
    code: "KUBECONFIG_UNSUPPORTED",
    message: `user "me" of the kubeconfig has what is not supported: ${what}`,
  });
});

test("a kubeconfig that is gone, or none, is an error that names it", async () => {
  const gone = join(folder, "gone");
  await expect(openChosen({ kubeconfigs: [gone], context: "one" })).rejects.toMatchObject({
    code: "KUBECONFIG_MISSING",
    message: `the kubeconfig ${gone}, by which the lab's cluster is reached, is gone`,
  });
  const list = join(folder, "list");
  writeFileSync(list, "- a\n");
  expect(() => mergeKubeconfigs([list])).toThrow(`the kubeconfig ${list} is none: it is not a map`);
});
