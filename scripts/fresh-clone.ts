import { $, chalk, fs, path, tmpdir } from "zx";

/*
 * `tsx scripts/fresh-clone.ts [--user NAME]`: clones the last commit into an empty folder and does there what a new user
 * does, with the times: npm start, npm start again, npm test. With --user (as root) all of it as that account.
 */
const user = process.argv.includes("--user") ? process.argv[process.argv.indexOf("--user") + 1] : undefined;
const repository = path.resolve(import.meta.dirname, "..");
const folder = tmpdir(`cnilab-fresh-clone-${process.pid}`);
const as =
  user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups", "env", `HOME=${folder}`];
const clone = path.join(folder, "cnilab");
// What npx tells its children of our own npm configuration must not reach a new user's.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_")));

async function timed(title: string, command: string[]): Promise<void> {
  const startedAt = performance.now();
  const result = await $({
    cwd: clone,
    env,
    nothrow: true,
    quiet: true,
    stdio: ["ignore", "pipe", "pipe"],
  })`${[...as, ...command]}`;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${title}: exit ${result.exitCode}, ${seconds} s`);
  const lines = `${result.stdout}${result.stderr}`.trimEnd().split("\n");
  console.log(chalk.gray(lines.slice(-8).join("\n")));
  if (result.exitCode !== 0) process.exitCode = 1;
}

try {
  await $`git clone --quiet ${repository} ${clone}`;
  if (user !== undefined) await $`chown -R ${user} ${folder}`;
  await timed("npm start, from nothing", ["npm", "start"]);
  await timed("npm start, again", ["npm", "start"]);
  await timed("npm test", ["npm", "test"]);
} finally {
  await fs.remove(folder);
}
