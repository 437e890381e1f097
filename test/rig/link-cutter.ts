import { cutLink } from "../../src/providers/ssh/link-fault.ts";
import { dockerRemote } from "./docker-remote.ts";

/** A controller that cuts a machine's link, says so, and is killed. */
const [container = "", durationMs = ""] = process.argv.slice(2);
await cutLink({ name: container, remote: dockerRemote({ container, user: "lab" }) }, "eth0", {
  durationMs: Number(durationMs),
});
console.log("cut");
setInterval(() => undefined, 1000);
