import {readdirSync, writeFileSync} from "node:fs"; import {loadLab} from "./lab/load.ts"; import {registries as r} from "./zr.mts"; import {LabProblems} from "./core/errors.ts"; import {formatProblems} from "./core/format-error.ts";
const root="test/fixtures/invalid"; const show=process.argv.slice(2);
for (const d of readdirSync(root)) { let out=""; try { await loadLab(`${root}/${d}`, r); out="VALID!\n"; } catch(e){ if(e instanceof LabProblems) out=formatProblems(e.problems).replaceAll(`${root}/${d}/`,"")+"\n"; else { out="CRASH "+(e as Error).stack+"\n"; } }
 writeFileSync(`${root}/${d}/expected.txt`, out); const k=+d.slice(0,2); if (show.length===2 && k>=+show[0]! && k<=+show[1]!) console.log(`===== ${d}\n${out}`); if(/^(VALID|CRASH)/.test(out)) console.log(d, out.slice(0,900)); }
